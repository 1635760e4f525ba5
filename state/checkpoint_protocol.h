// The decisions of the checkpoint coordinator: when to trigger, what an answer means, when a
// checkpoint counts. Pure: events in, actions out; no clock, no I/O, no actors.
//
//   trigger ─► coordinators snapshotted ─► tasks triggered ─► all acknowledged ─► published ─►
//   complete
//      │                  │                       │                  │               │
//      └──────────────────┴───── declined, timed out, job restarted, write failed ───┴─► aborted
//
// Invariants: an id is used once (semantics rule 26); a checkpoint is complete only when every task
// of the current attempt has acknowledged it and its metadata is durable; nothing is committed for
// an intermediate savepoint (rule 28); answers of an earlier attempt are dropped; after the last
// task has finished one more checkpoint must be complete before the job is done (rule 31).
//
// Times are wall ms given by the caller; they may jump but decisions only look at differences.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/element.h"
#include "core/ids.h"
#include "core/status.h"
#include "core/time.h"
#include "state/checkpoint_stats.h"

namespace sluice {

struct CheckpointProtocolOptions {
  Duration interval{0};  // 0: only on request, and none at the end.
  Duration min_pause{0};
  Duration timeout{10min};
  int max_concurrent = 1;
  /// Failures in a row beyond this fail the job.
  int tolerable_failures = 0;
  /// Of periodic checkpoints; savepoints and stops are always aligned.
  CheckpointKind kind = CheckpointKind::kAligned;
  /// With kUnaligned: how long barriers are aligned before they overtake data.
  Duration aligned_timeout{0};
};

/// State that one task has written for a checkpoint: a chain for each of its operators with state.
struct OperatorChainPart {
  std::string uid;
  std::string name;
  SnapshotChain chain;
};
struct TaskSnapshot {
  std::vector<OperatorChainPart> operators;
};
using TaskSnapshotPtr = std::shared_ptr<const TaskSnapshot>;

struct CheckpointTask {
  TaskId id;
  AttemptId attempt;
  bool is_source = false;
  /// It has reached its end already.
  bool finished = false;
};

/// Somebody wants a snapshot now.
struct SnapshotRequest {
  uint64_t request = 0;  // Returned in SnapshotAnswer.
  SnapshotPurpose purpose = SnapshotPurpose::kSavepoint;
  bool stop = false;
  bool drain = false;  // With `stop`.
  std::string target;  // Directory of a savepoint.
};

// ---- events -------------------------------------------------------------------------------------

namespace checkpoint_event {
/// Ids [first, end) may be used.
struct IdsReserved {
  CheckpointId first;
  CheckpointId end;
};
struct IdsNotReserved {
  Status status;
};
/// All tasks run (again); replaces what was known about tasks, except that one of the same attempt
/// has still reached its end if it had.
struct TasksRunning {
  std::vector<CheckpointTask> tasks;
};
/// A failure or a cancellation: tasks are being stopped, all or some.
struct TasksStopping {
  std::string reason;
};
struct Tick {};
struct Requested {
  SnapshotRequest request;
};
struct CoordinatorsSnapshotted {
  CheckpointId id;
  Status status;
};
struct Acknowledged {
  CheckpointId id;
  TaskId task;
  AttemptId attempt;
  SubtaskCheckpointStats stats;
  TaskSnapshotPtr snapshot;
};
struct Declined {
  CheckpointId id;
  TaskId task;
  AttemptId attempt;
  Status reason;
};
/// The task has sent its end of data.
struct TaskFinished {
  TaskId task;
  AttemptId attempt;
};
struct Published {
  CheckpointId id;
  Status status;
};
/// The task would like the next periodic checkpoint now: much has come together since `after`, the
/// last one it took part in.
struct Wanted {
  TaskId task;
  AttemptId attempt;
  CheckpointId after;
};
/// The task has done what completing the last checkpoint asks for (commits).
struct CompletionConfirmed {
  CheckpointId id;
  TaskId task;
  AttemptId attempt;
};
}  // namespace checkpoint_event

struct CheckpointEvent {
  int64_t now_ms = 0;
  std::variant<checkpoint_event::IdsReserved, checkpoint_event::IdsNotReserved,
               checkpoint_event::TasksRunning, checkpoint_event::TasksStopping,
               checkpoint_event::Tick, checkpoint_event::Requested,
               checkpoint_event::CoordinatorsSnapshotted, checkpoint_event::Acknowledged,
               checkpoint_event::Declined, checkpoint_event::TaskFinished, checkpoint_event::Wanted,
               checkpoint_event::Published, checkpoint_event::CompletionConfirmed>
      what;
};

// ---- actions ------------------------------------------------------------------------------------

namespace checkpoint_action {
/// Ask the storage for another block of ids.
struct ReserveIds {};
/// Snapshot enumerators and the like, and hold what they hand out until ReleaseCoordinators.
struct SnapshotCoordinators {
  Barrier barrier;
};
/// Every source has put the barrier in, or the checkpoint is over.
struct ReleaseCoordinators {
  CheckpointId id;
};
/// Task::trigger_checkpoint: into sources, and directly on tasks that have ended.
struct TriggerTasks {
  Barrier barrier;
  std::vector<TaskId> tasks;
  SnapshotPurpose purpose;
  std::string target;
};
/// Write the metadata, durably; Published follows.
struct Publish {
  CheckpointId id;
  SnapshotPurpose purpose;
  std::string target;
  bool drained = false;
  bool is_last = false;  // Of a stop or at the end.
  int64_t triggered_ms = 0;
  std::vector<std::pair<TaskId, TaskSnapshotPtr>> snapshots;
};
/// Task::checkpoint_complete on all tasks. With `confirm` each task answers CompletionConfirmed.
struct NotifyComplete {
  CheckpointId id;
  bool confirm = false;
};
/// Task::checkpoint_aborted on all tasks; what was written for it goes.
struct Abort {
  CheckpointId id;
  SnapshotPurpose purpose;
  std::string target;
  std::string reason;
};
struct SnapshotAnswer {
  uint64_t request = 0;
  Status status;
  CheckpointId id;
};
/// Too many failures, or a stop that cannot be taken back.
struct FailJob {
  Status status;
  /// False: part of a stop's output is committed, so going back to a checkpoint before it would
  /// write that output twice.
  bool may_restart = true;
};
/// The last checkpoint is complete and everything is committed: the job may end.
struct JobDone {
  bool stopped = false;  // By a request, as opposed to the end of its input.
};
struct Report {
  CheckpointStats stats;
};
}  // namespace checkpoint_action

using CheckpointAction =
    std::variant<checkpoint_action::ReserveIds, checkpoint_action::SnapshotCoordinators,
                 checkpoint_action::ReleaseCoordinators, checkpoint_action::TriggerTasks,
                 checkpoint_action::Publish, checkpoint_action::NotifyComplete,
                 checkpoint_action::Abort, checkpoint_action::SnapshotAnswer,
                 checkpoint_action::FailJob, checkpoint_action::JobDone, checkpoint_action::Report>;

class CheckpointProtocol {
 public:
  static constexpr int64_t kNever = INT64_MAX;
  /// Checkpoints whose statistics are kept.
  static constexpr size_t kHistoryMax = 100;
  /// Wait before a failed final checkpoint is tried again.
  static constexpr Duration kFinalRetry{1000};

  explicit CheckpointProtocol(CheckpointProtocolOptions options) : options_(options) {}

  /// What is to be done now, in this order.
  std::vector<CheckpointAction> step(const CheckpointEvent& event);

  /// When the next Tick is due, or kNever.
  int64_t next_tick_ms() const;

  size_t pending() const { return pending_.size(); }
  CheckpointId last_complete() const { return last_complete_; }
  /// The first id that was not used, for CheckpointStorage::release_ids().
  std::optional<CheckpointId> next_id() const;
  int failures_in_a_row() const { return failures_; }
  /// Ended checkpoints, oldest first.
  const std::deque<CheckpointStats>& history() const { return history_; }
  std::vector<CheckpointStats> pending_stats() const;

 private:
  enum class Phase {
    kCoordinators,  // Waiting for the snapshots of enumerators.
    kTasks,         // Triggered; waiting for acknowledgements.
    kReady,         // All are there; another one is being published.
    kPublishing,
  };
  enum class Life {
    kStopped,  // Tasks do not run.
    kRunning,
    kCommitting,  // The last checkpoint is complete; tasks commit.
    kDone,
  };
  struct Pending {
    Barrier barrier;
    Phase phase = Phase::kCoordinators;
    bool is_final = false;
    bool coordinators_held = true;
    std::optional<SnapshotRequest> request;
    CheckpointStats stats;
    std::set<TaskId> missing;
    std::vector<std::pair<TaskId, TaskSnapshotPtr>> snapshots;

    bool is_last() const { return is_final || (request && request->stop); }
    SnapshotPurpose purpose() const { return stats.purpose; }
    std::string target() const { return request ? request->target : std::string(); }
  };

  void on(const checkpoint_event::IdsReserved& event);
  void on(const checkpoint_event::IdsNotReserved& event);
  void on(const checkpoint_event::TasksRunning& event);
  void on(const checkpoint_event::TasksStopping& event);
  void on(const checkpoint_event::Tick& event);
  void on(const checkpoint_event::Requested& event);
  void on(const checkpoint_event::CoordinatorsSnapshotted& event);
  void on(const checkpoint_event::Acknowledged& event);
  void on(const checkpoint_event::Declined& event);
  void on(const checkpoint_event::TaskFinished& event);
  void on(const checkpoint_event::Wanted& event);
  void on(const checkpoint_event::Published& event);
  void on(const checkpoint_event::CompletionConfirmed& event);

  void consider_trigger();
  int64_t periodic_due_ms() const;
  bool wants_final() const;
  void count_failure(const Status& status);
  void trigger(std::optional<SnapshotRequest> request, bool is_final);
  void consider_publish();
  void complete(CheckpointId id);
  void complete_last(const Pending& pending);
  enum class Blame { kCounts, kDoesNotCount };
  void abort(CheckpointId id, const Status& reason, Blame blame);
  void abort_all(const Status& reason);
  void expire();
  void release_coordinators(Pending& pending);
  void finish_stats(Pending& pending, CheckpointOutcome outcome, const std::string& failure);
  bool is_current(TaskId task, AttemptId attempt) const;
  bool all_finished() const;
  template <class Action>
  void act(Action action) {
    actions_.emplace_back(std::move(action));
  }

  const CheckpointProtocolOptions options_;
  int64_t now_ms_ = 0;
  std::vector<CheckpointAction> actions_;

  Life life_ = Life::kStopped;
  std::map<TaskId, CheckpointTask> tasks_;
  std::map<CheckpointId, Pending> pending_;
  std::deque<SnapshotRequest> requests_;
  std::deque<checkpoint_event::IdsReserved> ids_;
  bool ids_requested_ = false;
  int64_t next_periodic_ms_ = kNever;
  int64_t last_ended_ms_ = INT64_MIN / 2;
  int64_t final_due_ms_ = INT64_MIN;  // When the final checkpoint may be tried again.
  CheckpointId last_complete_;
  int failures_ = 0;
  // While committing.
  std::set<TaskId> unconfirmed_;
  CheckpointId committing_;
  std::optional<SnapshotRequest> stop_request_;
  std::deque<CheckpointStats> history_;
};

}  // namespace sluice
