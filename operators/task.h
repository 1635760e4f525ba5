// One parallel instance of a chain, without actors: input gate → operator chain → output gates.
//
// actors/task_actor.cc owns a Task and turns its mails into the calls below; tests drive it
// directly. All calls come from one thread at a time. run() does a bounded amount of work and says
// what it waits for; everything that leaves goes through TaskLink.
//
// Invariants: an output channel is used only with credit (control elements have a reserved slot);
// one credit is granted back per batch consumed; while an output is full no input is taken; marks
// leave in the order in which they were made; after kFinished or kFailed nothing is sent.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/element.h"
#include "core/inspection.h"
#include "core/operator.h"
#include "core/source.h"
#include "core/status.h"
#include "operators/task_details_cell.h"
#include "operators/task_spec.h"

namespace sluice {

/// Frozen state of one operator of the chain.
struct OperatorSnapshot {
  NodeId node;
  std::string uid;
  std::unique_ptr<FrozenState> state;  // Null when the operator has none.
};

/// The way out of a task; implemented by the actor (and by tests).
class TaskLink {
 public:
  virtual ~TaskLink() = default;
  /// Sends over output channel `channel`. The task has checked the credit.
  virtual void send(int channel, StreamElement element) = 0;
  /// `credits` batches of input channel `channel` were consumed; `recycled` (may be null) is an
  /// empty batch that the sender may reuse.
  virtual void grant(int channel, uint32_t credits, BatchPtr recycled) = 0;
  /// A source has read all splits it was given.
  virtual void request_split() = 0;
  /// The synchronous part of checkpoint `barrier` is done; the states are to be written and
  /// acknowledged asynchronously. `alignment_ms`: how long the barrier took to align.
  virtual void snapshot_taken(const Barrier& barrier, std::vector<OperatorSnapshot> states,
                              int64_t alignment_ms) = 0;
  /// The sink `node` has finished: to be committed once every task of the job has finished.
  virtual void committables(NodeId node, std::vector<Committable> committables) = 0;
  /// The checkpoint cannot be taken here (prepare_snapshot failed, end of data came first).
  virtual void snapshot_declined(CheckpointId checkpoint, const Status& reason) = 0;
};

/// Shares of the last interval, in ms per second, and positions; read by other threads.
struct TaskProgress {
  std::atomic<int64_t> rows_in{0};
  std::atomic<int64_t> rows_out{0};
  std::atomic<int64_t> batches_in{0};
  std::atomic<int64_t> bytes_out{0};
  std::atomic<int64_t> watermark_ms{kMinTime.ms};
  std::atomic<int64_t> busy_ns{0};
  std::atomic<int64_t> back_pressured_ns{0};
  std::atomic<int64_t> idle_ns{0};
  std::atomic<int64_t> state_bytes{0};
  std::atomic<int64_t> state_bytes_max{0};
  std::atomic<int64_t> queued_batches{0};
  /// What the task is doing and since when (steady ns); the time since then is in no counter yet.
  std::atomic<TaskActivity> activity{TaskActivity::kNone};
  std::atomic<int64_t> activity_since_ns{0};
  /// Odd while times and activity are being changed.
  std::atomic<uint32_t> turn{0};
  /// Outlives the task.
  const std::shared_ptr<TaskDetailsCell> details = std::make_shared<TaskDetailsCell>();
};

/// Where the time of a task went, up to now.
struct TaskTimes {
  int64_t busy_ns = 0;
  int64_t back_pressured_ns = 0;
  int64_t idle_ns = 0;
  TaskActivity activity = TaskActivity::kNone;
  int64_t activity_since_ns = 0;
};
TaskTimes times_of(const TaskProgress& progress, int64_t steady_now_ns);

/// What a task needs from its surroundings; outlives the task.
struct TaskServices {
  const Clock* clock = nullptr;
  IoRunner* io = nullptr;
  /// Thread-safe: have run() called soon.
  std::function<void()> wake;
  /// SinkContext::request_checkpoint.
  std::function<void(CheckpointId after)> request_checkpoint;
  /// One group per stage, in order.
  std::vector<MetricGroup*> metrics;
  StateBackendKind state_backend = StateBackendKind::kHashMap;
  size_t state_memory_bytes = 0;
  /// With kRocksDb: makes the store of stage `stage`.
  std::function<Result<std::shared_ptr<ColdStore>>(size_t stage)> open_cold_store;
  /// Restored state of stage i, or null. Empty vector = fresh start.
  std::vector<SnapshotReader*> restored;
  std::optional<CheckpointId> restored_checkpoint;
  /// The task had ended before the restored checkpoint: it passes the end of its input on and emits
  /// nothing again (semantics rule 31).
  bool restored_finished = false;
  /// Keeps records that could not be read when the job has no dead-letter output of its own;
  /// thread-safe.
  std::function<void(std::string_view place, std::string_view reason, std::string_view raw)>
      dead_letter;
  bool fail_on_bad_record = false;
  bool checkpointing = false;
  bool final_results_only = false;
};

enum class RunState {
  kMore,      // Call run() again soon.
  kWaiting,   // For input, credit, wake() or next_wakeup_ms().
  kFinished,  // Everything was emitted, including end of data.
  kFailed,    // status() says why.
};

class Task {
 public:
  Task(TaskSpec spec, TaskServices services, TaskLink& link);
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  /// Creates and opens the operators, the last one first. Restores their state.
  Status open();
  /// Closes the operators; idempotent; also after a failure or to cancel.
  void close();

  /// Works until `budget_ns` is used up, or one batch is done, or there is nothing to do.
  RunState run(int64_t budget_ns);
  const Status& status() const;
  /// Wall ms at which run() must be called at the latest (timers, buffer timeout), or kNoTimer.
  int64_t next_wakeup_ms() const;

  void receive(int input_channel, StreamElement element);
  void add_credit(int output_channel, uint32_t credits, BatchPtr recycled);

  // -- sources --
  void add_splits(std::vector<SourceSplit> splits, bool no_more);
  /// Barrier into this source, between two batches; on a task that has ended, of any kind, a
  /// snapshot without one. Ids that were seen are ignored.
  void trigger_checkpoint(const Barrier& barrier);
  /// Reads no further; what was read is flushed and the task ends as at the end of its input
  /// (with_max_watermark: event timers fire; otherwise they do not).
  void stop(bool with_max_watermark);
  /// Watermark alignment (semantics rule 16): splits beyond `limit` pause.
  void set_watermark_limit(EventTime limit);
  /// This source's own watermark for its alignment group; kMaxTime when idle or finished.
  EventTime alignment_watermark() const;
  /// Splits not read to the end, with positions (for the enumerator on failover).
  std::vector<SourceSplit> unfinished_splits() const;

  // -- checkpoints --
  /// Sinks commit, or begin to; what fails here fails the task, too.
  Status checkpoint_complete(CheckpointId checkpoint);
  /// Waits until what checkpoint_complete() has begun is done.
  Status settle();
  void checkpoint_aborted(CheckpointId checkpoint);

  /// In TaskLink::snapshot_taken: how long the task has stood still for it.
  int64_t last_snapshot_ns() const;
  /// End of data was sent; only snapshots follow.
  bool has_ended() const;

  const TaskSpec& spec() const;
  const TaskProgress& progress() const;
  /// Free credits per output channel, for inspection.
  std::vector<uint32_t> output_credits() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
