#include "actors/checkpoint_coordinator_actor.h"

#include <algorithm>
#include <utility>

#include "actors/job_inspection.h"
#include "core/fail_point.h"
#include "core/version.h"
#include "state/savepoint.h"

namespace sluice {

namespace event = checkpoint_event;

CheckpointProtocolOptions checkpoint_protocol_options(const Options& options) {
  CheckpointProtocolOptions protocol;
  protocol.interval = options.get(options::kCheckpointInterval);
  protocol.min_pause = options.get(options::kCheckpointMinPause);
  protocol.timeout = options.get(options::kCheckpointTimeout);
  protocol.max_concurrent = static_cast<int>(options.get(options::kCheckpointMaxConcurrent));
  protocol.tolerable_failures =
      static_cast<int>(options.get(options::kCheckpointTolerableFailures));
  const bool exactly_once = options.get(options::kCheckpointMode) == "exactly-once";
  const bool unaligned = exactly_once && options.get(options::kCheckpointUnaligned);
  protocol.kind = !exactly_once ? CheckpointKind::kAtLeastOnce
                  : unaligned   ? CheckpointKind::kUnaligned
                                : CheckpointKind::kAligned;
  if (unaligned) {
    protocol.aligned_timeout = options.get(options::kCheckpointAlignedTimeout);
    // What one has overtaken must be settled before the next.
    protocol.max_concurrent = 1;
  }
  return protocol;
}

CheckpointCoordinatorActor::CheckpointCoordinatorActor(ActorConfig& config,
                                                       std::shared_ptr<Settings> settings)
    : ActorBase(config),
      settings_(std::move(settings)),
      strand_(settings_->io),
      protocol_(checkpoint_protocol_options(settings_->plan->options)),
      log_complete_(settings_->plan->options.get(options::kCheckpointLog) == "all"),
      history_(std::make_shared<CheckpointHistory>(*settings_->checkpoints->files,
                                                   settings_->checkpoints->storage->directory())) {}

Behavior CheckpointCoordinatorActor::make_behavior() {
  describe(settings_->plan->job_name, settings_->plan->job_name);
  const auto broken = [this](const std::string& text) {
    send(settings_->master,
         CheckpointingFailed{Status::internal("checkpoint coordinator: " + text), false});
  };
  guard_handlers(this, broken);
  refuse_unknown_messages(this, broken);
  on_actor_down(this, [this](const caf::actor_addr&) { quit(); });
  monitor(settings_->master);
  return {
      [this](const TasksRunning& tasks) { running(tasks); },
      [this](const TasksStopping& stopping) { step(event::TasksStopping{stopping.reason}); },
      [this](const TakeSnapshot& take) { step(event::Requested{take.request}); },
      [this](EnumeratorSnapshotted& done) { enumerator_snapshotted(done); },
      [this](const CheckpointAcknowledged& ack) { acknowledged(ack); },
      [this](const TaskReachedEnd& end) {
        step(event::TaskFinished{end.task, end.attempt});
      },
      [this](const CheckpointWanted& wanted) {
        step(event::Wanted{wanted.task, wanted.attempt, wanted.after});
      },
      [this](const CompletionConfirmed& done) {
        step(event::CompletionConfirmed{done.id, done.task, done.attempt});
      },
      [this](CheckpointTick tick) {
        if (tick.at_ms == timer_armed_ms_) timer_armed_ms_ = CheckpointProtocol::kNever;
        step(event::Tick{});
      },
      [this](const CheckpointIdsReserved& reserved) {
        if (reserved.status.is_ok()) {
          step(event::IdsReserved{reserved.ids.first, reserved.ids.end});
        } else {
          step(event::IdsNotReserved{reserved.status});
        }
      },
      [this](const CheckpointPublished& published) {
        if (!published.path.empty()) paths_[published.id] = published.path;
        step(event::Published{published.id, published.status});
      },
      [this](FindRestore find) { find_restore(find.attempt); },
      [this](InspectCheckpoints& inspect) { this->inspect(inspect); },
  };
}

void CheckpointCoordinatorActor::on_exit() {
  // The next run may use the ids that are left.
  if (const auto next = protocol_.next_id()) {
    strand_.run([checkpoints = settings_->checkpoints, next = *next] {
      // Without it the next run leaves a gap in the numbers.
      (void)checkpoints->storage->release_ids(next).is_ok();
    });
  }
  tasks_.clear();
  enumerators_.clear();
  settings_->master = nullptr;
  settings_->checkpoints.reset();
}

template <class Event>
void CheckpointCoordinatorActor::step(Event what) {
  const auto actions = protocol_.step({settings_->clock->wall_ms(), std::move(what)});
  for (const CheckpointAction& action : actions) {
    std::visit([this](const auto& each) { act(each); }, action);
  }
  arm_timer();
}

void CheckpointCoordinatorActor::arm_timer() {
  const int64_t at_ms = protocol_.next_tick_ms();
  // An earlier timer that is still armed makes us look again, and arm this one then.
  if (at_ms == CheckpointProtocol::kNever || at_ms >= timer_armed_ms_) return;
  timer_armed_ms_ = at_ms;
  const int64_t delay_ms = std::max<int64_t>(0, at_ms - settings_->clock->wall_ms());
  send_later(this, Duration(delay_ms), CheckpointTick{at_ms});
}

// ---- events -------------------------------------------------------------------------------------

void CheckpointCoordinatorActor::running(const TasksRunning& running) {
  tasks_ = running.tasks;
  enumerators_ = running.enumerators;
  event::TasksRunning what;
  const auto& planned = settings_->plan->graph.tasks();
  for (size_t i = 0; i < planned.size(); ++i) {
    const TaskId id = planned[i].id;
    const bool is_source = settings_->plan->graph.chained().vertex(id.vertex).is_source;
    what.tasks.push_back({id, running.attempts[i], is_source, false});
  }
  step(std::move(what));
}

void CheckpointCoordinatorActor::enumerator_snapshotted(EnumeratorSnapshotted& snapshotted) {
  const auto found = coordinators_.find(snapshotted.id);
  if (found == coordinators_.end()) return;
  const auto& place = settings_->plan->graph.chained().places.at(snapshotted.node);
  const ChainStage& stage = settings_->plan->graph.chained()
                                .vertex(place.vertex)
                                .stages[static_cast<size_t>(place.stage)];
  found->second.states.push_back({stage.uid, "enumerator", std::move(snapshotted.state)});
  if (snapshotted.status.is_ok() && --found->second.missing > 0) return;
  step(event::CoordinatorsSnapshotted{snapshotted.id, snapshotted.status});
}

void CheckpointCoordinatorActor::acknowledged(const CheckpointAcknowledged& ack) {
  if (ack.outcome.status.is_ok()) {
    step(event::Acknowledged{ack.outcome.id, ack.task, ack.attempt, ack.outcome.stats,
                             ack.outcome.snapshot});
  } else {
    step(event::Declined{ack.outcome.id, ack.task, ack.attempt, ack.outcome.status});
  }
}

void CheckpointCoordinatorActor::inspect(InspectCheckpoints& request) {
  const int64_t now_ms = settings_->clock->wall_ms();
  for (const CheckpointStats& stats : protocol_.history()) {
    request.look.checkpoints.push_back(look_of(stats, now_ms));
  }
  for (const CheckpointStats& stats : protocol_.pending_stats()) {
    request.look.checkpoints.push_back(look_of(stats, now_ms));
  }
  request.answer(std::move(request.look));
}

void CheckpointCoordinatorActor::find_restore(AttemptId attempt) {
  strand_.run([checkpoints = settings_->checkpoints, master = settings_->master, attempt,
               on_note = settings_->on_note] {
    RestoreFound found;
    found.attempt = attempt;
    auto latest = checkpoints->storage->find_latest();
    found.status = latest.status();
    if (latest.is_ok()) {
      found.newer_are_damaged = !latest->damaged.empty();
      for (const Status& damaged : latest->damaged) {
        if (on_note) on_note("a newer checkpoint cannot be used: " + damaged.message());
      }
      if (latest->checkpoint) {
        found.status = checkpoints->storage->begin_continued_run(latest->checkpoint->id);
        found.checkpoint = std::make_shared<CheckpointMetadata>(std::move(*latest->checkpoint));
      }
    }
    send_from_outside(master, std::move(found));
  });
}

// ---- actions ------------------------------------------------------------------------------------

void CheckpointCoordinatorActor::act(const checkpoint_action::ReserveIds& /*action*/) {
  strand_.run([checkpoints = settings_->checkpoints, self = caf::actor_cast<ActorHandle>(this)] {
    const auto ids = checkpoints->storage->reserve_ids();
    send_from_outside(self,
                      CheckpointIdsReserved{ids.status(), ids.is_ok() ? *ids : CheckpointIds{}});
  });
}

void CheckpointCoordinatorActor::act(const checkpoint_action::SnapshotCoordinators& action) {
  const CheckpointId id = action.barrier.checkpoint;
  coordinators_[id].missing = enumerators_.size();
  for (const auto& [node, enumerator] : enumerators_) send(enumerator, SnapshotEnumerator{id});
  if (enumerators_.empty()) {
    EnumeratorSnapshotted none;
    none.id = id;
    send(caf::actor_cast<ActorHandle>(this), std::move(none));
  }
}

void CheckpointCoordinatorActor::act(const checkpoint_action::ReleaseCoordinators& action) {
  for (const auto& [node, enumerator] : enumerators_) {
    send(enumerator, ReleaseEnumerator{action.id});
  }
}

void CheckpointCoordinatorActor::act(const checkpoint_action::TriggerTasks& action) {
  for (const TaskId task : action.tasks) {
    send(tasks_[settings_->plan->graph.index_of(task)], TriggerCheckpoint{action.barrier});
  }
  fail_point("barrier_sent");
}

namespace {

/// Makes a savepoint of what the tasks wrote, and gives it a place of its own.
Status publish_savepoint(const CheckpointSetup& checkpoints, const CheckpointMetadata& metadata,
                         const std::string& path, bool is_last) {
  CheckpointStorage& storage = *checkpoints.storage;
  auto copy = copy_as_savepoint(*checkpoints.files, metadata, path);
  Status status = copy.status();
  if (copy.is_ok() && is_last) {
    // What the stop commits must not be written again: from here on this is the latest checkpoint.
    copy->purpose = SnapshotPurpose::kCheckpoint;
    SLUICE_RETURN_IF_ERROR(storage.publish(*copy));
  }
  // The tasks' files have been copied; leftovers would be swept later.
  if (!is_last || !status.is_ok()) (void)storage.discard(metadata.id).is_ok();
  return status;
}

}  // namespace

void CheckpointCoordinatorActor::act(const checkpoint_action::Publish& action) {
  CheckpointMetadata metadata = metadata_of(action);
  std::string path;
  if (action.purpose == SnapshotPurpose::kSavepoint) {
    const std::string parent =
        action.target.empty() ? settings_->checkpoints->savepoint_directory : action.target;
    path = join_path(parent, "savepoint-" + job_directory_name(settings_->plan->job_name) + "-" +
                                 std::to_string(action.id.value));
  }
  strand_.run([checkpoints = settings_->checkpoints, metadata = std::move(metadata), path,
               is_last = action.is_last, self = caf::actor_cast<ActorHandle>(this)] {
    const Status status = path.empty() ? checkpoints->storage->publish(metadata)
                                       : publish_savepoint(*checkpoints, metadata, path, is_last);
    if (status.is_ok()) fail_point("checkpoint_complete");
    send_from_outside(self, CheckpointPublished{metadata.id, status, path});
  });
}

CheckpointMetadata CheckpointCoordinatorActor::metadata_of(
    const checkpoint_action::Publish& action) {
  const ChainedGraph& graph = settings_->plan->graph.chained();
  CheckpointMetadata metadata;
  metadata.sluice_version = kSluiceVersion;
  metadata.job_name = settings_->plan->job_name;
  metadata.job_id = settings_->checkpoints->job_id;
  metadata.id = action.id;
  metadata.purpose = action.purpose;
  metadata.triggered_ms = action.triggered_ms;
  metadata.duration_ms = settings_->clock->wall_ms() - action.triggered_ms;
  metadata.drained = action.drained;
  metadata.graph_fingerprint = std::to_string(graph_fingerprint(graph));
  metadata.options = settings_->plan->options.values();
  std::map<std::string, size_t> index_of_uid;
  for (const ChainedVertex& vertex : graph.vertices) {
    for (const ChainStage& stage : vertex.stages) {
      index_of_uid[stage.uid] = metadata.operators.size();
      OperatorState state;
      state.name = stage.name;
      state.chains = {stage.uid, vertex.max_parallelism,
                      std::vector<SnapshotChain>(static_cast<size_t>(vertex.parallelism))};
      metadata.operators.push_back(std::move(state));
    }
  }
  for (const auto& [task, snapshot] : action.snapshots) {
    for (const OperatorChainPart& part : snapshot->operators) {
      OperatorState& state = metadata.operators[index_of_uid.at(part.uid)];
      state.chains.subtasks[static_cast<size_t>(task.subtask)] = part.chain;
    }
  }
  metadata.coordinators = std::move(coordinators_[action.id].states);
  coordinators_.erase(action.id);
  return metadata;
}

void CheckpointCoordinatorActor::act(const checkpoint_action::NotifyComplete& action) {
  to_all_tasks(CheckpointCompleted{action.id, action.confirm});
  std::vector<CheckpointId> pending;
  for (const CheckpointStats& stats : protocol_.pending_stats()) pending.push_back(stats.id);
  clean(std::move(pending));
}

void CheckpointCoordinatorActor::clean(std::vector<CheckpointId> pending) {
  strand_.run([checkpoints = settings_->checkpoints, pending = std::move(pending),
               on_note = settings_->on_note] {
    const Status cleaned = checkpoints->storage->clean(pending);
    // What is left goes with the next checkpoint.
    if (!cleaned.is_ok() && on_note) on_note("old checkpoints are left: " + cleaned.message());
    const std::string& claimed = checkpoints->claimed;
    if (claimed.empty() || checkpoints->storage->uses_directory(claimed)) return;
    const Status disposed = dispose_savepoint(*checkpoints->files, claimed);
    const bool is_gone = disposed.is_ok() || disposed.code() == StatusCode::kNotFound;
    if (!is_gone && on_note) on_note("the savepoint is left: " + disposed.message());
  });
}

void CheckpointCoordinatorActor::act(const checkpoint_action::Abort& action) {
  coordinators_.erase(action.id);
  to_all_tasks(CheckpointAborted{action.id});
  strand_.run([checkpoints = settings_->checkpoints, id = action.id] {
    // What cannot be removed now is swept after the next complete checkpoint.
    (void)checkpoints->storage->discard(id).is_ok();
  });
}

void CheckpointCoordinatorActor::act(const checkpoint_action::SnapshotAnswer& action) {
  const auto path = paths_.find(action.id);
  send(settings_->master, SnapshotAnswered{action.request, action.status,
                                           path == paths_.end() ? std::string() : path->second});
}

void CheckpointCoordinatorActor::act(const checkpoint_action::FailJob& action) {
  send(settings_->master, CheckpointingFailed{action.status, action.may_restart});
}

void CheckpointCoordinatorActor::act(const checkpoint_action::JobDone& /*action*/) {
  send(settings_->master, CheckpointingDone{});
}

void CheckpointCoordinatorActor::act(const checkpoint_action::Report& action) {
  const bool failed = action.stats.outcome == CheckpointOutcome::kFailed;
  if (failed || log_complete_) note(action.stats.to_line());
  if (!failed) settings_->metrics->add_checkpoint(action.stats.duration_ms());
  CheckpointRecord record{action.stats, settings_->checkpoints->job_id, {}};
  for (const SubtaskCheckpointStats& subtask : action.stats.subtasks) {
    record.task_names.push_back(settings_->plan->graph.display_name(subtask.task));
  }
  strand_.run([history = history_, record = std::move(record)] {
    // It only informs; the next one may be written again.
    (void)history->append(record).is_ok();
  });
}

}  // namespace sluice
