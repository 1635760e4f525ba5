// The contract between an operator and the task that runs it.
//
// A task calls an operator from one thread at a time, in stream order. Operators are resumable: a
// task can never block, so process() stops when the output is full and is called again with the
// same cursor once there is room. Everything an operator needs (clock, metrics, state) arrives by
// OperatorContext; it owns its outputs, which the chain drains between calls.
//
// Life: construct → attach side outputs → open → { process | on_processing_time | snapshot }* →
// end_of_input for each input → finish until kDone → close. close() runs on every path, also after
// a failure, exactly once if open() was called.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/key_group.h"
#include "core/metrics.h"
#include "core/output.h"
#include "core/snapshot.h"
#include "core/status.h"

namespace sluice {

enum class Progress {
  kDone,        // The input (or the timers) are used up.
  kOutputFull,  // Drain the outputs, then call again with the same cursor.
  kAwait,       // Waiting for something asynchronous; OperatorContext::wake() follows.
};

/// How far a StreamBatch has been processed. Rows [0, row) and marks [0, mark) are done.
struct Cursor {
  uint32_t row = 0;
  uint32_t mark = 0;
};

/// Bytes that say how to make something written visible, e.g. "rename A to B" (core/sink.h).
struct Committable {
  std::string data;
  CheckpointId checkpoint;
  int subtask = 0;
};

/// Who an operator instance is; what Flink's RuntimeContext tells.
struct TaskInfo {
  std::string job_name;
  std::string operator_name;
  std::string operator_uid;
  int subtask = 0;
  int parallelism = 1;
  int max_parallelism = kDefaultMaxParallelism;
  int attempt = 0;

  KeyGroupRange key_groups() const {
    return key_group_range_of(subtask, parallelism, max_parallelism);
  }
  /// "name (2/4)", as errors and logs print it.
  std::string display_name() const {
    return operator_name + " (" + std::to_string(subtask + 1) + "/" + std::to_string(parallelism) +
           ")";
  }
};

/// Runs blocking work away from the task's thread. In tests the inline runner runs at once.
class IoRunner {
 public:
  virtual ~IoRunner() = default;
  /// `work` runs once, on any thread; bounded queue: the call may wait when it is full.
  virtual void run(std::function<void()> work) = 0;
};

/// Where rows go that do not fit the memory; implemented by state/rocksdb (state/api/cold_store.h).
class ColdStore;

/// Where keyed state lives. Named in options as `state.backend`.
enum class StateBackendKind { kHashMap, kRocksDb };

/// Everything outside an operator that it may use; outlives the operator.
struct OperatorContext {
  TaskInfo task;
  const Clock* clock = nullptr;
  MetricGroup* metrics = nullptr;
  IoRunner* io = nullptr;
  /// Thread-safe: makes the task call process() (after kAwait) or poll again soon.
  std::function<void()> wake;
  /// SinkContext::request_checkpoint; on the task's thread.
  std::function<void(CheckpointId after)> request_checkpoint;
  /// State to start from; null on a fresh start. Only valid during open().
  SnapshotReader* restored = nullptr;
  /// The checkpoint or savepoint that the job started from.
  std::optional<CheckpointId> restored_checkpoint;
  StateBackendKind state_backend = StateBackendKind::kHashMap;
  /// Bytes of keyed state this operator instance may hold in memory; 0 = no limit.
  size_t state_memory_bytes = 0;
  /// With kRocksDb: makes this instance's store, of this attempt alone, empty. Once.
  std::function<Result<std::shared_ptr<ColdStore>>()> open_cold_store;
  /// `on-bad-record`: a record that cannot be read fails the job instead of becoming a dead letter.
  bool fail_on_bad_record = false;
  /// Keeps such a record when the job has no dead-letter output; thread-safe, may be null in tests.
  std::function<void(std::string_view place, std::string_view reason, std::string_view raw)>
      dead_letter;
  /// Batch mode: rolling results are emitted once per key, at the end of the input.
  bool final_results_only = false;
  /// Checkpoints are on: sinks commit when one completes. Otherwise they commit at the end.
  bool checkpointing = false;
};

class Operator {
 public:
  virtual ~Operator() = default;

  virtual Status open(OperatorContext& context) = 0;
  virtual void close() {}

  /// Takes rows and marks of `input` from `cursor` on. `in` is owned by the chain and stays valid
  /// and unchanged until kDone is returned, except that an operator may take the batch out of it
  /// (forwarding it whole) when it returns kDone. Each mark that is processed is emitted on every
  /// output after the timers it fires.
  virtual Progress process(int input, StreamBatch& in, Cursor& cursor) = 0;

  /// No more data will come on `input`; the MAX watermark was seen before.
  virtual void end_of_input(int /*input*/) {}
  /// All inputs have ended: emit what is left. Called again after kOutputFull / kAwait.
  virtual Progress finish() { return Progress::kDone; }

  /// When the next processing-time timer is due (wall ms), or kNoTimer.
  virtual int64_t next_processing_timer() const { return kNoTimer; }
  /// Fires processing timers due at `now_ms`.
  virtual Progress on_processing_time(int64_t /*now_ms*/) { return Progress::kDone; }

  /// Which input to read next while several have data: an index, or -1 for any.
  virtual int next_input() const { return -1; }

  /// Whether a snapshot taken now, in the middle of an input batch, together with the rows from the
  /// cursor on and the outputs, is all there is. False while results of one record or timer are
  /// still to come that only this object knows; between two batches it must hold.
  virtual bool can_snapshot() const { return true; }
  /// Before the barrier leaves (semantics rule 21): sinks flush and pre-commit here. With unaligned
  /// checkpoints this and snapshot() also come in the middle of a batch.
  virtual Status prepare_snapshot(CheckpointId /*checkpoint*/) { return Status::ok(); }
  /// Freezes the state; null when there is none.
  virtual Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId /*checkpoint*/) {
    return std::unique_ptr<FrozenState>();
  }
  /// Every task has stored checkpoint `checkpoint`: effects up to it may become visible. May be
  /// late or skipped (semantics rule 26).
  virtual Status checkpoint_complete(CheckpointId /*checkpoint*/) { return Status::ok(); }
  virtual void checkpoint_aborted(CheckpointId /*checkpoint*/) {}
  /// Waits until what checkpoint_complete() has begun is done: the job is about to end.
  virtual Status settle() { return Status::ok(); }

  /// Output 0 is the main output; sinks have none.
  virtual int output_count() const = 0;
  virtual OutputBase& output(int index) = 0;
  /// Adds the output of a side tag; called before open(), index = output_count() before the call.
  virtual void add_side_output(int tag_id, std::unique_ptr<OutputBase> output);

  /// No input is at hand: push out what is buffered (sinks).
  virtual Status on_idle() { return Status::ok(); }
  /// After finish() without a later checkpoint: what a committer has to make visible once every
  /// task of the job has finished.
  virtual std::vector<Committable> take_committables() { return {}; }

  /// Bytes of state held in memory, for the metrics.
  virtual size_t state_bytes() const { return 0; }

  static constexpr int64_t kNoTimer = std::numeric_limits<int64_t>::max();
};

/// The side outputs of an operator, found by tag. Tags without consumer have no output: what is
/// emitted there is dropped, as in Flink.
class SideOutputs {
 public:
  void add(int tag_id, std::unique_ptr<OutputBase> output) {
    outputs_.push_back({tag_id, std::move(output)});
  }
  int count() const { return static_cast<int>(outputs_.size()); }
  OutputBase& at(int index) { return *outputs_[static_cast<size_t>(index)].output; }
  /// Null when nobody consumes the tag.
  OutputBase* find(int tag_id) {
    for (auto& entry : outputs_) {
      if (entry.tag_id == tag_id) return entry.output.get();
    }
    return nullptr;
  }
  bool any_full() const {
    for (const auto& entry : outputs_) {
      if (entry.output->is_full()) return true;
    }
    return false;
  }
  void mark(EventTime watermark) {
    for (auto& entry : outputs_) entry.output->mark(watermark);
  }

 private:
  struct Entry {
    int tag_id;
    std::unique_ptr<OutputBase> output;
  };
  std::vector<Entry> outputs_;
};

/// An operator with one main output of type Out and any side outputs.
template <class Out>
class OperatorWithOutput : public Operator {
 public:
  int output_count() const override { return 1 + sides_.count(); }
  OutputBase& output(int index) override {
    return index == 0 ? static_cast<OutputBase&>(out_) : sides_.at(index - 1);
  }
  void add_side_output(int tag_id, std::unique_ptr<OutputBase> output) override {
    sides_.add(tag_id, std::move(output));
  }

 protected:
  bool outputs_full() const { return out_.is_full() || sides_.any_full(); }
  void mark_outputs(EventTime watermark) {
    out_.mark(watermark);
    sides_.mark(watermark);
  }

  Output<Out> out_;
  SideOutputs sides_;
};

/// Makes operator instances: one per subtask and attempt.
using OperatorFactory = std::function<std::unique_ptr<Operator>()>;

/// Creates the output of a side tag.
using SideOutputFactory = std::function<std::unique_ptr<OutputBase>()>;

}  // namespace sluice
