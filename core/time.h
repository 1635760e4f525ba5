// Event time, durations and their texts.
//
// Event time is int64 milliseconds since the Unix epoch (UTC, proleptic Gregorian calendar). It is
// a type of its own so that it cannot be swapped with a processing time, a duration or a count.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

using Duration = std::chrono::milliseconds;
using namespace std::chrono_literals;  // NOLINT: `2h`, `500ms` are part of the API's vocabulary.

struct EventTime {
  int64_t ms = 0;

  friend constexpr auto operator<=>(EventTime, EventTime) = default;
  friend constexpr EventTime operator+(EventTime t, Duration d) { return {t.ms + d.count()}; }
  friend constexpr EventTime operator-(EventTime t, Duration d) { return {t.ms - d.count()}; }
  friend constexpr Duration operator-(EventTime a, EventTime b) { return Duration(a.ms - b.ms); }
};

/// Smallest time: "no timestamp" of a record and "nothing known" of a watermark.
inline constexpr EventTime kMinTime{std::numeric_limits<int64_t>::min()};
/// Largest time: the watermark at the end of bounded input.
inline constexpr EventTime kMaxTime{std::numeric_limits<int64_t>::max()};
/// The timestamp of a record that has none.
inline constexpr EventTime kNoTimestamp = kMinTime;

/// t + d, clamped to the ends of the range instead of overflowing (semantics rule 4).
constexpr EventTime saturating_add(EventTime t, Duration d) {
  int64_t sum = 0;
  if (__builtin_add_overflow(t.ms, d.count(), &sum)) return d.count() > 0 ? kMaxTime : kMinTime;
  return {sum};
}

/// "2001-01-01T01:24:00Z", with ".123" before the Z when there are milliseconds; years outside
/// 0..9999 get a sign. kMinTime and kMaxTime print as "-inf" and "+inf".
std::string to_iso8601(EventTime time);
/// Appends the same text; no allocation beyond `out`.
void append_iso8601(EventTime time, std::string& out);

/// Parses "YYYY-MM-DD[T| ]hh:mm[:ss[.fraction]][Z|±hh[:mm]]" and "YYYY-MM-DD"; without zone UTC is
/// meant. Digits beyond milliseconds are cut. Nothing on any other text or an impossible date.
std::optional<EventTime> parse_iso8601(std::string_view text);

/// Parses "250ms", "10s", "5m" / "5min", "2h", "1d", "0"; a plain number is milliseconds.
std::optional<Duration> parse_duration(std::string_view text);
/// "250ms", "10s", "90m" : the largest unit that divides.
std::string to_text(Duration duration);

}  // namespace sluice
