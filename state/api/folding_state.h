// ReducingState<T> and AggregatingState<In, Aggregate>: one accumulated value per key, updated by
// add(). Flink's states of the same names.
//
// The function is part of the handle; name a function type to have it inlined, the default for
// reduce is a std::function.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "state/api/state_descriptor.h"
#include "state/api/value_cell.h"

namespace sluice {

template <class T, class F = std::function<T(const T&, const T&)>>
class ReducingState {
 public:
  /// Unbound; using it is an error.
  ReducingState() = default;
  template <class G>
  static Result<ReducingState> add_to(RowTable& table,
                                      const ReducingStateDescriptor<T, G>& descriptor) {
    SLUICE_ASSIGN_OR_RETURN(ValueSlot<T> slot,
                            ValueSlot<T>::add_to(table, descriptor.name, descriptor.ttl));
    return ReducingState(slot, F(descriptor.reduce));
  }

  /// From a handle that names the type of its function.
  template <class G>
  requires(!std::is_same_v<G, F> && std::is_constructible_v<F, G>)
      ReducingState(const ReducingState<T, G>& other)  // NOLINT(google-explicit-constructor)
      : slot_(other.slot_) {
    if (other.reduce_) reduce_.emplace(*other.reduce_);
  }

  /// Null when nothing was added. Valid until the next write to any state of this key.
  const T* get() const { return slot_.get(); }
  void add(const T& value) {
    const T* so_far = slot_.get();
    if (so_far == nullptr) {
      slot_.set(value);
    } else {
      slot_.set(std::invoke(*reduce_, *so_far, value));
    }
  }
  void clear() { slot_.clear(); }

 private:
  template <class U, class G>
  friend class ReducingState;
  ReducingState(ValueSlot<T> slot, F reduce) : slot_(slot), reduce_(std::move(reduce)) {}
  ValueSlot<T> slot_;
  // Optional, because a lambda type has no default constructor.
  mutable std::optional<F> reduce_;
};

template <class In, class Aggregate>
class AggregatingState {
 public:
  using Accumulator =
      std::remove_cvref_t<decltype(std::declval<Aggregate&>().create_accumulator())>;
  using Out = std::remove_cvref_t<decltype(std::declval<Aggregate&>().get_result(
      std::declval<const Accumulator&>()))>;

  /// Unbound; using it is an error.
  AggregatingState() = default;
  static Result<AggregatingState> add_to(
      RowTable& table, const AggregatingStateDescriptor<In, Aggregate>& descriptor) {
    SLUICE_ASSIGN_OR_RETURN(ValueSlot<Accumulator> slot,
                            ValueSlot<Accumulator>::add_to(table, descriptor.name, descriptor.ttl));
    return AggregatingState(slot, descriptor.aggregate);
  }

  /// The result of what was added; nothing when nothing was. A result with Texts may point into the
  /// state.
  std::optional<Out> get() const {
    const Accumulator* accumulator = slot_.get();
    if (accumulator == nullptr) return std::nullopt;
    return std::optional<Out>(aggregate_->get_result(*accumulator));
  }
  void add(const In& value) {
    if (slot_.get() == nullptr) slot_.set(aggregate_->create_accumulator());
    slot_.modify([&](Accumulator& accumulator) { add_one(value, accumulator); });
  }
  void clear() { slot_.clear(); }

 private:
  AggregatingState(ValueSlot<Accumulator> slot, Aggregate aggregate)
      : slot_(slot), aggregate_(std::move(aggregate)) {}

  /// add() in either order of arguments, changing the accumulator or returning the new one.
  void add_one(const In& value, Accumulator& accumulator) {
    if constexpr (requires {
                    { aggregate_->add(value, accumulator) } -> std::same_as<void>;
                  }) {
      aggregate_->add(value, accumulator);
    } else if constexpr (requires {
                           { aggregate_->add(accumulator, value) } -> std::same_as<void>;
                         }) {
      aggregate_->add(accumulator, value);
    } else {
      accumulator = aggregate_->add(value, std::move(accumulator));
    }
  }

  ValueSlot<Accumulator> slot_;
  mutable std::optional<Aggregate> aggregate_;
};

}  // namespace sluice
