// nexmark_events(): the generator as a source.
//
//   env.from_source(nexmark_events({.count = 10'000'000}), nexmark_watermarks())
//
// The stream is dealt in blocks of consecutive positions to splits in turn, so that however many
// subtasks read it, all of them move through event time side by side. A split's state is its next
// position. Replayable; the events do not depend on the parallelism.
//
// With a rate, event n is given out n / rate seconds after the reader began; without, as fast as they
// are taken.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

/// Every `strides`-th block from block `index` on.
struct NexmarkSplit {
  int64_t index = 0;
  int64_t strides = 1;
  int64_t next = 0;  // Position of the next event; lies in a block of this split.
  int64_t end = 0;   // Of the stream.

  static constexpr int64_t kBlockEvents = 1000;

  static NexmarkSplit first_of(int64_t index, int64_t strides, int64_t end);
  bool is_finished() const { return next >= end; }
  /// Events up to the end of the block or of the stream.
  int64_t left_in_block() const;
  void advance(int64_t events);

  SourceSplit to_split() const;
  static Result<NexmarkSplit> of_split(const SourceSplit& split);
};

class NexmarkEnumerator final : public SplitEnumerator {
 public:
  explicit NexmarkEnumerator(int64_t end) : end_(end) {}

  Status open(int source_parallelism) override;
  Assignment next(int subtask) override;
  void add_back(std::vector<SourceSplit> splits) override;
  std::string snapshot() const override;
  Status restore(std::string_view state) override;

 private:
  // More splits than subtasks at low parallelism, so that a job can be rescaled.
  static constexpr int kSplitsMin = 4;

  int64_t end_;
  std::vector<SourceSplit> unassigned_;
  size_t share_ = 1;  // Splits given at a time.
  bool restored_ = false;
};

class NexmarkReader final : public SourceReader<Event> {
 public:
  explicit NexmarkReader(const NexmarkOptions& options)
      : options_(options), generator_(options.generator) {}

  Status open(SourceContext& context) override;
  Status add_split(const SourceSplit& split) override;
  Result<PollResult> poll(TypedBatch<Event>& batch, uint32_t rows_max) override;
  int64_t next_poll_ms() const override { return next_poll_ms_; }
  std::vector<SourceSplit> snapshot() const override;
  void pause_splits(const std::vector<int>& paused) override;

 private:
  /// The unfinished split that is least far; -1 when all are finished.
  int pick_split() const;
  /// How many of `wanted` events from `position` on are due; sets the next poll when none is.
  int64_t due_events(int64_t position, int64_t wanted);
  bool is_over() const;

  NexmarkOptions options_;
  EventGenerator generator_;
  const Clock* clock_ = nullptr;
  std::vector<NexmarkSplit> splits_;
  std::vector<bool> paused_;
  int64_t started_ns_ = -1;
  int64_t first_position_ = 0;
  int64_t next_poll_ms_ = Operator::kNoTimer;
};

class NexmarkSource final : public Source<Event> {
 public:
  explicit NexmarkSource(const NexmarkOptions& options) : options_(options) {}

  bool is_bounded() const override { return options_.count > 0 || options_.run_for.count() > 0; }
  std::string name() const override { return "nexmark_events"; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override;
  std::unique_ptr<SourceReader<Event>> create_reader() const override;

 private:
  NexmarkOptions options_;
};

inline NexmarkSource nexmark_events(const NexmarkOptions& options) {
  return NexmarkSource(options);
}

/// The watermark of the benchmark's table: the latest time seen minus 4 s, to the millisecond. A
/// record exactly `behind` late may thus come after it.
inline WatermarkStrategy<Event> nexmark_watermarks(Duration behind = Duration(4000)) {
  return WatermarkStrategy<Event>::bounded_out_of_orderness(behind - Duration(1))
      .with_timestamp([](const Event& event) { return event.date_time(); });
}

}  // namespace sluice::nexmark
