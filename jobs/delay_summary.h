// Delays per origin airport and window of event time: what flight_delays and kafka_pipeline
// compute.
#pragma once

#include <algorithm>
#include <span>

#include "api/stream.h"

namespace jobs {

inline constexpr int32_t kDelayedFromMin = 15;

/// What is known of one origin in one window.
struct DelaySummary {
  int64_t flights = 0;
  int64_t delayed = 0;
  int64_t total_delay_min = 0;
  int32_t max_delay_min = INT32_MIN;
};
SLUICE_RECORD(DelaySummary, flights, delayed, total_delay_min, max_delay_min);

struct OriginDelays {
  sluice::EventTime window_start;
  sluice::EventTime window_end;
  sluice::Text origin;
  int64_t flights = 0;
  int64_t delayed = 0;
  int64_t total_delay_min = 0;
  int32_t max_delay_min = 0;
};
SLUICE_RECORD(OriginDelays, window_start, window_end, origin, flights, delayed, total_delay_min,
              max_delay_min);

/// `Flight` is any record with a delay_min.
template <class Flight>
struct SummarizeDelays {
  DelaySummary create_accumulator() const { return {}; }
  void add(const Flight& flight, DelaySummary& summary) const {
    ++summary.flights;
    if (flight.delay_min >= kDelayedFromMin) ++summary.delayed;
    summary.total_delay_min += flight.delay_min;
    summary.max_delay_min = std::max(summary.max_delay_min, flight.delay_min);
  }
  DelaySummary get_result(const DelaySummary& summary) const { return summary; }
  void merge(DelaySummary& into, const DelaySummary& other) const {
    into.flights += other.flights;
    into.delayed += other.delayed;
    into.total_delay_min += other.total_delay_min;
    into.max_delay_min = std::max(into.max_delay_min, other.max_delay_min);
  }
};

/// The result of one window.
inline void collect_delays(const sluice::Text& origin, const sluice::TimeWindow& span,
                           std::span<const DelaySummary> summary,
                           sluice::Collector<OriginDelays>& out) {
  const DelaySummary& s = summary.front();
  out.collect({sluice::EventTime{span.start}, sluice::EventTime{span.end}, origin, s.flights,
               s.delayed, s.total_delay_min, s.max_delay_min});
}

}  // namespace jobs
