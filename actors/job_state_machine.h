// What a JobMaster does next: the life of one job over all its attempts, without actors.
//
//   created → checking → allocating → deploying → running → finishing → finished
//              ↑  │           │           │          │          │
//              │  └───────────┴─────┬─────┴──────────┘          └→ failed
//              └─ restarting ←── failing / cancelling → failed / cancelled
//
// A restart concerns all tasks, or only those of the region that failed (graph/regions.h): the
// others keep running while the phase goes round. It grows to all tasks when another region fails
// meanwhile, or anything that is no task does; what was waited for before that is out of date then,
// which shows in attempt().
//
// Invariants: nothing is deployed before inputs were checked; nothing runs before every task is
// open; nothing is committed before every task has finished; an end state is reached once, and not
// before every deployed task is gone or given up; a task outside the restart is never told to end.
// Each event is answered by the actions to take, in order. Events that come too late for their
// phase are ignored, so callers need not know the phase.
#pragma once

#include <cstddef>
#include <vector>

#include "core/status.h"

namespace sluice {

enum class JobPhase {
  kCreated,
  kChecking,    // Sinks and sources look at the world.
  kAllocating,  // Waiting for slots.
  kDeploying,   // Tasks are spawned and opened.
  kRunning,
  kFinishing,  // All tasks have finished; sinks commit.
  kFailing,    // Tasks are being cancelled after a failure.
  kCancelling,
  kRestarting,  // The tasks are gone; waiting for the restart, or for the decision against it.
  kFinished,
  kFailed,
  kCancelled,
};
const char* job_phase_name(JobPhase phase);

enum class JobEventKind {
  kStart,
  kInputsChecked,   // status
  kSlotsAllocated,  // status
  kTaskOpened,      // task
  kTaskFinished,    // task
  kTaskFailed,      // task, status: it has ended.
  kTaskCancelled,   // task: it has ended.
  kFailed,          // status: something that is no task (an enumerator, a lost TaskManager).
  kStopRequested,
  kCancelRequested,
  kCancelTimedOut,  // Tasks that were told to end did not.
  kCommitted,       // status
  kRestartDue,
  kRestartRefused,  // status, when there is another reason than the failure itself.
};

struct JobEvent {
  JobEventKind kind;
  size_t task = 0;
  Status status;
};

enum class JobAction {
  kCheckInputs,
  kAllocateSlots,
  kDeployTasks,
  kStartTasks,
  kStopSources,
  kCancelTasks,  // Those of tasks_to_end(); start the cancellation timeout.
  kCommit,
  kDecideRestart,  // Answered by kRestartDue, in time, or kRestartRefused.
  kDiscard,        // Remove what sinks wrote but did not commit.
  kEnd,            // Report the result; the phase is an end state.
};

class JobStateMachine {
 public:
  /// All tasks restart together.
  explicit JobStateMachine(size_t task_count) : JobStateMachine(std::vector<size_t>(task_count)) {}
  /// By task: the number of the region it restarts with.
  explicit JobStateMachine(std::vector<size_t> regions);

  std::vector<JobAction> on(const JobEvent& event);

  JobPhase phase() const { return phase_; }
  /// The first failure; ok when there was none.
  const Status& failure() const { return failure_; }
  /// No task had been deployed when the failure was found, or none of them took the stored state.
  bool failed_before_start() const { return failed_before_start_; }
  /// It was asked to stop, and has not refused.
  bool stop_requested() const { return stop_requested_; }
  /// The job runs on: it may be asked to stop again.
  void stop_refused() { stop_requested_ = false; }
  /// From now on a failure is final.
  void forbid_restart() { may_restart_ = false; }
  /// Grows with each restart.
  int attempt() const { return attempt_; }
  /// Tasks that were deployed and have not ended.
  std::vector<size_t> live_tasks() const;
  /// Those of them that the failure or cancellation under way ends.
  std::vector<size_t> tasks_to_end() const;
  /// The task takes part in the (re)start under way.
  bool concerns(size_t task) const { return concerned_[task]; }
  /// Some tasks keep running meanwhile.
  bool is_partial() const;
  bool is_at_end() const {
    return phase_ == JobPhase::kFinished || phase_ == JobPhase::kFailed ||
           phase_ == JobPhase::kCancelled;
  }

 private:
  enum class TaskState { kPlanned, kDeployed, kOpened, kFinished, kEnded };

  std::vector<JobAction> on_request(const JobEvent& event);
  std::vector<JobAction> on_task(const JobEvent& event);
  std::vector<JobAction> on_step(const JobEvent& event);
  std::vector<JobAction> deploy();
  /// A failure that trying again cannot mend is final.
  void set_failure(const Status& status);
  std::vector<JobAction> fail(const Status& status);
  std::vector<JobAction> fail_task(size_t task, const Status& status);
  std::vector<JobAction> restart_all(const Status& status);
  bool may_run_on_without(size_t region) const;
  bool is_restart_under_way() const;
  bool is_refusal(const Status& status) const;
  std::vector<JobAction> refuse(const Status& status);
  std::vector<JobAction> end_tasks(JobPhase phase);
  std::vector<JobAction> check_all_ended();
  std::vector<JobAction> on_restart(const JobEvent& event);
  bool all(TaskState state) const;
  bool was_deployed() const;

  JobPhase phase_ = JobPhase::kCreated;
  std::vector<TaskState> tasks_;
  const std::vector<size_t> regions_;  // By task.
  std::vector<bool> concerned_;        // By task.
  Status failure_;
  bool failed_before_start_ = false;
  bool stop_requested_ = false;
  bool may_restart_ = true;
  int attempt_ = 0;
};

}  // namespace sluice
