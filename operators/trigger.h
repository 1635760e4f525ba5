// Triggers: when a window gives its result.
//
// A trigger is a value; what it remembers is a `State` that the operator keeps per key and window
// and hands to each call, so one trigger object serves all keys and its state is part of the
// snapshot. Timers are asked for through the TriggerContext. A custom trigger derives from
// Trigger<T, W, State> and overrides what it needs:
//
//   struct EveryHundredth : Trigger<Order, TimeWindow, int64_t> {
//     TriggerResult on_element(const Order&, EventTime, const TimeWindow&, int64_t& seen,
//                              TriggerContext&) override {
//       return ++seen % 100 == 0 ? TriggerResult::kFire : TriggerResult::kContinue;
//     }
//   };
//
// Called by the window operator on its task's thread. kFire keeps the contents, kFireAndPurge
// clears the contents but neither the trigger's state nor the cleanup timer (semantics rule 5).
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "operators/window.h"

namespace sluice {

enum class TriggerResult : uint8_t { kContinue, kFire, kPurge, kFireAndPurge };

constexpr bool fires(TriggerResult result) {
  return result == TriggerResult::kFire || result == TriggerResult::kFireAndPurge;
}
constexpr bool purges(TriggerResult result) {
  return result == TriggerResult::kPurge || result == TriggerResult::kFireAndPurge;
}

/// What a trigger may ask and order; timers belong to the key and window at hand and are a set: one
/// that is registered twice fires once.
class TriggerContext {
 public:
  struct Request {
    enum class Kind : uint8_t { kAddEvent, kDeleteEvent, kAddProcessing, kDeleteProcessing };
    Kind kind;
    EventTime time;
  };

  EventTime current_watermark() const { return watermark_; }
  EventTime current_processing_time() const { return now_; }
  void register_event_timer(EventTime time) { ask(Request::Kind::kAddEvent, time); }
  void delete_event_timer(EventTime time) { ask(Request::Kind::kDeleteEvent, time); }
  void register_processing_timer(EventTime time) { ask(Request::Kind::kAddProcessing, time); }
  void delete_processing_timer(EventTime time) { ask(Request::Kind::kDeleteProcessing, time); }

  // -- for the operator --
  void begin(EventTime watermark, EventTime now) {
    watermark_ = watermark;
    now_ = now;
    requests_.clear();
  }
  /// In the order in which they were made; carried out after the call returns.
  const std::vector<Request>& requests() const { return requests_; }

 private:
  void ask(Request::Kind kind, EventTime time) { requests_.push_back({kind, time}); }
  EventTime watermark_ = kMinTime;
  EventTime now_ = kMinTime;
  std::vector<Request> requests_;
};

/// State of triggers that remember nothing.
struct NoTriggerState {
  uint8_t unused = 0;
  friend constexpr bool operator==(NoTriggerState, NoTriggerState) = default;
};
SLUICE_RECORD(NoTriggerState, unused);

/// Base of custom triggers for elements T in windows W.
template <class T, class W, class S = NoTriggerState>
class Trigger {
 public:
  using State = S;
  virtual ~Trigger() = default;

  /// After the element was added to the window.
  virtual TriggerResult on_element(const T& record, EventTime time, const W& window, State& state,
                                   TriggerContext& context) = 0;
  virtual TriggerResult on_event_time(EventTime /*time*/, const W& /*window*/, State& /*state*/,
                                      TriggerContext& /*context*/) {
    return TriggerResult::kContinue;
  }
  virtual TriggerResult on_processing_time(EventTime /*time*/, const W& /*window*/,
                                           State& /*state*/, TriggerContext& /*context*/) {
    return TriggerResult::kContinue;
  }
  /// Whether it may be used with session windows; then merge_state and on_merge do their part.
  virtual bool can_merge() const { return false; }
  /// Takes over the state of a window that was absorbed.
  virtual void merge_state(State& /*into*/, const State& /*from*/) {}
  /// Windows were merged into `window`; timers of the absorbed ones are gone and must be registered
  /// again.
  virtual void on_merge(const W& /*window*/, State& /*state*/, TriggerContext& /*context*/) {}
  /// The window goes: delete the timers that were registered.
  virtual void clear(const W& /*window*/, State& /*state*/, TriggerContext& /*context*/) {}
};

namespace detail {

/// Calls of triggers that do not care about the element's type.
template <class S>
struct TriggerDefaults {
  using State = S;
  static constexpr bool can_merge() { return true; }
  template <class W>
  static TriggerResult on_event_time(EventTime, const W&, State&, TriggerContext&) {
    return TriggerResult::kContinue;
  }
  template <class W>
  static TriggerResult on_processing_time(EventTime, const W&, State&, TriggerContext&) {
    return TriggerResult::kContinue;
  }
  static void merge_state(State&, const State&) {}
  template <class W>
  static void on_merge(const W&, State&, TriggerContext&) {}
  template <class W>
  static void clear(const W&, State&, TriggerContext&) {}
};

}  // namespace detail

/// Fires when the watermark passes the end of the window, and at once for each element that comes
/// later but within the allowed lateness (semantics rule 5). The default of event-time windows.
struct EventTimeTrigger : detail::TriggerDefaults<NoTriggerState> {
  static EventTimeTrigger create() { return {}; }
  template <class T, class W>
  static TriggerResult on_element(const T&, EventTime, const W& window, State&,
                                  TriggerContext& context) {
    if (window.max_timestamp() <= context.current_watermark()) return TriggerResult::kFire;
    context.register_event_timer(window.max_timestamp());
    return TriggerResult::kContinue;
  }
  template <class W>
  static TriggerResult on_event_time(EventTime time, const W& window, State&, TriggerContext&) {
    return time == window.max_timestamp() ? TriggerResult::kFire : TriggerResult::kContinue;
  }
  template <class W>
  static void on_merge(const W& window, State&, TriggerContext& context) {
    // When the watermark is past the end already, on_element fires.
    if (window.max_timestamp() > context.current_watermark()) {
      context.register_event_timer(window.max_timestamp());
    }
  }
  template <class W>
  static void clear(const W& window, State&, TriggerContext& context) {
    context.delete_event_timer(window.max_timestamp());
  }
};

/// Fires when the clock passes the end of the window. The default of processing-time windows.
struct ProcessingTimeTrigger : detail::TriggerDefaults<NoTriggerState> {
  static ProcessingTimeTrigger create() { return {}; }
  template <class T, class W>
  static TriggerResult on_element(const T&, EventTime, const W& window, State&,
                                  TriggerContext& context) {
    context.register_processing_timer(window.max_timestamp());
    return TriggerResult::kContinue;
  }
  template <class W>
  static TriggerResult on_processing_time(EventTime, const W&, State&, TriggerContext&) {
    return TriggerResult::kFire;
  }
  template <class W>
  static void on_merge(const W& window, State&, TriggerContext& context) {
    if (window.max_timestamp() > context.current_processing_time()) {
      context.register_processing_timer(window.max_timestamp());
    }
  }
  template <class W>
  static void clear(const W& window, State&, TriggerContext& context) {
    context.delete_processing_timer(window.max_timestamp());
  }
};

/// Fires after every n-th element of a window.
struct CountTrigger : detail::TriggerDefaults<int64_t> {
  static CountTrigger of(int64_t count) { return CountTrigger{{}, count}; }
  template <class T, class W>
  TriggerResult on_element(const T&, EventTime, const W&, State& seen, TriggerContext&) const {
    if (++seen < count) return TriggerResult::kContinue;
    seen = 0;
    return TriggerResult::kFire;
  }
  static void merge_state(State& into, const State& from) { into += from; }
  template <class W>
  static void clear(const W&, State& seen, TriggerContext&) {
    seen = 0;
  }

  int64_t count = 1;
};

/// Never fires: for windows that are read by another trigger's purge or not at all. The default of
/// GlobalWindows.
struct NeverTrigger : detail::TriggerDefaults<NoTriggerState> {
  static NeverTrigger create() { return {}; }
  template <class T, class W>
  static TriggerResult on_element(const T&, EventTime, const W&, State&, TriggerContext&) {
    return TriggerResult::kContinue;
  }
};

/// Turns every firing of another trigger into one that clears the contents.
template <class Inner>
struct PurgingTrigger {
  using State = typename Inner::State;

  static TriggerResult purging(TriggerResult result) {
    return fires(result) ? TriggerResult::kFireAndPurge : result;
  }
  template <class T, class W>
  TriggerResult on_element(const T& record, EventTime time, const W& window, State& state,
                           TriggerContext& context) {
    return purging(inner.on_element(record, time, window, state, context));
  }
  template <class W>
  TriggerResult on_event_time(EventTime time, const W& window, State& state,
                              TriggerContext& context) {
    return purging(inner.on_event_time(time, window, state, context));
  }
  template <class W>
  TriggerResult on_processing_time(EventTime time, const W& window, State& state,
                                   TriggerContext& context) {
    return purging(inner.on_processing_time(time, window, state, context));
  }
  bool can_merge() const { return inner.can_merge(); }
  void merge_state(State& into, const State& from) { inner.merge_state(into, from); }
  template <class W>
  void on_merge(const W& window, State& state, TriggerContext& context) {
    inner.on_merge(window, state, context);
  }
  template <class W>
  void clear(const W& window, State& state, TriggerContext& context) {
    inner.clear(window, state, context);
  }
  static PurgingTrigger of(Inner inner) { return PurgingTrigger{std::move(inner)}; }

  Inner inner;
};
template <class Inner>
PurgingTrigger(Inner) -> PurgingTrigger<Inner>;

/// `purging(CountTrigger::of(10))`.
template <class Inner>
PurgingTrigger<Inner> purging(Inner inner) {
  return PurgingTrigger<Inner>{std::move(inner)};
}

}  // namespace sluice
