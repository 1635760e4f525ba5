#include "actors/job_master_actor.h"

#include <algorithm>
#include <utility>

#include "actors/checkpoint_coordinator_actor.h"
#include "actors/enumerator_actor.h"
#include "graph/place_tasks.h"
#include "graph/regions.h"

namespace sluice {
namespace {

/// Without checkpoints a restart begins at the beginning, and sinks take back all they wrote.
std::vector<size_t> regions_of(const JobPlan& plan) {
  return plan.checkpointing() ? failover_regions(plan.graph)
                              : std::vector<size_t>(plan.graph.tasks().size());
}

}  // namespace

JobMasterActor::JobMasterActor(ActorConfig& config, Settings settings)
    : ActorBase(config),
      settings_(std::move(settings)),
      machine_(regions_of(*settings_.plan)),
      restart_policy_(make_restart_policy(settings_.plan->options, settings_.plan->checkpointing(),
                                          static_cast<uint64_t>(settings_.number))),
      alignment_(std::make_unique<SourceAlignment>(*settings_.plan)),
      sink_commit_(std::make_shared<SinkCommit>(settings_.plan)),
      tasks_(settings_.plan->graph.tasks().size()),
      attempts_(tasks_.size()),
      phase_since_ms_(settings_.clock->wall_ms()),
      started_ns_(settings_.clock->steady_ns()) {
  if (settings_.checkpoints) restore_ = settings_.checkpoints->restore;
}

Behavior JobMasterActor::make_behavior() {
  describe(settings_.plan->job_name, settings_.plan->job_name);
  const auto broken = [this](const std::string& text) {
    apply({JobEventKind::kFailed, 0, Status::internal("JobMaster: " + text)});
  };
  guard_handlers(this, broken);
  refuse_unknown_messages(this, broken);
  on_actor_down(this, [this](const caf::actor_addr& address) { task_down(address); });
  const auto task_event = [this](JobEventKind kind, TaskId task, Status status = Status::ok()) {
    apply({kind, index_of(task), std::move(status)});
  };
  return {
      [this](const StartJob&) { apply({JobEventKind::kStart}); },
      [this](const InputsChecked& checked) {
        apply({JobEventKind::kInputsChecked, 0, checked.status});
      },
      [this](const EnumeratorOpened& opened) {
        if (is_own_enumerator()) enumerator_opened(opened.status);
      },
      [this](const EnumeratorFailed& failed) {
        if (is_own_enumerator()) apply({JobEventKind::kFailed, 0, failed.status});
      },
      [this](const TaskManagerLost& lost) {
        apply({JobEventKind::kFailed, 0,
               Status::unavailable(lost.node.empty() ? "a TaskManager was lost"
                                                     : "TaskManager " + lost.node + " was lost")});
      },
      [this](const SlotsAllocated& allocated) { slots_allocated(allocated); },
      [this](const TasksDeployed& deployed) { tasks_deployed(deployed); },
      [=](const TaskOpened& opened) { task_event(JobEventKind::kTaskOpened, opened.task); },
      [=](const TaskFinished& done) { task_event(JobEventKind::kTaskFinished, done.task); },
      [=](const TaskFailed& failed) {
        task_event(JobEventKind::kTaskFailed, failed.task, failed.status);
      },
      [=](const TaskCancelled& gone) { task_event(JobEventKind::kTaskCancelled, gone.task); },
      [this](CommittablesReady& ready) {
        sink_commit_->add(ready.sink, std::move(ready.committables));
      },
      [this](const AlignmentReported& reported) {
        alignment_->report(reported.task, reported.watermark);
      },
      [this](AlignSources align) {
        if (align.attempt.value == machine_.attempt()) align_sources();
      },
      [this](CommitAgain) { commit(); },
      [this](const CommitRoundDone& done) { commit_round_done(done.round); },
      [this](const DiscardDone&) {
        discarding_ = false;
        if (std::exchange(restart_after_discard_, false)) apply({JobEventKind::kRestartDue});
        if (end_after_discard_) end();
      },
      [this](const RestoreFound& found) { restore_found(found); },
      [this](RestartDue due) {
        if (due.attempt.value == machine_.attempt()) restart_due();
      },
      [this](const CheckpointingFailed& failed) {
        if (!failed.may_restart) machine_.forbid_restart();
        apply({JobEventKind::kFailed, 0, failed.status});
      },
      [this](CheckpointingDone) {
        to_all_tasks([this](size_t task) { send(tasks_[task], EndTask{}); });
      },
      [this](const SnapshotAnswered& answered) { snapshot_answered(answered); },
      [this](const StopJob& stop) {
        stop_ = stop;
        apply({JobEventKind::kStopRequested});
        if (machine_.phase() != JobPhase::kRunning) send_later(this, kStopPatience, StopOverdue{});
      },
      [this](StopOverdue) { stop_overdue(); },
      [this](const CancelJob&) { apply({JobEventKind::kCancelRequested}); },
      [this](const InspectJob& request) { inspect(request); },
      [this](const SnapshotJob& request) { take_snapshot(request); },
      [this](CancelTimedOut timeout) {
        if (timeout.attempt.value != machine_.attempt()) return;
        apply({JobEventKind::kCancelTimedOut, 0, Status::deadline_exceeded(stuck_tasks())});
      },
  };
}

void JobMasterActor::on_exit() {
  // Only after an exception in a handler are there tasks left; nobody waits for them any more.
  for (const auto& task : tasks_) {
    if (task) send(task, CancelTask{});
  }
  for (const auto& [node, enumerator] : enumerators_) send(enumerator, CloseEnumerator{});
  slots_.clear();
  if (!ended_) send(settings_.job_manager, JobEnded{settings_.number, result()});
  for (const auto& [number, snapshot] : snapshots_) {
    snapshot.answer(Status::cancelled("the job ended first"), "");
  }
  snapshots_.clear();
  tasks_.clear();
  enumerators_.clear();
  coordinator_ = nullptr;
  settings_.job_manager = nullptr;
  // Handles may outlive the actor; the next run must be able to take the checkpoint directory.
  settings_.checkpoints.reset();
}

void JobMasterActor::apply(const JobEvent& event) {
  if (!event.status.is_ok()) note_failure(event);
  const JobPhase before = machine_.phase();
  const auto actions = machine_.on(event);
  if (machine_.phase() != before) phase_since_ms_ = settings_.clock->wall_ms();
  for (const JobAction action : actions) perform(action);
}

void JobMasterActor::perform(JobAction action) {
  switch (action) {
    case JobAction::kCheckInputs:
      return open_enumerators();
    case JobAction::kAllocateSlots:
      return send(settings_.job_manager,
                  AllocateSlots{settings_.number, settings_.plan->graph.chained().slot_count()});
    case JobAction::kDeployTasks:
      return deploy();
    case JobAction::kStartTasks:
      return start_tasks();
    case JobAction::kStopSources:
      return stop_sources();
    case JobAction::kCancelTasks:
      return cancel_tasks();
    case JobAction::kCommit:
      return commit();
    case JobAction::kDecideRestart:
      return decide_restart();
    case JobAction::kDiscard:
      return discard();
    case JobAction::kEnd:
      end_after_discard_ = discarding_;
      if (!discarding_) end();
      return;
  }
}

// ---- before the tasks ---------------------------------------------------------------------------

// Inputs first: a sink that checks its place may clear it, which must not happen for a job that has
// nothing to read.
void JobMasterActor::open_enumerators() {
  start_coordinator();
  std::vector<ActorHandle> unopened;
  for (const LogicalNode* node : settings_.plan->nodes()) {
    // Of sources that keep running the enumerators do, too.
    if (node->kind != NodeKind::kSource || enumerators_.count(node->id) > 0) continue;
    const auto& place = settings_.plan->graph.chained().places.at(node->id);
    auto settings = std::make_shared<EnumeratorActor::Settings>();
    settings->node = node->id;
    settings->name = node->name;
    settings->job = settings_.plan->job_name;
    settings->parallelism = settings_.plan->graph.chained().vertex(place.vertex).parallelism;
    settings->enumerator = node->enumerator_factory();
    const ChainStage& stage = settings_.plan->graph.chained()
                                  .vertex(place.vertex)
                                  .stages[static_cast<size_t>(place.stage)];
    const CoordinatorState* stored =
        restore_ ? restore_->find_coordinator(stage.uid, "enumerator") : nullptr;
    if (stored != nullptr) settings->restore = stored->state;
    settings->io = settings_.io;
    settings->master = caf::actor_cast<ActorHandle>(this);
    unopened.push_back(spawn<EnumeratorActor>(std::move(settings)));
    enumerators_[node->id] = unopened.back();
  }
  unopened_enumerators_ = unopened.size();
  for (const ActorHandle& enumerator : unopened) send(enumerator, OpenEnumerator{});
  if (unopened.empty()) validate_nodes();
}

void JobMasterActor::enumerator_opened(const Status& status) {
  --unopened_enumerators_;
  if (!status.is_ok()) {
    apply({JobEventKind::kInputsChecked, 0, status});
  } else if (unopened_enumerators_ == 0 && machine_.phase() == JobPhase::kChecking) {
    validate_nodes();
  }
}

void JobMasterActor::validate_nodes() {
  if (machine_.attempt() > 0) {
    // What the first attempt began is in the way now, and its own.
    apply({JobEventKind::kInputsChecked});
    return;
  }
  settings_.io->run([plan = settings_.plan,
                     fresh = !settings_.checkpoints || settings_.checkpoints->fresh_start,
                     self = caf::actor_cast<ActorHandle>(this)] {
    Status first;
    for (const LogicalNode* node : plan->nodes()) {
      if (!node->validate || !first.is_ok()) continue;
      try {
        first = node->validate(fresh);
      } catch (...) {
        first = Status::internal("operator " + node->name + ": " +
                                 exception_text(std::current_exception()));
      }
    }
    send_from_outside(self, InputsChecked{first});
  });
}

// ---- tasks --------------------------------------------------------------------------------------

void JobMasterActor::slots_allocated(const SlotsAllocated& allocated) {
  if (machine_.phase() == JobPhase::kAllocating) slots_ = allocated.slots;
  apply({JobEventKind::kSlotsAllocated, 0, allocated.status});
}

void JobMasterActor::deploy() {
  const std::vector<int> placement = place_tasks(settings_.plan->graph);
  std::map<ActorHandle, std::vector<TaskId>> by_task_manager;
  for (size_t task = 0; task < placement.size(); ++task) {
    if (!machine_.concerns(task)) continue;
    attempts_[task] = AttemptId{machine_.attempt()};
    const ActorHandle& task_manager = slots_[static_cast<size_t>(placement[task])];
    by_task_manager[task_manager].push_back(settings_.plan->graph.tasks()[task].id);
  }
  deploying_.clear();
  for (auto& [task_manager, tasks] : by_task_manager) {
    deploying_[task_manager.address()] = tasks;
    // It may be gone before it answers.
    monitor(task_manager);
    send(task_manager, DeployTasks{settings_.plan, settings_.metrics, AttemptId{machine_.attempt()},
                                   std::move(tasks), caf::actor_cast<ActorHandle>(this),
                                   settings_.checkpoints, restore_});
  }
}

void JobMasterActor::tasks_deployed(const TasksDeployed& deployed) {
  const auto from = caf::actor_cast<caf::actor_addr>(current_sender());
  if (deploying_.erase(from) > 0) demonitor(from);
  for (const auto& [id, actor] : deployed.tasks) {
    tasks_[index_of(id)] = actor;
    monitor(actor);
    // The job may have failed or been cancelled while these were being spawned.
    if (cancel_sent_) send(actor, CancelTask{});
  }
  for (const TaskId missing : deployed.missing) {
    apply({JobEventKind::kTaskFailed, index_of(missing), deployed.status});
  }
  if (deploying_.empty() && !cancel_sent_) open_tasks();
}

void JobMasterActor::open_tasks() {
  const ExecutionGraph& graph = settings_.plan->graph;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    if (!is_of_attempt(i)) continue;
    auto peers = std::make_shared<TaskPeers>();
    peers->coordinator = coordinator_;
    const ExecutionTask& task = graph.tasks()[i];
    for (const auto& output : task.outputs) {
      peers->outputs.push_back({tasks_[index_of(output.task)], output.channel});
    }
    for (const auto& input : task.inputs) {
      peers->inputs.push_back({tasks_[index_of(input.source.task)], input.source.channel});
    }
    const auto& vertex = graph.chained().vertex(task.id.vertex);
    if (vertex.is_source) peers->enumerator = enumerators_.at(vertex.stages.front().node);
    send(tasks_[i], OpenTask{std::move(peers)});
  }
}

void JobMasterActor::to_all_tasks(const std::function<void(size_t)>& send_one) {
  for (const size_t task : machine_.live_tasks()) {
    if (tasks_[task]) send_one(task);
  }
}

void JobMasterActor::cancel_tasks() {
  cancel_sent_ = true;
  if (coordinator_) {
    send(coordinator_, TasksStopping{machine_.failure().is_ok() ? "the job was cancelled"
                                                                : machine_.failure().message()});
  }
  for (const size_t task : machine_.tasks_to_end()) {
    if (tasks_[task]) send(tasks_[task], CancelTask{});
  }
  send_later(this, settings_.plan->options.get(options::kTaskCancellationTimeout),
             CancelTimedOut{AttemptId{machine_.attempt()}});
}

void JobMasterActor::stop_sources() {
  if (coordinator_) {
    SnapshotRequest request;
    request.stop = true;
    request.drain = stop_.drain;
    request.target = stop_.target;
    send(coordinator_, TakeSnapshot{std::move(request)});
    return;
  }
  to_all_tasks([this](size_t task) {
    const TaskId id = settings_.plan->graph.tasks()[task].id;
    if (settings_.plan->graph.chained().vertex(id.vertex).is_source) {
      send(tasks_[task], StopSource{true});
    }
  });
}

void JobMasterActor::align_sources() {
  if (machine_.phase() != JobPhase::kRunning) return;
  const std::vector<size_t> live = machine_.live_tasks();
  for (const TaskId id : alignment_->tasks()) {
    const size_t task = index_of(id);
    if (!std::binary_search(live.begin(), live.end(), task)) {
      alignment_->report(id, kMaxTime);
      continue;
    }
    send(tasks_[task], LimitWatermark{alignment_->limit_of(id)});
    send(tasks_[task], ReportAlignment{});
  }
  send_later(this, SourceAlignment::kInterval, AlignSources{AttemptId{machine_.attempt()}});
}

void JobMasterActor::start_tasks() {
  // First the coordinator, since tasks report to it as soon as they run.
  if (coordinator_) {
    send(coordinator_, TasksRunning{attempts_, tasks_, enumerators_});
  }
  to_all_tasks([this](size_t task) {
    if (is_of_attempt(task)) send(tasks_[task], StartTask{});
  });
  if (machine_.attempt() > 0) note("the job runs again");
  if (alignment_->is_used()) align_sources();
}

void JobMasterActor::task_down(const caf::actor_addr& address) {
  if (coordinator_ && coordinator_.address() == address) {
    machine_.forbid_restart();
    apply({JobEventKind::kFailed, 0, Status::internal("the checkpoint coordinator ended")});
    return;
  }
  if (const auto found = deploying_.find(address); found != deploying_.end()) {
    const std::vector<TaskId> tasks = std::move(found->second);
    deploying_.erase(found);
    for (const TaskId task : tasks) {
      apply({JobEventKind::kTaskFailed, index_of(task),
             Status::unavailable("a TaskManager was lost while it was given tasks")});
    }
    return;
  }
  for (size_t task = 0; task < tasks_.size(); ++task) {
    if (!tasks_[task] || tasks_[task].address() != address) continue;
    // After its last message this changes nothing; without one the task was lost.
    const TaskId id = settings_.plan->graph.tasks()[task].id;
    apply({JobEventKind::kTaskFailed, task,
           Status::internal("task " + settings_.plan->graph.display_name(id) +
                            " ended without a reason")});
    return;
  }
}

std::string JobMasterActor::stuck_tasks() const {
  std::string text = "tasks that were told to end are still in user code after " +
                     to_text(settings_.plan->options.get(options::kTaskCancellationTimeout)) + ":";
  for (const size_t task : machine_.tasks_to_end()) {
    text += " " + settings_.plan->graph.display_name(settings_.plan->graph.tasks()[task].id);
  }
  return text;
}

// ---- checkpoints and restarts -------------------------------------------------------------------

void JobMasterActor::start_coordinator() {
  if (coordinator_ || !settings_.checkpoints || !settings_.checkpoints->storage) return;
  auto settings = std::make_shared<CheckpointCoordinatorActor::Settings>();
  settings->plan = settings_.plan;
  settings->checkpoints = settings_.checkpoints;
  settings->metrics = settings_.metrics;
  settings->io = settings_.io;
  settings->clock = settings_.clock;
  settings->master = caf::actor_cast<ActorHandle>(this);
  settings->on_note = settings_.on_note;
  coordinator_ = spawn<CheckpointCoordinatorActor>(std::move(settings));
  monitor(coordinator_);
}

bool JobMasterActor::is_own_enumerator() {
  const auto sender = current_sender();
  return std::any_of(enumerators_.begin(), enumerators_.end(),
                     [&](const auto& entry) { return entry.second.address() == sender; });
}

void JobMasterActor::decide_restart() {
  const auto delay = restart_policy_->on_failure(settings_.clock->wall_ms());
  if (!delay) {
    apply({JobEventKind::kRestartRefused});
    return;
  }
  size_t concerned = 0;
  for (size_t task = 0; task < tasks_.size(); ++task) concerned += machine_.concerns(task) ? 1 : 0;
  const std::string part = std::to_string(concerned) + " of " + std::to_string(tasks_.size());
  note("restart " + (machine_.is_partial() ? "of " + part + " tasks " : std::string()) + "in " +
       to_text(*delay) + " after: " + machine_.failure().to_string());
  send_later(this, *delay, RestartDue{AttemptId{machine_.attempt()}});
}

void JobMasterActor::restart_due() {
  if (machine_.phase() != JobPhase::kRestarting) return;
  forget_attempt();
  if (coordinator_) {
    send(coordinator_, FindRestore{AttemptId{machine_.attempt()}});
    return;
  }
  restart_after_discard_ = true;
  discard();
}

void JobMasterActor::restore_found(const RestoreFound& found) {
  // The restart was widened meanwhile: it is looked for again then.
  if (found.attempt.value != machine_.attempt() || machine_.phase() != JobPhase::kRestarting)
    return;
  if (found.newer_are_damaged && machine_.is_partial()) {
    apply({JobEventKind::kFailed, 0,
           Status::corruption("the newest checkpoint, on which running tasks build, is damaged")});
    return;
  }
  if (!found.status.is_ok()) {
    restore_not_found(found.status);
    return;
  }
  restore_ = found.checkpoint ? found.checkpoint : settings_.checkpoints->restore;
  note("restarting from " + (restore_ ? "checkpoint " + std::to_string(restore_->id.value)
                                      : std::string("the beginning")));
  apply({JobEventKind::kRestartDue});
}

// A disk that is full or fails may be better the next time; damage stays.
void JobMasterActor::restore_not_found(const Status& status) {
  const bool is_lasting =
      status.code() == StatusCode::kCorruption || status.code() == StatusCode::kFailedPrecondition;
  const auto delay =
      is_lasting ? std::nullopt : restart_policy_->on_failure(settings_.clock->wall_ms());
  if (!delay) {
    apply({JobEventKind::kRestartRefused, 0, status});
    return;
  }
  note("restart in " + to_text(*delay) + ", no checkpoint could be read: " + status.to_string());
  send_later(this, *delay, RestartDue{AttemptId{machine_.attempt()}});
}

// Nothing of the last attempt is left when all its tasks have ended.
void JobMasterActor::forget_attempt() {
  const ExecutionGraph& graph = settings_.plan->graph;
  for (size_t task = 0; task < tasks_.size(); ++task) {
    if (!machine_.concerns(task)) continue;
    tasks_[task] = ActorHandle();
    const ChainedVertex& vertex = graph.chained().vertex(graph.tasks()[task].id.vertex);
    const auto enumerator =
        vertex.is_source ? enumerators_.find(vertex.stages.front().node) : enumerators_.end();
    if (enumerator == enumerators_.end()) continue;
    send(enumerator->second, CloseEnumerator{});
    enumerators_.erase(enumerator);
  }
  alignment_ = std::make_unique<SourceAlignment>(*settings_.plan);
  commit_rounds_ = 0;
  cancel_sent_ = false;
  ++restarts_;
}

// ---- inspection and snapshots on request --------------------------------------------------------

void JobMasterActor::note_failure(const JobEvent& event) {
  FailureLook failure;
  failure.at = settings_.clock->wall_ms();
  failure.attempt = machine_.attempt();
  if (event.kind == JobEventKind::kTaskFailed) {
    failure.task = settings_.plan->graph.display_name(settings_.plan->graph.tasks()[event.task].id);
  }
  failure.error = event.status.to_string();
  if (failures_.size() == kFailuresKept) failures_.pop_front();
  failures_.push_back(std::move(failure));
}

void JobMasterActor::inspect(const InspectJob& request) {
  JobInspection look;
  look.summary.state = job_phase_name(machine_.phase());
  look.summary.state_since = phase_since_ms_;
  look.summary.restarts = restarts_;
  if (machine_.phase() != JobPhase::kRunning && !machine_.failure().is_ok()) {
    look.summary.reason = machine_.failure().to_string();
  }
  look.attempt = machine_.attempt();
  look.failures = {failures_.begin(), failures_.end()};
  look.checkpointing = static_cast<bool>(coordinator_);
  if (coordinator_) {
    send(coordinator_, InspectCheckpoints{std::move(look), request.answer});
  } else {
    request.answer(std::move(look));
  }
}

void JobMasterActor::take_snapshot(const SnapshotJob& request) {
  if (machine_.phase() == JobPhase::kCreated) {
    request.answer(Status::failed_precondition("the job has not started yet"), "");
    return;
  }
  if (!coordinator_) {
    request.answer(Status::failed_precondition(
                       "the job takes no checkpoints; --checkpoint-dir and --checkpoint-interval "
                       "turn them on"),
                   "");
    return;
  }
  TakeSnapshot take{request.request};
  take.request.request = next_snapshot_++;
  snapshots_[take.request.request] = request;
  send(coordinator_, std::move(take));
}

// A job may wait for slots for ever. What there was to save is in its newest checkpoint.
void JobMasterActor::stop_overdue() {
  const JobPhase phase = machine_.phase();
  if (!machine_.stop_requested() || phase == JobPhase::kRunning || machine_.is_at_end()) return;
  const bool is_waiting = phase == JobPhase::kAllocating || phase == JobPhase::kRestarting;
  if (!is_waiting || machine_.is_partial()) {
    send_later(this, kStopPatience, StopOverdue{});
    return;
  }
  machine_.stop_refused();
  const std::string why = "the job does not run, so there is nothing to save";
  if (stop_.on_refused) {
    stop_.on_refused(Status::failed_precondition(why + "; cancel ends it"));
    return;
  }
  note(why + "; it is cancelled");
  apply({JobEventKind::kCancelRequested});
}

void JobMasterActor::snapshot_answered(const SnapshotAnswered& answered) {
  const auto found = snapshots_.find(answered.request);
  if (found != snapshots_.end()) {
    found->second.answer(answered.status, answered.path);
    snapshots_.erase(found);
  } else if (answered.status.is_ok()) {
    savepoint_ = answered.path;
  } else if (!answered.path.empty()) {
    // Complete, though not all of its output is committed: who starts from it commits the rest.
    savepoint_ = answered.path;
    note(answered.status.message());
  } else {
    note("no savepoint: " + answered.status.message());
    machine_.stop_refused();
    if (stop_.on_refused) stop_.on_refused(answered.status);
  }
}

// ---- the end ------------------------------------------------------------------------------------

void JobMasterActor::commit() {
  settings_.io->run([commit = sink_commit_, self = caf::actor_cast<ActorHandle>(this)] {
    send_from_outside(self, CommitRoundDone{commit->run_round()});
  });
}

void JobMasterActor::commit_round_done(const SinkCommit::Round& round) {
  if (!round.status.is_ok() || round.unsettled == 0) {
    apply({JobEventKind::kCommitted, 0, round.status});
    return;
  }
  if (++commit_rounds_ >= kCommitRoundsMax) {
    apply({JobEventKind::kCommitted, 0, Status::unavailable(round.last_error)});
    return;
  }
  send_later(this, kCommitBackoffFirst * (1 << commit_rounds_), CommitAgain{});
}

void JobMasterActor::discard() {
  // With checkpoints what is pending belongs to one that may be restored.
  if (settings_.plan->checkpointing()) return;
  discarding_ = true;
  settings_.io->run([commit = sink_commit_, self = caf::actor_cast<ActorHandle>(this)] {
    send_from_outside(self, DiscardDone{commit->discard()});
  });
}

JobResult JobMasterActor::result() const {
  JobResult result;
  result.job = settings_.plan->job_name;
  switch (machine_.phase()) {
    case JobPhase::kFinished:
      result.status = JobStatus::kFinished;
      break;
    case JobPhase::kCancelled:
      result.status = JobStatus::kCancelled;
      break;
    default:
      result.status = JobStatus::kFailed;
      result.error = machine_.failure().is_ok() ? Status::internal("JobMaster ended early")
                                                : machine_.failure();
  }
  result.failed_before_start = machine_.failed_before_start();
  result.savepoint = savepoint_;
  result.restarts = restarts_;
  result.tasks_left_behind = !machine_.live_tasks().empty();
  result.seconds = static_cast<double>(settings_.clock->steady_ns() - started_ns_) / 1e9;
  settings_.metrics->summarize(result);
  return result;
}

void JobMasterActor::end() {
  ended_ = true;
  send(settings_.job_manager, JobEnded{settings_.number, result()});
  quit();
}

}  // namespace sluice
