// What process functions see while they handle one record or timer: Flink's Context classes.
//
// Contexts are thin views of the operator that runs the function; they are valid during the call.
// Which members exist depends on where the function runs: only keyed functions have a current key
// and may register timers, only the broadcast side may write broadcast state.
#pragma once

#include <string>

#include "core/clock.h"
#include "core/time.h"
#include "operators/broadcast_state.h"
#include "operators/output_tag.h"
#include "operators/timer_service.h"
#include "state/api/keyed_rows.h"

namespace sluice {

/// What contexts look at; owned and kept up to date by the operator.
struct FunctionScope {
  const Clock* clock = nullptr;
  const EventTime* watermark = nullptr;
  SideOutputLookup* sides = nullptr;
  TimerService* timers = nullptr;
  RowTable* rows = nullptr;
  BroadcastStates* broadcast = nullptr;
  EventTime timestamp = kNoTimestamp;
  TimerDomain domain = TimerDomain::kEvent;
};

/// The operator's clocks.
class FunctionClocks {
 public:
  explicit FunctionClocks(const FunctionScope& scope) : scope_(&scope) {}

  /// No record with a time up to here comes any more.
  EventTime current_watermark() const { return *scope_->watermark; }
  /// Wall time in milliseconds since the epoch.
  EventTime current_processing_time() const { return {scope_->clock->wall_ms()}; }

 protected:
  const FunctionScope* scope_;
};

/// Clocks and timers of the current key. A timer is a set member: registering it twice fires once.
class FunctionTimers : public FunctionClocks {
 public:
  using FunctionClocks::FunctionClocks;

  /// Fires when the watermark reaches `time`.
  void register_event_time_timer(EventTime time) const {
    scope_->timers->register_event_timer(time);
  }
  /// Fires when the wall clock has passed `time`. Does not fire any more at the end of input.
  void register_processing_time_timer(EventTime time) const {
    scope_->timers->register_processing_timer(time.ms);
  }
  void delete_event_time_timer(EventTime time) const { scope_->timers->delete_event_timer(time); }
  void delete_processing_time_timer(EventTime time) const {
    scope_->timers->delete_processing_timer(time.ms);
  }
};

/// Common to all contexts.
class FunctionContext {
 public:
  explicit FunctionContext(FunctionScope& scope) : scope_(&scope) {}

  /// The event time of the record, or the time of the timer; kNoTimestamp when the record has none.
  EventTime timestamp() const { return scope_->timestamp; }
  EventTime current_watermark() const { return *scope_->watermark; }
  EventTime current_processing_time() const { return {scope_->clock->wall_ms()}; }

  /// Emits to a side output, with the record's or timer's time. Dropped when nobody reads the tag.
  template <class T>
  void output(const OutputTag<T>& tag, const std::type_identity_t<T>& value) {
    Output<T>* output = scope_->sides->find(tag);
    if (output != nullptr) output->emit_copy(value, scope_->timestamp);
  }

 protected:
  FunctionScope* scope_;
};

/// Of ProcessFunction and CoProcessFunction: no key, so no timers.
class ProcessContext : public FunctionContext {
 public:
  using FunctionContext::FunctionContext;
  FunctionClocks timer_service() const { return FunctionClocks(*scope_); }
};

/// Of keyed functions.
template <class K>
class KeyedContext : public FunctionContext {
 public:
  using FunctionContext::FunctionContext;
  /// The key of the record or timer; valid during the call.
  const K& current_key() const { return static_cast<KeyedRows<K>*>(scope_->rows)->current_key(); }
  FunctionTimers timer_service() const { return FunctionTimers(*scope_); }
};

/// Of on_timer().
template <class K>
class KeyedOnTimerContext : public KeyedContext<K> {
 public:
  using KeyedContext<K>::KeyedContext;
  /// Which kind of timer fired.
  TimerDomain time_domain() const { return this->scope_->domain; }
};

/// Adds read access to broadcast state to another context.
template <class Base>
class ReadsBroadcast : public Base {
 public:
  using Base::Base;
  template <class K, class V>
  const ReadOnlyBroadcastState<K, V>& get_broadcast_state(
      const MapStateDescriptor<K, V>& descriptor) const {
    return this->scope_->broadcast->get(descriptor);
  }
};

/// Of the broadcast side: may write broadcast state, has no key.
class BroadcastContext : public ProcessContext {
 public:
  using ProcessContext::ProcessContext;
  template <class K, class V>
  BroadcastState<K, V>& get_broadcast_state(const MapStateDescriptor<K, V>& descriptor) {
    return scope_->broadcast->get(descriptor);
  }
};

/// Of the broadcast side of a keyed stream.
template <class K>
class KeyedBroadcastContext : public BroadcastContext {
 public:
  using BroadcastContext::BroadcastContext;
  /// Calls f(const K& key, State& state) for every key of this subtask for which `state`, a handle
  /// registered in open(), is not empty. f may read and write all states of the key.
  template <class State, class F>
  void apply_to_keyed_state(State& state, F&& f) {
    auto& rows = *static_cast<KeyedRows<K>*>(scope_->rows);
    rows.for_each_row([&](RowAddress) {
      if (is_empty(state)) return;
      f(rows.current_key(), state);
    });
  }

 private:
  template <class State>
  static bool is_empty(const State& state) {
    if constexpr (requires { state.is_empty(); }) {
      return state.is_empty();
    } else {
      return !state.get();
    }
  }
};

}  // namespace sluice
