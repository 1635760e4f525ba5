#include "actors/job_state_machine.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace sluice {
namespace {

// Of most failures nobody knows whether trying again helps, and retry() is kNever by default. These
// codes mean that it does unless somebody said the opposite.
bool is_hopeless(const Status& status) {
  const bool usually_passes =
      status.code() == StatusCode::kResourceExhausted || status.code() == StatusCode::kUnavailable;
  return usually_passes && status.retry() == Retry::kNever;
}

}  // namespace

const char* job_phase_name(JobPhase phase) {
  switch (phase) {
    case JobPhase::kCreated:
      return "CREATED";
    case JobPhase::kChecking:
      return "CHECKING";
    case JobPhase::kAllocating:
      return "ALLOCATING";
    case JobPhase::kDeploying:
      return "DEPLOYING";
    case JobPhase::kRunning:
      return "RUNNING";
    case JobPhase::kFinishing:
      return "FINISHING";
    case JobPhase::kFailing:
      return "FAILING";
    case JobPhase::kCancelling:
      return "CANCELLING";
    case JobPhase::kRestarting:
      return "RESTARTING";
    case JobPhase::kFinished:
      return "FINISHED";
    case JobPhase::kFailed:
      return "FAILED";
    case JobPhase::kCancelled:
      return "CANCELLED";
  }
  return "?";
}

JobStateMachine::JobStateMachine(std::vector<size_t> regions)
    : tasks_(regions.size(), TaskState::kPlanned),
      regions_(std::move(regions)),
      concerned_(regions_.size(), true) {}

std::vector<JobAction> JobStateMachine::on(const JobEvent& event) {
  switch (event.kind) {
    case JobEventKind::kStart:
    case JobEventKind::kInputsChecked:
    case JobEventKind::kSlotsAllocated:
    case JobEventKind::kCommitted:
      return on_step(event);
    case JobEventKind::kTaskOpened:
    case JobEventKind::kTaskFinished:
    case JobEventKind::kTaskFailed:
    case JobEventKind::kTaskCancelled:
      return on_task(event);
    case JobEventKind::kFailed:
    case JobEventKind::kStopRequested:
    case JobEventKind::kCancelRequested:
    case JobEventKind::kCancelTimedOut:
      return on_request(event);
    case JobEventKind::kRestartDue:
    case JobEventKind::kRestartRefused:
      return on_restart(event);
  }
  return {};
}

std::vector<size_t> JobStateMachine::live_tasks() const {
  std::vector<size_t> live;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (tasks_[i] == TaskState::kDeployed || tasks_[i] == TaskState::kOpened) live.push_back(i);
  }
  return live;
}

std::vector<size_t> JobStateMachine::tasks_to_end() const {
  std::vector<size_t> tasks = live_tasks();
  std::erase_if(tasks, [this](size_t task) { return !concerned_[task]; });
  return tasks;
}

bool JobStateMachine::is_partial() const {
  return std::find(concerned_.begin(), concerned_.end(), false) != concerned_.end();
}

std::vector<JobAction> JobStateMachine::on_step(const JobEvent& event) {
  switch (event.kind) {
    case JobEventKind::kStart:
      if (phase_ != JobPhase::kCreated) return {};
      phase_ = JobPhase::kChecking;
      return {JobAction::kCheckInputs};
    case JobEventKind::kInputsChecked:
      if (phase_ != JobPhase::kChecking) return {};
      if (!event.status.is_ok()) return fail(event.status);
      if (is_partial()) {
        // It keeps its slots, as the tasks beside it do.
        return deploy();
      }
      phase_ = JobPhase::kAllocating;
      return {JobAction::kAllocateSlots};
    case JobEventKind::kSlotsAllocated:
      if (phase_ != JobPhase::kAllocating) return {};
      if (!event.status.is_ok()) return fail(event.status);
      return deploy();
    case JobEventKind::kCommitted:
      if (phase_ != JobPhase::kFinishing) return {};
      if (!event.status.is_ok()) failure_ = event.status;
      phase_ = event.status.is_ok() ? JobPhase::kFinished : JobPhase::kFailed;
      return {JobAction::kEnd};
    default:
      return {};
  }
}

std::vector<JobAction> JobStateMachine::deploy() {
  phase_ = JobPhase::kDeploying;
  for (size_t task = 0; task < tasks_.size(); ++task) {
    if (concerned_[task]) tasks_[task] = TaskState::kDeployed;
  }
  return {JobAction::kDeployTasks};
}

std::vector<JobAction> JobStateMachine::on_task(const JobEvent& event) {
  SLUICE_CHECK(event.task < tasks_.size());
  TaskState& task = tasks_[event.task];
  if (task == TaskState::kPlanned || task == TaskState::kFinished || task == TaskState::kEnded) {
    return {};
  }
  switch (event.kind) {
    case JobEventKind::kTaskOpened:
      task = TaskState::kOpened;
      if (phase_ != JobPhase::kDeploying || !all(TaskState::kOpened)) return {};
      phase_ = JobPhase::kRunning;
      std::fill(concerned_.begin(), concerned_.end(), true);
      if (stop_requested_) return {JobAction::kStartTasks, JobAction::kStopSources};
      return {JobAction::kStartTasks};
    case JobEventKind::kTaskFinished:
      task = TaskState::kFinished;
      if (phase_ == JobPhase::kRunning && all(TaskState::kFinished)) {
        phase_ = JobPhase::kFinishing;
        return {JobAction::kCommit};
      }
      // Of what has ended nothing can go on beside the others.
      if (!concerned_[event.task] && is_restart_under_way()) return restart_all(failure_);
      return check_all_ended();
    case JobEventKind::kTaskFailed:
      task = TaskState::kEnded;
      return is_refusal(event.status) ? refuse(event.status) : fail_task(event.task, event.status);
    case JobEventKind::kTaskCancelled: {
      task = TaskState::kEnded;
      const bool is_unasked =
          phase_ == JobPhase::kRunning || phase_ == JobPhase::kDeploying || !concerned_[event.task];
      // A task that ends unasked has failed, too.
      if (is_unasked) {
        return fail_task(event.task, Status::internal("a task ended without a reason"));
      }
      return check_all_ended();
    }
    default:
      return {};
  }
}

// Stored state that does not fit: no record has moved yet, and trying again would end the same way.
bool JobStateMachine::is_refusal(const Status& status) const {
  return phase_ == JobPhase::kDeploying && attempt_ == 0 &&
         status.code() == StatusCode::kFailedPrecondition;
}

std::vector<JobAction> JobStateMachine::refuse(const Status& status) {
  may_restart_ = false;
  auto actions = fail(status);
  failed_before_start_ = true;
  return actions;
}

std::vector<JobAction> JobStateMachine::on_request(const JobEvent& event) {
  if (is_at_end()) return {};
  switch (event.kind) {
    case JobEventKind::kFailed:
      return is_restart_under_way() && is_partial() ? restart_all(event.status)
                                                    : fail(event.status);
    case JobEventKind::kStopRequested:
      if (stop_requested_) return {};
      stop_requested_ = true;
      return phase_ == JobPhase::kRunning ? std::vector{JobAction::kStopSources}
                                          : std::vector<JobAction>{};
    case JobEventKind::kCancelRequested:
      // While sinks commit it is too late: half a commit is worse than a whole one. A job that is
      // failing for good ends as failed.
      if (phase_ == JobPhase::kCancelling || phase_ == JobPhase::kFinishing ||
          (phase_ == JobPhase::kFailing && !may_restart_)) {
        return {};
      }
      // What would have been a restart is none any more.
      if (phase_ == JobPhase::kRestarting || phase_ == JobPhase::kFailing) failure_ = Status::ok();
      if (phase_ == JobPhase::kFailing && !is_partial()) {
        phase_ = JobPhase::kCancelling;  // All tasks have been told to end.
        return {};
      }
      std::fill(concerned_.begin(), concerned_.end(), true);
      return end_tasks(JobPhase::kCancelling);
    case JobEventKind::kCancelTimedOut:
      if (phase_ != JobPhase::kFailing && phase_ != JobPhase::kCancelling) return {};
      if (failure_.is_ok()) failure_ = event.status;
      phase_ = JobPhase::kFailed;
      return {JobAction::kEnd};
    default:
      return {};
  }
}

bool JobStateMachine::is_restart_under_way() const {
  switch (phase_) {
    case JobPhase::kChecking:
    case JobPhase::kAllocating:
    case JobPhase::kDeploying:
    case JobPhase::kFailing:
    case JobPhase::kRestarting:
      return true;
    case JobPhase::kCreated:
    case JobPhase::kRunning:
    case JobPhase::kFinishing:
    case JobPhase::kCancelling:
    case JobPhase::kFinished:
    case JobPhase::kFailed:
    case JobPhase::kCancelled:
      return false;
  }
  return false;
}

// Sources that were told to stop read on only after a restart, and what has ended does not come
// back with a part of the job.
bool JobStateMachine::may_run_on_without(size_t region) const {
  if (stop_requested_ || !may_restart_) return false;
  for (size_t task = 0; task < tasks_.size(); ++task) {
    if (regions_[task] != region && tasks_[task] != TaskState::kOpened) return false;
  }
  return true;
}

std::vector<JobAction> JobStateMachine::fail_task(size_t task, const Status& status) {
  if (phase_ == JobPhase::kRunning) {
    set_failure(status);
    const bool alone = may_run_on_without(regions_[task]);
    for (size_t i = 0; i < tasks_.size(); ++i) {
      concerned_[i] = !alone || regions_[i] == regions_[task];
    }
    failed_before_start_ = false;
    return end_tasks(JobPhase::kFailing);
  }
  if (!concerned_[task] && is_restart_under_way()) return restart_all(status);
  return fail(status);
}

void JobStateMachine::set_failure(const Status& status) {
  failure_ = status;
  if (is_hopeless(status)) may_restart_ = false;
}

// A restart of a part becomes one of all tasks.
std::vector<JobAction> JobStateMachine::restart_all(const Status& status) {
  std::fill(concerned_.begin(), concerned_.end(), true);
  if (phase_ != JobPhase::kFailing) {
    ++attempt_;
    set_failure(status);
  }
  return end_tasks(JobPhase::kFailing);
}

std::vector<JobAction> JobStateMachine::fail(const Status& status) {
  switch (phase_) {
    case JobPhase::kFinished:
    case JobPhase::kFailed:
    case JobPhase::kCancelled:
      return {};
    case JobPhase::kFailing:
    case JobPhase::kCancelling:
      // The first failure is the cause; what follows is its echo.
      return check_all_ended();
    case JobPhase::kRestarting:
      return {};
    case JobPhase::kFinishing:
      // Every task has finished: whether the output stands is up to the commit under way.
      return {};
    case JobPhase::kCreated:
    case JobPhase::kChecking:
    case JobPhase::kAllocating:
    case JobPhase::kDeploying:
    case JobPhase::kRunning:
      break;
  }
  set_failure(status);
  failed_before_start_ = !was_deployed() && attempt_ == 0;
  return end_tasks(JobPhase::kFailing);
}

std::vector<JobAction> JobStateMachine::end_tasks(JobPhase phase) {
  phase_ = phase;
  if (!tasks_to_end().empty()) return {JobAction::kCancelTasks};
  return check_all_ended();
}

std::vector<JobAction> JobStateMachine::check_all_ended() {
  if (phase_ != JobPhase::kFailing && phase_ != JobPhase::kCancelling) return {};
  if (!tasks_to_end().empty()) return {};
  if (!may_restart_ && is_partial()) return restart_all(failure_);
  // Before the first attempt ran, the cause lies with the user: waiting would not help.
  if (phase_ == JobPhase::kFailing && may_restart_ && (was_deployed() || attempt_ > 0)) {
    phase_ = JobPhase::kRestarting;
    return {JobAction::kDecideRestart};
  }
  phase_ = phase_ == JobPhase::kFailing ? JobPhase::kFailed : JobPhase::kCancelled;
  if (!was_deployed() && attempt_ == 0) return {JobAction::kEnd};
  return {JobAction::kDiscard, JobAction::kEnd};
}

std::vector<JobAction> JobStateMachine::on_restart(const JobEvent& event) {
  if (phase_ != JobPhase::kRestarting) return {};
  if (event.kind == JobEventKind::kRestartRefused) {
    if (!event.status.is_ok()) failure_ = event.status;
    may_restart_ = false;
    std::fill(concerned_.begin(), concerned_.end(), true);
    return end_tasks(JobPhase::kFailing);
  }
  ++attempt_;
  failure_ = Status::ok();
  for (size_t task = 0; task < tasks_.size(); ++task) {
    if (concerned_[task]) tasks_[task] = TaskState::kPlanned;
  }
  phase_ = JobPhase::kChecking;
  return {JobAction::kCheckInputs};
}

bool JobStateMachine::all(TaskState state) const {
  return std::all_of(tasks_.begin(), tasks_.end(), [&](TaskState t) { return t == state; });
}

bool JobStateMachine::was_deployed() const {
  return std::any_of(tasks_.begin(), tasks_.end(),
                     [](TaskState t) { return t != TaskState::kPlanned; });
}

}  // namespace sluice
