#include "actors/remote_task_actor.h"

#include <utility>

#include "actors/control_codec.h"

namespace sluice {

void TaskDirectory::joined(const std::string& incarnation, int64_t registration,
                           TaskManagerInspection look) {
  const std::lock_guard lock(mutex_);
  task_managers_[incarnation] = {registration, std::move(look)};
}

void TaskDirectory::heard(const std::string& incarnation, int64_t wall_ms) {
  const std::lock_guard lock(mutex_);
  const auto found = task_managers_.find(incarnation);
  if (found != task_managers_.end()) found->second.look.heartbeat = wall_ms;
}

void TaskDirectory::left(const std::string& incarnation, int64_t registration) {
  const std::lock_guard lock(mutex_);
  const auto found = task_managers_.find(incarnation);
  if (found == task_managers_.end() || found->second.registration != registration) return;
  task_managers_.erase(found);
}

std::vector<TaskManagerInspection> TaskDirectory::task_managers() const {
  const std::lock_guard lock(mutex_);
  std::vector<TaskManagerInspection> looks;
  for (const auto& [incarnation, joined] : task_managers_) looks.push_back(joined.look);
  return looks;
}

void TaskDirectory::add(caf::actor_id actor, std::shared_ptr<const Endpoint> where) {
  const std::lock_guard lock(mutex_);
  places_[actor] = std::move(where);
}

void TaskDirectory::remove(caf::actor_id actor) {
  const std::lock_guard lock(mutex_);
  places_.erase(actor);
}

std::shared_ptr<const Endpoint> TaskDirectory::find(caf::actor_id actor) const {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(actor);
  return found == places_.end() ? nullptr : found->second;
}

RemoteTaskActor::RemoteTaskActor(ActorConfig& config, std::shared_ptr<Settings> settings)
    : ActorBase(config), settings_(std::move(settings)), attempt_{settings_->fence.attempt} {
  settings_->directory->add(id(), settings_->where);
}

Behavior RemoteTaskActor::make_behavior() {
  guard_handlers(this, [this](const std::string& text) { fail(Status::internal(text)); });
  refuse_unknown_messages(this, [this](const std::string& text) { fail(Status::internal(text)); });
  on_actor_down(this, [this](const caf::actor_addr& address) {
    if (address == settings_->manager.address()) {
      fail(Status::unavailable("TaskManager " + settings_->where->node() + " was lost"));
      return;
    }
    // Without its master nobody wants the task any more.
    command([](proto::TaskCommand& to) { to.set_cancel(true); });
    quit();
  });
  monitor(settings_->manager);
  monitor(settings_->master);
  describe("", "on " + settings_->where->node());
  return {
      [this](const OpenTask& message) { open(*message.peers); },
      [this](StartTask) { command([](proto::TaskCommand& to) { to.set_start(true); }); },
      [this](StopSource stop) {
        command([&](proto::TaskCommand& to) { to.set_stop_source(stop.with_max_watermark); });
      },
      [this](CancelTask) { command([](proto::TaskCommand& to) { to.set_cancel(true); }); },
      [this](EndTask) { command([](proto::TaskCommand& to) { to.set_end(true); }); },
      [this](LimitWatermark limit) {
        command([&](proto::TaskCommand& to) { to.set_limit_watermark_ms(limit.limit.ms); });
      },
      [this](ReportAlignment) {
        command([](proto::TaskCommand& to) { to.set_report_alignment(true); });
      },
      [this](const TriggerCheckpoint& trigger) {
        command([&](proto::TaskCommand& to) {
          to_proto(trigger.barrier, *to.mutable_trigger_checkpoint());
        });
      },
      [this](const CheckpointCompleted& completed) {
        command([&](proto::TaskCommand& to) {
          to.mutable_checkpoint_completed()->set_id(completed.id.value);
          to.mutable_checkpoint_completed()->set_confirm(completed.confirm);
        });
      },
      [this](const CheckpointAborted& aborted) {
        command([&](proto::TaskCommand& to) { to.set_checkpoint_aborted(aborted.id.value); });
      },
      [this](const AddSplits& add) {
        command([&](proto::TaskCommand& to) {
          to.mutable_add_splits()->set_no_more(add.no_more);
          for (const auto& split : add.splits)
            to_proto(split, *to.mutable_add_splits()->add_splits());
        });
      },
      [this](LookAtTask) { command([](proto::TaskCommand& to) { to.set_look(true); }); },
      [this](const ReportArrived& arrived) { report(arrived.report); },
  };
}

void RemoteTaskActor::on_exit() {
  settings_->directory->remove(id());
  settings_->details->close();
  settings_->worker = nullptr;
  settings_->manager = nullptr;
  settings_->master = nullptr;
  enumerator_ = nullptr;
  coordinator_ = nullptr;
}

void RemoteTaskActor::command(const std::function<void(proto::TaskCommand&)>& fill) {
  proto::TaskCommand command;
  to_proto(settings_->id, *command.mutable_task());
  fill(command);
  auto wire = wrap(settings_->fence, command);
  if (wire.is_ok()) {
    settings_->outbox->post(std::move(*wire),
                            [this](auto stamped) { send(settings_->worker, std::move(stamped)); });
  } else {
    fail(wire.status());
  }
}

void RemoteTaskActor::open(const TaskPeers& peers) {
  enumerator_ = peers.enumerator;
  coordinator_ = peers.coordinator;
  std::map<std::string, int> index;
  proto::OpenTask opening;
  bool all_known = true;
  const auto index_of = [&](const ActorHandle& task) {
    const auto where = settings_->directory->find(task.id());
    if (!where) {
      all_known = false;
      return 0;
    }
    const auto [found, is_new] = index.emplace(where->incarnation, static_cast<int>(index.size()));
    if (is_new) {
      auto& endpoint = *opening.add_task_managers();
      endpoint.set_host(where->host);
      endpoint.set_port(where->port);
      endpoint.set_incarnation(where->incarnation);
    }
    return found->second;
  };
  for (const auto& end : peers.outputs) opening.add_outputs(index_of(end.task));
  for (const auto& end : peers.inputs) opening.add_inputs(index_of(end.task));
  opening.set_has_coordinator(static_cast<bool>(coordinator_));
  if (!all_known) {
    fail(Status::unavailable("a task at the other end of a channel has ended"));
    return;
  }
  command([&](proto::TaskCommand& to) { *to.mutable_open() = std::move(opening); });
}

void RemoteTaskActor::report(const proto::TaskReport& report) {
  const ActorHandle& master = settings_->master;
  const TaskId id = settings_->id;
  switch (report.report_case()) {
    case proto::TaskReport::kOpened:
      return send(master, TaskOpened{id});
    case proto::TaskReport::kFinished:
      send(master, TaskFinished{id});
      return quit();
    case proto::TaskReport::kCancelled:
      send(master, TaskCancelled{id});
      return quit();
    case proto::TaskReport::kFailed:
      return fail(from_proto(report.failed()));
    case proto::TaskReport::kCommittables: {
      CommittablesReady ready;
      ready.sink = NodeId{report.committables().sink()};
      for (const auto& each : report.committables().committables()) {
        ready.committables.push_back(from_proto(each));
      }
      return send(master, std::move(ready));
    }
    case proto::TaskReport::kAlignmentMs:
      return send(master, AlignmentReported{id, EventTime{report.alignment_ms()}});
    case proto::TaskReport::kCheckpoint:
      return checkpoint_acknowledged(report.checkpoint());
    case proto::TaskReport::kReachedEnd:
      if (coordinator_) send(coordinator_, TaskReachedEnd{id, attempt_});
      return;
    case proto::TaskReport::kCheckpointWanted:
      if (!coordinator_) return;
      return send(coordinator_,
                  CheckpointWanted{id, attempt_, CheckpointId{report.checkpoint_wanted()}});
    case proto::TaskReport::kCompletionConfirmed:
      if (!coordinator_) return;
      return send(coordinator_,
                  CompletionConfirmed{CheckpointId{report.completion_confirmed()}, id, attempt_});
    case proto::TaskReport::kRequestSplit:
      if (!enumerator_) return;
      return send(enumerator_, RequestSplit{id.subtask, caf::actor_cast<ActorHandle>(this),
                                            report.request_split()});
    case proto::TaskReport::kDetails:
      return settings_->details->answer(from_proto(report.details()));
    case proto::TaskReport::REPORT_NOT_SET:
      return fail(Status::failed_precondition("a report this version does not know"));
  }
}

void RemoteTaskActor::checkpoint_acknowledged(const proto::CheckpointAcknowledged& report) {
  if (!coordinator_) return;
  auto outcome = from_proto(report, settings_->id);
  if (!outcome.is_ok()) return fail(outcome.status());
  send(coordinator_, CheckpointAcknowledged{settings_->id, attempt_, std::move(*outcome)});
}

void RemoteTaskActor::fail(const Status& status) {
  send(settings_->master, TaskFailed{settings_->id, status});
  quit();
}

}  // namespace sluice
