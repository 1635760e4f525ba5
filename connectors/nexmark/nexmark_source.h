// nexmark_events(): the generator as a source.
//
//   env.from_source(nexmark_events({.count = 10'000'000}), nexmark_watermarks())
//
// The stream is dealt in blocks of consecutive positions to splits in turn, so that however many
// subtasks read it, all of them move through event time side by side. A split's state is its next
// position. Replayable; the events do not depend on the parallelism.
//
// With a rate, event n is given out n / rate seconds after the reader began; without, as fast as
// they are taken.
#pragma once

#include <cstdint>

#include "connectors/generator.h"
#include "connectors/nexmark/event_generator.h"
#include "core/source.h"
#include "operators/watermark_strategy.h"

namespace sluice::nexmark {

struct NexmarkOptions {
  GeneratorConfig generator;
  /// Events in all; 0 = without end.
  int64_t count = 0;
  /// The reader ends after this much processing time; 0 = not by time.
  Duration run_for{0};
  /// Events per second of processing time, all subtasks together; 0 = no limit.
  int64_t rate = 0;
};

/// Appends the events first .. first + count - 1.
class AppendEvents {
 public:
  explicit AppendEvents(const GeneratorConfig& config) : generator_(config) {}
  void operator()(int64_t first, int64_t count, TypedBatch<Event>& batch) const {
    generator_.append(first, count, batch);
  }

 private:
  EventGenerator generator_;
};

using NexmarkSource = GeneratorSource<Event, AppendEvents>;

inline NexmarkSource nexmark_events(const NexmarkOptions& options) {
  GeneratorOptions source;
  source.count = options.count;
  source.run_for = options.run_for;
  source.rows_per_second = options.rate;
  return {source, AppendEvents(options.generator), "nexmark_events"};
}

/// The watermark of the benchmark's table: the latest time seen minus 4 s, to the millisecond. A
/// record exactly `behind` late may thus come after it.
inline WatermarkStrategy<Event> nexmark_watermarks(Duration behind = Duration(4000)) {
  return WatermarkStrategy<Event>::bounded_out_of_orderness(behind - Duration(1))
      .with_timestamp([](const Event& event) { return event.date_time(); });
}

}  // namespace sluice::nexmark
