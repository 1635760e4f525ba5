#include "state/checkpoint_protocol.h"

#include <algorithm>
#include <utility>

namespace sluice {

using namespace checkpoint_action;

std::vector<CheckpointAction> CheckpointProtocol::step(const CheckpointEvent& event) {
  now_ms_ = event.now_ms;
  std::visit([this](const auto& what) { on(what); }, event.what);
  expire();
  consider_publish();
  consider_trigger();
  return std::exchange(actions_, {});
}

int64_t CheckpointProtocol::next_tick_ms() const {
  int64_t next = periodic_due_ms();
  for (const auto& [id, pending] : pending_) {
    if (pending.phase == Phase::kPublishing) continue;
    next = std::min(next, pending.stats.triggered_ms + options_.timeout.count());
  }
  const bool final_waits = wants_final() && pending_.empty() && !ids_requested_;
  return final_waits ? std::min(next, std::max(final_due_ms_, now_ms_)) : next;
}

std::optional<CheckpointId> CheckpointProtocol::next_id() const {
  if (ids_.empty()) return std::nullopt;
  return ids_.front().first;
}

std::vector<CheckpointStats> CheckpointProtocol::pending_stats() const {
  std::vector<CheckpointStats> stats;
  for (const auto& [id, pending] : pending_) {
    stats.push_back(pending.stats);
    stats.back().ended_ms = now_ms_;
  }
  return stats;
}

// ---- ids ----------------------------------------------------------------------------------------

void CheckpointProtocol::on(const checkpoint_event::IdsReserved& event) {
  SLUICE_CHECK(event.first < event.end);
  SLUICE_CHECK(ids_.empty() || ids_.back().end <= event.first);
  ids_.push_back(event);
  ids_requested_ = false;
}

void CheckpointProtocol::on(const checkpoint_event::IdsNotReserved& event) {
  ids_requested_ = false;
  // A checkpoint that was due could not even get its number: it failed like any other.
  last_ended_ms_ = now_ms_;
  final_due_ms_ = now_ms_ + kFinalRetry.count();
  if (options_.interval.count() > 0) next_periodic_ms_ = now_ms_ + options_.interval.count();
  for (const SnapshotRequest& request : std::exchange(requests_, {})) {
    act(SnapshotAnswer{request.request, event.status, {}});
  }
  if (life_ == Life::kRunning) count_failure(event.status);
}

// ---- tasks --------------------------------------------------------------------------------------

void CheckpointProtocol::on(const checkpoint_event::TasksRunning& event) {
  abort_all(Status::cancelled("the job was restarted"));
  std::map<TaskId, CheckpointTask> tasks;
  for (const CheckpointTask& task : event.tasks) {
    // A task that kept running may have reached its end, and does not say so again.
    const bool was_finished = is_current(task.id, task.attempt) && tasks_.at(task.id).finished;
    tasks[task.id] = task;
    tasks[task.id].finished = task.finished || was_finished;
  }
  tasks_ = std::move(tasks);
  life_ = Life::kRunning;
  if (options_.interval.count() > 0) next_periodic_ms_ = now_ms_ + options_.interval.count();
}

void CheckpointProtocol::on(const checkpoint_event::TasksStopping& event) {
  abort_all(Status::cancelled(event.reason));
  if (life_ == Life::kCommitting && stop_request_) {
    const std::string where = stop_request_->target.empty() ? std::to_string(committing_.value)
                                                            : "in " + stop_request_->target;
    const Status status = Status::unavailable(
        "the savepoint " + where +
        " is complete but not all of its output is committed; start from it to commit the rest (" +
        event.reason + ")");
    act(SnapshotAnswer{stop_request_->request, status, committing_});
    act(FailJob{status, false});
    stop_request_.reset();
  }
  unconfirmed_.clear();
  if (life_ != Life::kDone) life_ = Life::kStopped;
}

void CheckpointProtocol::on(const checkpoint_event::TaskFinished& event) {
  if (!is_current(event.task, event.attempt)) return;
  tasks_[event.task].finished = true;
  // No barrier will reach it any more: it is asked directly. If it had already answered, and the
  // answer is under way, it ignores this one.
  for (auto& [id, pending] : pending_) {
    if (pending.phase == Phase::kTasks && pending.missing.count(event.task) > 0) {
      act(TriggerTasks{pending.barrier, {event.task}, pending.purpose(), pending.target()});
    }
  }
}

bool CheckpointProtocol::is_current(TaskId task, AttemptId attempt) const {
  const auto found = tasks_.find(task);
  return found != tasks_.end() && found->second.attempt == attempt;
}

bool CheckpointProtocol::all_finished() const {
  return std::all_of(tasks_.begin(), tasks_.end(),
                     [](const auto& entry) { return entry.second.finished; });
}

// ---- triggering ---------------------------------------------------------------------------------

void CheckpointProtocol::on(const checkpoint_event::Tick& /*event*/) {}

void CheckpointProtocol::on(const checkpoint_event::Wanted& event) {
  if (!is_current(event.task, event.attempt)) return;
  // One that has not reached the task yet will do.
  if (!pending_.empty() && pending_.rbegin()->first > event.after) return;
  next_periodic_ms_ = std::min(next_periodic_ms_, now_ms_);
}

void CheckpointProtocol::on(const checkpoint_event::Requested& event) {
  if (life_ != Life::kRunning) {
    act(SnapshotAnswer{
        event.request.request, Status::unavailable("not all tasks of the job are running"), {}});
    return;
  }
  requests_.push_back(event.request);
}

int64_t CheckpointProtocol::periodic_due_ms() const {
  if (life_ != Life::kRunning || options_.interval.count() == 0) return kNever;
  if (ids_requested_ || !requests_.empty() || wants_final()) return kNever;
  if (pending_.size() >= static_cast<size_t>(options_.max_concurrent)) return kNever;
  for (const auto& [id, pending] : pending_) {
    // Savepoints and the last checkpoint are taken alone.
    if (pending.is_last() || pending.purpose() == SnapshotPurpose::kSavepoint) return kNever;
  }
  return std::max(next_periodic_ms_, last_ended_ms_ + options_.min_pause.count());
}

bool CheckpointProtocol::wants_final() const {
  return life_ == Life::kRunning && options_.interval.count() > 0 && all_finished();
}

void CheckpointProtocol::consider_trigger() {
  if (life_ != Life::kRunning || tasks_.empty()) return;
  const bool is_requested = !requests_.empty() && pending_.empty();
  const bool is_final =
      requests_.empty() && wants_final() && pending_.empty() && now_ms_ >= final_due_ms_;
  if (!is_requested && !is_final && periodic_due_ms() > now_ms_) return;
  if (ids_.empty()) {
    if (!std::exchange(ids_requested_, true)) act(ReserveIds{});
    return;
  }
  std::optional<SnapshotRequest> request;
  if (is_requested) {
    request = std::move(requests_.front());
    requests_.pop_front();
  }
  trigger(std::move(request), is_final);
}

void CheckpointProtocol::trigger(std::optional<SnapshotRequest> request, bool is_final) {
  checkpoint_event::IdsReserved& block = ids_.front();
  const CheckpointId id = block.first;
  ++block.first.value;
  if (block.first == block.end) ids_.pop_front();
  SLUICE_CHECK(pending_.empty() || pending_.rbegin()->first < id);

  Pending& pending = pending_[id];
  pending.request = std::move(request);
  pending.is_final = is_final;
  pending.barrier.checkpoint = id;
  pending.barrier.kind = options_.kind;
  pending.barrier.triggered_ms = now_ms_;
  pending.barrier.unaligned_from_ms = now_ms_ + options_.aligned_timeout.count();
  if (pending.request) {
    const bool savepoint = pending.request->purpose == SnapshotPurpose::kSavepoint;
    if (savepoint) pending.barrier.kind = CheckpointKind::kSavepoint;
    pending.stats.purpose = pending.request->purpose;
    pending.barrier.terminal = pending.request->stop;
    pending.barrier.drain = pending.request->stop && pending.request->drain;
    // What a stop leaves behind must be in the state, not in flight.
    if (pending.barrier.terminal && !savepoint) pending.barrier.kind = CheckpointKind::kAligned;
  }
  pending.stats.id = id;
  pending.stats.triggered_ms = now_ms_;
  for (const auto& [task, info] : tasks_) {
    pending.missing.insert(task);
    SubtaskCheckpointStats stats;
    stats.task = task;
    pending.stats.subtasks.push_back(stats);
  }
  if (options_.interval.count() > 0) next_periodic_ms_ = now_ms_ + options_.interval.count();
  act(SnapshotCoordinators{pending.barrier});
}

void CheckpointProtocol::on(const checkpoint_event::CoordinatorsSnapshotted& event) {
  const auto found = pending_.find(event.id);
  if (found == pending_.end() || found->second.phase != Phase::kCoordinators) return;
  if (!event.status.is_ok()) {
    abort(event.id, event.status, Blame::kCounts);
    return;
  }
  Pending& pending = found->second;
  pending.phase = Phase::kTasks;
  std::vector<TaskId> tasks;
  for (const auto& [task, info] : tasks_) {
    if (info.is_source || info.finished) tasks.push_back(task);
  }
  act(TriggerTasks{pending.barrier, std::move(tasks), pending.purpose(), pending.target()});
}

// ---- answers ------------------------------------------------------------------------------------

void CheckpointProtocol::on(const checkpoint_event::Acknowledged& event) {
  if (!is_current(event.task, event.attempt)) return;
  const auto found = pending_.find(event.id);
  if (found == pending_.end() || found->second.phase != Phase::kTasks) return;
  Pending& pending = found->second;
  if (pending.missing.erase(event.task) == 0) return;
  pending.snapshots.emplace_back(event.task, event.snapshot);
  for (SubtaskCheckpointStats& subtask : pending.stats.subtasks) {
    if (subtask.task != event.task) continue;
    subtask = event.stats;
    subtask.task = event.task;
    subtask.acknowledged = true;
    subtask.acknowledged_ms = now_ms_;
  }
  const bool sources_done = std::none_of(pending.missing.begin(), pending.missing.end(),
                                         [this](TaskId task) { return tasks_.at(task).is_source; });
  if (sources_done) release_coordinators(pending);
  if (pending.missing.empty()) pending.phase = Phase::kReady;
}

void CheckpointProtocol::on(const checkpoint_event::Declined& event) {
  if (!is_current(event.task, event.attempt)) return;
  const auto found = pending_.find(event.id);
  if (found == pending_.end() || found->second.missing.count(event.task) == 0) return;
  // A barrier that was overtaken by a newer one is nobody's failure.
  const bool cancelled = event.reason.code() == StatusCode::kCancelled;
  abort(event.id, event.reason, cancelled ? Blame::kDoesNotCount : Blame::kCounts);
}

void CheckpointProtocol::release_coordinators(Pending& pending) {
  if (std::exchange(pending.coordinators_held, false)) {
    act(ReleaseCoordinators{pending.barrier.checkpoint});
  }
}

void CheckpointProtocol::expire() {
  std::vector<CheckpointId> late;
  for (const auto& [id, pending] : pending_) {
    // While it is being published nobody can say whether it counts.
    const bool undecided = pending.phase == Phase::kPublishing;
    const int64_t age_ms = now_ms_ - pending.stats.triggered_ms;
    if (!undecided && age_ms >= options_.timeout.count()) late.push_back(id);
  }
  for (const CheckpointId id : late) {
    const Pending& pending = pending_.at(id);
    abort(id,
          Status::deadline_exceeded("not complete after " + to_text(options_.timeout) + ": " +
                                    std::to_string(pending.missing.size()) + " of " +
                                    std::to_string(tasks_.size()) +
                                    " subtasks have not acknowledged"),
          Blame::kCounts);
  }
}

// ---- completing ---------------------------------------------------------------------------------

void CheckpointProtocol::consider_publish() {
  for (const auto& [id, pending] : pending_) {
    if (pending.phase == Phase::kPublishing) return;
  }
  for (auto& [id, pending] : pending_) {
    if (pending.phase != Phase::kReady) continue;
    pending.phase = Phase::kPublishing;
    act(Publish{id, pending.purpose(), pending.target(), pending.barrier.drain, pending.is_last(),
                pending.stats.triggered_ms, pending.snapshots});
    return;
  }
}

void CheckpointProtocol::on(const checkpoint_event::Published& event) {
  const auto found = pending_.find(event.id);
  // Aborted by a restart while it was being written: the caller was told to discard it.
  if (found == pending_.end() || found->second.phase != Phase::kPublishing) return;
  if (event.status.is_ok()) {
    complete(event.id);
  } else {
    abort(event.id, event.status, Blame::kCounts);
  }
}

void CheckpointProtocol::complete(CheckpointId id) {
  Pending pending = std::move(pending_.at(id));
  pending_.erase(id);
  release_coordinators(pending);
  last_ended_ms_ = now_ms_;
  finish_stats(pending, CheckpointOutcome::kComplete, "");
  const bool intermediate_savepoint =
      pending.purpose() == SnapshotPurpose::kSavepoint && !pending.is_last();
  if (!intermediate_savepoint) {
    failures_ = 0;
    last_complete_ = id;
    std::vector<CheckpointId> older;
    for (const auto& [other, unused] : pending_) {
      if (other < id) older.push_back(other);
    }
    const Status reason =
        Status::cancelled("checkpoint " + std::to_string(id.value) + " was complete before it");
    for (const CheckpointId other : older) abort(other, reason, Blame::kDoesNotCount);
    act(NotifyComplete{id, pending.is_last()});
  }
  if (pending.is_last()) {
    complete_last(pending);
  } else if (pending.request) {
    act(SnapshotAnswer{pending.request->request, Status::ok(), id});
  }
}

void CheckpointProtocol::complete_last(const Pending& pending) {
  life_ = Life::kCommitting;
  committing_ = pending.barrier.checkpoint;
  stop_request_ = pending.request;
  for (const auto& [task, info] : tasks_) unconfirmed_.insert(task);
  for (const SnapshotRequest& request : std::exchange(requests_, {})) {
    act(SnapshotAnswer{request.request, Status::unavailable("the job is ending"), {}});
  }
}

void CheckpointProtocol::on(const checkpoint_event::CompletionConfirmed& event) {
  if (life_ != Life::kCommitting || event.id != committing_) return;
  if (!is_current(event.task, event.attempt)) return;
  unconfirmed_.erase(event.task);
  if (!unconfirmed_.empty()) return;
  life_ = Life::kDone;
  const bool stopped = stop_request_.has_value();
  if (stopped) act(SnapshotAnswer{stop_request_->request, Status::ok(), committing_});
  stop_request_.reset();
  act(JobDone{stopped});
}

// ---- failing ------------------------------------------------------------------------------------

void CheckpointProtocol::abort(CheckpointId id, const Status& reason, Blame blame) {
  Pending pending = std::move(pending_.at(id));
  pending_.erase(id);
  release_coordinators(pending);
  last_ended_ms_ = now_ms_;
  finish_stats(pending, CheckpointOutcome::kFailed, reason.to_string());
  act(Abort{id, pending.purpose(), pending.target(), reason.to_string()});
  if (pending.request) act(SnapshotAnswer{pending.request->request, reason, id});
  if (pending.is_final) final_due_ms_ = now_ms_ + kFinalRetry.count();
  if (blame == Blame::kDoesNotCount) return;
  if (pending.barrier.terminal && pending.phase != Phase::kCoordinators) {
    // Sources may have stopped reading: only a restart gets them going again.
    act(FailJob{reason.with_prefix("stop with savepoint failed: ")});
  } else if (pending.purpose() == SnapshotPurpose::kCheckpoint) {
    count_failure(reason.with_prefix("checkpoint " + std::to_string(id.value) + " failed: "));
  }
}

void CheckpointProtocol::count_failure(const Status& status) {
  if (++failures_ <= options_.tolerable_failures) return;
  act(FailJob{status.with_prefix(std::to_string(failures_) + " checkpoints in a row failed, " +
                                 std::to_string(options_.tolerable_failures) +
                                 " are tolerable: ")});
  failures_ = 0;
}

void CheckpointProtocol::abort_all(const Status& reason) {
  while (!pending_.empty()) abort(pending_.begin()->first, reason, Blame::kDoesNotCount);
  for (const SnapshotRequest& request : std::exchange(requests_, {})) {
    act(SnapshotAnswer{request.request, reason, {}});
  }
}

void CheckpointProtocol::finish_stats(Pending& pending, CheckpointOutcome outcome,
                                      const std::string& failure) {
  pending.stats.outcome = outcome;
  pending.stats.ended_ms = now_ms_;
  pending.stats.failure = failure;
  act(Report{pending.stats});
  history_.push_back(pending.stats);
  if (history_.size() > kHistoryMax) history_.pop_front();
}

}  // namespace sluice
