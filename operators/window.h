// Windows: what elements are grouped by.
//
// A TimeWindow is [start, end) in milliseconds; its results carry the timestamp end − 1 and it
// fires when the watermark reaches end − 1 (semantics rule 1). The GlobalWindow holds everything
// and never ends. Plain values; the arithmetic floors, so times before 1970 fall into the right
// window (semantics rule 2).
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "core/record.h"
#include "core/time.h"

namespace sluice {

struct TimeWindow {
  EventTime start;
  EventTime end;

  /// The last timestamp inside: end − 1.
  constexpr EventTime max_timestamp() const { return {end.ms - 1}; }
  /// Whether the two overlap or merely touch, which is when sessions merge (semantics rule 7).
  constexpr bool touches(const TimeWindow& other) const {
    return start <= other.end && other.start <= end;
  }
  /// The smallest window that holds both.
  constexpr TimeWindow cover(const TimeWindow& other) const {
    return {std::min(start, other.start), std::max(end, other.end)};
  }
  friend constexpr auto operator<=>(const TimeWindow&, const TimeWindow&) = default;
};
SLUICE_RECORD(TimeWindow, start, end);

/// The one window of GlobalWindows and count windows; has no end.
struct GlobalWindow {
  /// A field so that the window has a codec like any other; always 0.
  uint8_t unused = 0;

  static constexpr EventTime max_timestamp() { return kMaxTime; }
  friend constexpr auto operator<=>(const GlobalWindow&, const GlobalWindow&) = default;
};
SLUICE_RECORD(GlobalWindow, unused);

/// The largest offset + n·step that is ≤ time_ms, clamped at the smallest time.
constexpr int64_t floor_to_step(int64_t time_ms, int64_t step, int64_t offset = 0) {
  // The remainders are taken apart, so that time − offset cannot overflow.
  int64_t remainder = (time_ms % step - offset % step) % step;
  if (remainder < 0) remainder += step;
  int64_t start = 0;
  if (__builtin_sub_overflow(time_ms, remainder, &start)) return kMinTime.ms;
  return start;
}

/// Start of the window of `size` that holds `time`.
constexpr EventTime window_start(EventTime time, Duration size, Duration offset = Duration(0)) {
  return {floor_to_step(time.ms, size.count(), offset.count())};
}

/// When the contents of a window go: its last timestamp + allowed lateness, for ever on overflow
/// (semantics rule 4). A window is late iff this is ≤ the watermark.
constexpr EventTime window_cleanup_time(EventTime max_timestamp, Duration allowed_lateness) {
  return saturating_add(max_timestamp, allowed_lateness);
}

/// Event-time windows cannot place an element without timestamp (semantics rule 10). The chain
/// turns the exception into a failure that names the operator and the subtask.
[[noreturn]] inline void throw_no_timestamp() {
  throw std::invalid_argument(
      "a record has no timestamp, but event-time windows need one: give the source a watermark "
      "strategy with_timestamp(...), or use processing-time windows");
}

}  // namespace sluice
