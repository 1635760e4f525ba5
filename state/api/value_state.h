// ValueState<T>: one value per key. Flink's ValueState.
//
// A handle is a plain value bound to the operator's table; it always means the current key. Texts
// in a value are copied in; texts of a value read from state live until the key's state is written.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "state/api/state_descriptor.h"
#include "state/api/value_cell.h"

namespace sluice {

template <class T>
class ValueState {
 public:
  /// Unbound; using it is an error.
  ValueState() = default;
  static Result<ValueState> add_to(RowTable& table, const ValueStateDescriptor<T>& descriptor) {
    SLUICE_ASSIGN_OR_RETURN(ValueSlot<T> slot,
                            ValueSlot<T>::add_to(table, descriptor.name, descriptor.ttl));
    return ValueState(slot);
  }

  /// The value, or null when there is none (or it has expired). Valid until the next write to any
  /// state of this key.
  const T* get() const { return slot_.get(); }
  /// A copy of the value, if there is one.
  std::optional<T> value() const {
    const T* found = slot_.get();
    return found != nullptr ? std::optional<T>(*found) : std::nullopt;
  }
  T value_or(T otherwise) const {
    const T* found = slot_.get();
    return found != nullptr ? *found : std::move(otherwise);
  }
  bool is_empty() const { return slot_.get() == nullptr; }

  void update(const T& value) { slot_.set(value); }
  /// Calls f(T&) on the stored value (T{} when there is none), in place where possible.
  template <class F>
  void modify(F&& f) {
    slot_.modify(std::forward<F>(f));
  }
  /// The stored value itself, T{} when there was none; valid until the next key. Fastest for
  /// counters. Only for plain values without Text.
  T& get_or_create() requires(StoredValue<T>::kInline && !kContainsText<T>) {
    return slot_.get_or_create();
  }
  void clear() { slot_.clear(); }

 private:
  explicit ValueState(ValueSlot<T> slot) : slot_(slot) {}
  ValueSlot<T> slot_;
};

}  // namespace sluice
