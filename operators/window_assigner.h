// Window assigners: which windows an element belongs to. In Flink's words:
//
//   TumblingEventTimeWindows::of(1h)            SlidingEventTimeWindows::of(10min, 1min)
//   EventTimeSessionWindows::with_gap(30min)    EventTimeSessionWindows::with_dynamic_gap(f)
//   GlobalWindows::create()                     and the processing-time twins.
//
// Plain values. assign(record, time, now, f) calls f(window) for each window of the element;
// validate() says what is wrong with the arguments and is checked before a job runs.
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <utility>

#include "core/status.h"
#include "operators/window.h"

namespace sluice {

enum class TimeDomain { kEventTime, kProcessingTime };

/// What the operators ask of an assigner.
template <class A>
concept WindowAssigner = requires(const A& assigner) {
  typename A::Window;
  { A::kTimeDomain } -> std::convertible_to<TimeDomain>;
  { A::kIsMerging } -> std::convertible_to<bool>;
  { assigner.validate() } -> std::same_as<Status>;
};

/// Tumbling and sliding event-time windows, whose ends are the same for every key.
template <class A>
concept AlignedEventTimeAssigner = WindowAssigner<A> && A::kTimeDomain == TimeDomain::kEventTime &&
                                   !A::kIsMerging && requires(const A& assigner) {
  { assigner.size() } -> std::same_as<Duration>;
  { assigner.slide() } -> std::same_as<Duration>;
  { assigner.offset() } -> std::same_as<Duration>;
};

namespace detail {

inline Status validate_window(const char* what, Duration size, Duration slide, Duration offset) {
  if (size.count() <= 0) {
    return Status::invalid_argument(std::string(what) + ": the size must be above 0, not " +
                                    to_text(size));
  }
  if (slide.count() <= 0) {
    return Status::invalid_argument(std::string(what) + ": the slide must be above 0, not " +
                                    to_text(slide));
  }
  if (offset <= -slide || offset >= slide) {
    return Status::invalid_argument(std::string(what) + ": the offset " + to_text(offset) +
                                    " must lie between 0 and the " +
                                    (size == slide ? "size" : "slide") + " " + to_text(slide));
  }
  return Status::ok();
}

/// Windows of `size` that start every `slide`; equal when tumbling.
template <TimeDomain kDomain, bool kTumbling>
class AlignedWindows {
 public:
  using Window = TimeWindow;
  static constexpr TimeDomain kTimeDomain = kDomain;
  static constexpr bool kIsMerging = false;

  static AlignedWindows of(Duration size) requires kTumbling {
    return AlignedWindows(size, size, Duration(0));
  }
  /// `offset` moves the windows: of(1h, 15min) gives 00:15–01:15. For whole days in a time zone
  /// east of Greenwich the offset is negative.
  static AlignedWindows of(Duration size, Duration offset) requires kTumbling {
    return AlignedWindows(size, size, offset);
  }
  /// With slide > size elements between the windows are dropped (semantics rule 3).
  static AlignedWindows of(Duration size, Duration slide,
                           Duration offset = Duration(0)) requires(!kTumbling) {
    return AlignedWindows(size, slide, offset);
  }

  Duration size() const { return size_; }
  Duration slide() const { return slide_; }
  Duration offset() const { return offset_; }
  Status validate() const {
    return validate_window(kTumbling ? "tumbling window" : "sliding window", size_, slide_,
                           offset_);
  }

  /// Latest window first (semantics rule 3).
  template <class In, class F>
  void assign(const In& /*record*/, EventTime time, EventTime now, F&& f) const {
    if constexpr (kDomain == TimeDomain::kProcessingTime) time = now;
    if (time == kNoTimestamp) throw_no_timestamp();
    EventTime start = window_start(time, slide_, offset_);
    while (saturating_add(start, size_) > time) {
      f(TimeWindow{start, saturating_add(start, size_)});
      if (start < kMinTime + slide_) break;
      start = start - slide_;
    }
  }

 private:
  AlignedWindows(Duration size, Duration slide, Duration offset)
      : size_(size), slide_(slide), offset_(offset) {}
  Duration size_;
  Duration slide_;
  Duration offset_;
};

template <TimeDomain kDomain, class Gap>
class SessionWindows {
 public:
  using Window = TimeWindow;
  static constexpr TimeDomain kTimeDomain = kDomain;
  static constexpr bool kIsMerging = true;
  static constexpr bool kIsStatic = std::is_same_v<Gap, Duration>;

  explicit SessionWindows(Gap gap) : gap_(std::move(gap)) {}

  Status validate() const {
    if constexpr (kIsStatic) {
      if (gap_.count() <= 0) {
        return Status::invalid_argument("session window: the gap must be above 0, not " +
                                        to_text(gap_));
      }
    }
    return Status::ok();
  }

  template <class In, class F>
  void assign(const In& record, EventTime time, EventTime now, F&& f) const {
    if constexpr (kDomain == TimeDomain::kProcessingTime) time = now;
    if (time == kNoTimestamp) throw_no_timestamp();
    Duration gap{0};
    if constexpr (kIsStatic) {
      gap = gap_;
    } else {
      gap = std::invoke(gap_, record);
      if (gap.count() <= 0) {
        throw std::invalid_argument("the dynamic session gap must be above 0, not " + to_text(gap));
      }
    }
    f(TimeWindow{time, saturating_add(time, gap)});
  }

 private:
  Gap gap_;
};

/// The factories with Flink's names; the result's type depends on the gap.
template <TimeDomain kDomain>
struct SessionWindowFactories {
  /// A session ends when no element of its key comes for `gap`.
  static SessionWindows<kDomain, Duration> with_gap(Duration gap) {
    return SessionWindows<kDomain, Duration>(gap);
  }
  /// `gap(record)` says how long the session lasts after this element.
  template <class F>
  static SessionWindows<kDomain, F> with_dynamic_gap(F gap) {
    return SessionWindows<kDomain, F>(std::move(gap));
  }
};

}  // namespace detail

using TumblingEventTimeWindows = detail::AlignedWindows<TimeDomain::kEventTime, true>;
using TumblingProcessingTimeWindows = detail::AlignedWindows<TimeDomain::kProcessingTime, true>;
using SlidingEventTimeWindows = detail::AlignedWindows<TimeDomain::kEventTime, false>;
using SlidingProcessingTimeWindows = detail::AlignedWindows<TimeDomain::kProcessingTime, false>;
using EventTimeSessionWindows = detail::SessionWindowFactories<TimeDomain::kEventTime>;
using ProcessingTimeSessionWindows = detail::SessionWindowFactories<TimeDomain::kProcessingTime>;

/// Everything of a key in one window that never ends; fires only by a trigger of the author's.
class GlobalWindows {
 public:
  using Window = GlobalWindow;
  // No watermark makes an element late (as in Flink).
  static constexpr TimeDomain kTimeDomain = TimeDomain::kProcessingTime;
  static constexpr bool kIsMerging = false;

  static GlobalWindows create() { return {}; }
  Status validate() const { return Status::ok(); }
  template <class In, class F>
  void assign(const In& /*record*/, EventTime /*time*/, EventTime /*now*/, F&& f) const {
    f(GlobalWindow{});
  }
};

}  // namespace sluice
