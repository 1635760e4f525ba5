// Triggers that fire again and again: at intervals, or when a value has moved far enough.
// See operators/trigger.h for how triggers work.
#pragma once

#include "operators/trigger.h"

namespace sluice {

namespace detail {

/// The next multiple of `interval` after `time`, but not beyond the end of the window.
template <class W>
EventTime next_continuous_fire(EventTime time, Duration interval, const W& window) {
  const EventTime start{floor_to_step(time.ms, interval.count())};
  return std::min(saturating_add(start, interval), window.max_timestamp());
}

}  // namespace detail

/// Fires whenever the watermark passes a multiple of the interval, and at the end of the window.
struct ContinuousEventTimeTrigger : detail::TriggerDefaults<std::optional<EventTime>> {
  static ContinuousEventTimeTrigger of(Duration interval) {
    return ContinuousEventTimeTrigger{{}, interval};
  }
  // The state is the time of the next firing.
  template <class T, class W>
  TriggerResult on_element(const T&, EventTime time, const W& window, State& next,
                           TriggerContext& context) const {
    if (window.max_timestamp() <= context.current_watermark()) return TriggerResult::kFire;
    context.register_event_timer(window.max_timestamp());
    if (!next) schedule(time, window, next, context);
    return TriggerResult::kContinue;
  }
  template <class W>
  TriggerResult on_event_time(EventTime time, const W& window, State& next,
                              TriggerContext& context) const {
    if (time == window.max_timestamp()) return TriggerResult::kFire;
    if (next != time) return TriggerResult::kContinue;
    schedule(time, window, next, context);
    return TriggerResult::kFire;
  }
  static void merge_state(State& into, const State& from) {
    if (from && (!into || *from < *into)) into = from;
  }
  template <class W>
  static void on_merge(const W& window, State& next, TriggerContext& context) {
    if (window.max_timestamp() > context.current_watermark()) {
      context.register_event_timer(window.max_timestamp());
    }
    if (next) context.register_event_timer(*next);
  }
  template <class W>
  static void clear(const W& window, State& next, TriggerContext& context) {
    context.delete_event_timer(window.max_timestamp());
    if (next) context.delete_event_timer(*next);
    next.reset();
  }

  Duration interval{1};

 private:
  template <class W>
  void schedule(EventTime from, const W& window, State& next, TriggerContext& context) const {
    const EventTime fire = detail::next_continuous_fire(from, interval, window);
    next = fire;
    context.register_event_timer(fire);
  }
};

/// Fires at every multiple of the interval on the clock while the window has contents.
struct ContinuousProcessingTimeTrigger : detail::TriggerDefaults<std::optional<EventTime>> {
  static ContinuousProcessingTimeTrigger of(Duration interval) {
    return ContinuousProcessingTimeTrigger{{}, interval};
  }
  template <class T, class W>
  TriggerResult on_element(const T&, EventTime, const W& window, State& next,
                           TriggerContext& context) const {
    if (!next) schedule(context.current_processing_time(), window, next, context);
    return TriggerResult::kContinue;
  }
  template <class W>
  TriggerResult on_processing_time(EventTime time, const W& window, State& next,
                                   TriggerContext& context) const {
    if (next != time) return TriggerResult::kContinue;
    next.reset();
    if (time < window.max_timestamp()) schedule(time, window, next, context);
    return TriggerResult::kFire;
  }
  static void merge_state(State& into, const State& from) {
    if (from && (!into || *from < *into)) into = from;
  }
  template <class W>
  static void on_merge(const W&, State& next, TriggerContext& context) {
    if (next) context.register_processing_timer(*next);
  }
  template <class W>
  static void clear(const W&, State& next, TriggerContext& context) {
    if (next) context.delete_processing_timer(*next);
    next.reset();
  }

  Duration interval{1};

 private:
  template <class W>
  void schedule(EventTime from, const W& window, State& next, TriggerContext& context) const {
    const EventTime fire = detail::next_continuous_fire(from, interval, window);
    next = fire;
    context.register_processing_timer(fire);
  }
};

/// Fires when delta(last fired element, this one) exceeds the threshold; the first element of a
/// window only sets the mark. `delta(const T&, const T&)` gives a number.
template <class T, class Delta>
struct DeltaTrigger : detail::TriggerDefaults<std::optional<T>> {
  using State = std::optional<T>;
  static DeltaTrigger of(double threshold, Delta delta) {
    return DeltaTrigger{{}, threshold, std::move(delta)};
  }
  template <class W>
  TriggerResult on_element(const T& record, EventTime, const W&, State& last,
                           TriggerContext&) const {
    if (!last) {
      last = record;
      return TriggerResult::kContinue;
    }
    if (!(static_cast<double>(std::invoke(delta, *last, record)) > threshold)) {
      return TriggerResult::kContinue;
    }
    last = record;
    return TriggerResult::kFire;
  }
  // Two marks cannot be made one.
  static constexpr bool can_merge() { return false; }
  template <class W>
  static void clear(const W&, State& last, TriggerContext&) {
    last.reset();
  }

  double threshold = 0;
  Delta delta;
};

/// `delta_trigger<Trade>(5.0, [](const Trade& a, const Trade& b) { return b.price - a.price; })`.
template <class T, class Delta>
DeltaTrigger<T, Delta> delta_trigger(double threshold, Delta delta) {
  return DeltaTrigger<T, Delta>::of(threshold, std::move(delta));
}

}  // namespace sluice
