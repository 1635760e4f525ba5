// Sources: an enumerator that finds splits and hands them out, and readers that read them.
//
// The enumerator runs once per job beside the JobManager; each source subtask has one reader.
// Splits and their positions are opaque bytes to the engine: they travel in messages and
// checkpoints. A reader never blocks: it answers kNothingYet and calls SourceContext::wake when
// data may be there.
//
// Timestamps and watermarks are not the reader's business: the source operator applies the job's
// WatermarkStrategy per split (semantics rule 15).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/operator.h"
#include "core/status.h"
#include "core/time.h"

namespace sluice {

/// A part of the input with the position up to which it was read, encoded by the source.
struct SourceSplit {
  std::string id;    // Unique within the source, e.g. "flights.csv:0-65536".
  std::string data;  // Position included.
};

/// Hands out splits. Called by one actor; may do bounded blocking I/O in open() and discover().
class SplitEnumerator {
 public:
  virtual ~SplitEnumerator() = default;

  /// First look at the input: errors here (no such file) stop the job before anything runs.
  virtual Status open(int source_parallelism) = 0;

  struct Assignment {
    std::vector<SourceSplit> splits;
    /// The reader will never get another split: it finishes when its splits are read.
    bool no_more = false;
  };
  /// Subtask `subtask` has nothing left to read. An empty assignment without no_more means "none at
  /// present": the subtask counts as idle and is given splits when discover() finds some.
  virtual Assignment next(int subtask) = 0;
  /// Splits of a failed reader that no checkpoint holds (semantics rule 34).
  virtual void add_back(std::vector<SourceSplit> splits) = 0;

  /// How often discover() shall run; nothing = never.
  virtual std::optional<Duration> discovery_interval() const { return std::nullopt; }
  /// Looks for new splits; those found are given out by next().
  virtual Status discover() { return Status::ok(); }

  virtual std::string snapshot() const = 0;
  virtual Status restore(std::string_view state) = 0;
};

enum class PollState {
  kMore,        // There may be more right now.
  kNothingYet,  // Nothing at present; wake() follows.
  kNeedSplit,   // All splits given so far are read.
};

struct PollResult {
  PollState state = PollState::kNothingYet;
  /// Index of the split the appended rows belong to (order of add_split), -1 when none were.
  int split = -1;
  /// The split `split` is finished with these rows.
  bool split_finished = false;
  /// Steady time at which the first of the rows was due, for sources that give rows out by the
  /// clock: latency counts from here. 0 = it was not due before.
  int64_t due_ns = 0;
};

struct SourceContext {
  TaskInfo task;
  const Clock* clock = nullptr;
  MetricGroup* metrics = nullptr;
  IoRunner* io = nullptr;
  /// Thread-safe: poll again.
  std::function<void()> wake;
  /// A record could not be read: it is counted and kept in the dead-letter output. `place` names
  /// file and line or topic, partition and offset; `raw` is the bytes as they came.
  std::function<void(std::string_view place, std::string_view reason, std::string_view raw)>
      bad_record;
};

template <class T>
class SourceReader {
 public:
  virtual ~SourceReader() = default;
  virtual Status open(SourceContext& context) = 0;
  virtual void close() {}
  /// Splits are indexed in the order in which they are added, starting with 0.
  virtual Status add_split(const SourceSplit& split) = 0;
  /// Appends at most `rows_max` rows of one split to `batch`, bounded by a few tens of
  /// microseconds; may set their times (EventTime known to the source, e.g. a broker's timestamp).
  /// Texts go to the batch's own arena.
  virtual Result<PollResult> poll(TypedBatch<T>& batch, uint32_t rows_max) = 0;
  /// When to poll again although wake() was not called (wall ms), for rate limits.
  virtual int64_t next_poll_ms() const { return Operator::kNoTimer; }
  /// Unfinished splits with their positions: exactly after the last row given by poll().
  virtual std::vector<SourceSplit> snapshot() const = 0;
  virtual Status checkpoint_complete(CheckpointId /*checkpoint*/) { return Status::ok(); }
  /// Watermark alignment (rule 16): splits in `paused` must not be polled until resumed.
  virtual void pause_splits(const std::vector<int>& /*paused*/) {}
};

/// What a job author passes to env.from_source(). Copied into factories: cheap and thread-safe.
template <class T>
class Source {
 public:
  virtual ~Source() = default;
  /// Whether the input ends by itself.
  virtual bool is_bounded() const = 0;
  virtual std::unique_ptr<SplitEnumerator> create_enumerator() const = 0;
  virtual std::unique_ptr<SourceReader<T>> create_reader() const = 0;
  /// e.g. "csv_file(flights.csv)".
  virtual std::string name() const = 0;
  /// Largest useful parallelism; 0 = any (a socket has 1).
  virtual int parallelism_max() const { return 0; }
};

/// A row that could not be read; type of the dead-letter stream.
struct DeadLetter {
  Text place;
  Text reason;
  Text raw;
};

}  // namespace sluice

namespace sluice {
SLUICE_RECORD(DeadLetter, place, reason, raw);
}  // namespace sluice
