#include "actors/remote_task_manager_actor.h"

#include <filesystem>
#include <utility>

#include "actors/control_codec.h"

namespace sluice {

RemoteTaskManagerActor::RemoteTaskManagerActor(ActorConfig& config,
                                               std::shared_ptr<Settings> settings)
    : ActorBase(config), settings_(std::move(settings)), gate_(settings_->fence.cluster) {
  gate_.raise_epoch(settings_->fence.leader_epoch);
  inbox_.begin(settings_->outbox->sent().registration);
}

Behavior RemoteTaskManagerActor::make_behavior() {
  guard_handlers(this, [this](const std::string& text) { note(text); });
  refuse_unknown_messages(this, [this](const std::string& text) { note(text); });
  on_actor_down(this, [this](const caf::actor_addr& address) { actor_down(address); });
  monitor(settings_->worker);
  describe("", settings_->where->node());
  welcome();
  return {
      [this](const DeployTasks& command) { deploy(command); },
      [this](HeartbeatsLost) { lost("no heartbeat"); },
      [this](const Probed& probed) {
        if (probed.status.code() == StatusCode::kNotFound) return lost("its process is gone");
        if (!std::exchange(noted_break_, true)) {
          note("the connection to TaskManager " + settings_->where->node() +
               " was lost; its lease runs");
        }
        // A process that is being killed may still have been listening.
        send_later(this, kProbePause, ProbeAgain{});
      },
      [this](ProbeAgain) {
        settings_->node->probe(*settings_->where, caf::actor_cast<ActorHandle>(this));
      },
      [this](const RegistrationLost& again) {
        lost("it registers again" + (again.reason.empty() ? "" : ": " + again.reason));
      },
      [this](const ControlTold& told) { take(inbox_.told(told.sent)); },
      [this](const Wire<proto::TasksDeployed>& wire) {
        if (admit(wire)) deployed(wire);
      },
      [this](const Wire<proto::TaskReport>& wire) {
        if (admit(wire)) report(wire);
      },
      [this](const Wire<proto::NumbersReported>& wire) {
        if (admit(wire)) numbers(wire);
      },
      [this](const EndWorkers& end) {
        proto::EndProcess message;
        message.set_reason(end.reason);
        send_uncounted(message);
        ending_ = true;  // Until it has gone, the message may be on its way.
        send_later(this, kEndPause, end);
      },
  };
}

void RemoteTaskManagerActor::on_exit() {
  settings_->directory->left(settings_->where->incarnation, settings_->outbox->sent().registration);
  attempts_.clear();
  masters_.clear();
  settings_->worker = nullptr;
  settings_->job_manager = nullptr;
  settings_->heartbeat_watch = nullptr;
}

void RemoteTaskManagerActor::welcome() {
  const ActorHandle self = caf::actor_cast<ActorHandle>(this);
  // Watched before it knows, so that its first heartbeat is expected.
  send(settings_->heartbeat_watch,
       WatchHeartbeats{settings_->where->incarnation, self, settings_->outbox});
  proto::TaskManagerRegistered registered;
  registered.set_node(settings_->where->node());
  registered.set_heartbeat_interval_ms(settings_->heartbeat_interval.count());
  registered.set_lease_ms(settings_->lease.count());
  registered.set_sequence(settings_->outbox->sent().registration);
  send_uncounted(registered);
  TaskManagerInspection look;
  look.node = settings_->where->node();
  look.slots = settings_->slots;
  look.pid = settings_->pid;
  look.registered = settings_->clock->wall_ms();
  look.heartbeat = look.registered;
  settings_->directory->joined(settings_->where->incarnation,
                               settings_->outbox->sent().registration, std::move(look));
  send(settings_->job_manager,
       RegisterTaskManager{self, settings_->slots, settings_->where->node()});
  note("TaskManager " + settings_->where->node() + " joined with " +
       std::to_string(settings_->slots) + " slots");
}

template <class M>
void RemoteTaskManagerActor::send_worker(AttemptKey key, const M& message) {
  Fence fence = settings_->fence;
  fence.job = key.job;
  fence.attempt = key.attempt;
  auto wire = wrap(fence, message);
  if (wire.is_ok()) {
    settings_->outbox->post(std::move(*wire),
                            [this](auto stamped) { send(settings_->worker, std::move(stamped)); });
  } else {
    lost(wire.status().message());
  }
}

/// What is sent again when nothing comes of it.
template <class M>
void RemoteTaskManagerActor::send_uncounted(const M& message) {
  auto wire = wrap(settings_->fence, message);
  if (wire.is_ok()) send(settings_->worker, std::move(*wire));
}

bool RemoteTaskManagerActor::may_be_believed(const Fence& fence, bool is_intact) {
  if (!is_intact) {
    gate_.count(FenceVerdict::kDamaged);
    note("a message of TaskManager " + settings_->where->node() + " was damaged on its way");
    return false;
  }
  return gate_.admit(fence, settings_->where->incarnation) == FenceVerdict::kAdmitted;
}

bool RemoteTaskManagerActor::is_next(const ControlStamp& stamp) {
  if (take(inbox_.arrived(stamp))) return true;
  gate_.count(FenceVerdict::kOutOfOrder);
  return false;
}

/// Its tasks may run on until it knows, so they must not be started elsewhere yet.
bool RemoteTaskManagerActor::take(ControlInbox::Verdict verdict) {
  if (verdict == ControlInbox::Verdict::kMissed) {
    const std::string why = "what it sent was lost on the way: " + inbox_.text();
    note("TaskManager " + settings_->where->node() + " must register again: " + why);
    send(settings_->heartbeat_watch, RefuseHeartbeats{settings_->where->incarnation, why});
  }
  return verdict == ControlInbox::Verdict::kInOrder;
}

void RemoteTaskManagerActor::deploy(const DeployTasks& command) {
  const AttemptKey key{command.master.id(), command.attempt.value};
  Attempt& attempt = attempts_[key];
  attempt.master = command.master;
  attempt.metrics = command.metrics;
  if (masters_.insert(command.master.address()).second) monitor(command.master);
  proto::DeployTasks message;
  *message.mutable_job() = describe_job(*command.plan, command.checkpoints.get());
  for (const TaskId id : command.tasks) to_proto(id, *message.add_tasks());
  if (command.restore) {
    const auto& checkpoints = *command.checkpoints;
    const std::string path = checkpoints.storage
                                 ? checkpoints.storage->checkpoint_directory(command.restore->id)
                                 : checkpoints.restored_path;
    message.set_restore_path(std::filesystem::absolute(path).string());
  }
  send_worker(key, message);
}

void RemoteTaskManagerActor::deployed(const Wire<proto::TasksDeployed>& wire) {
  const AttemptKey key{wire.fence.job, wire.fence.attempt};
  const auto found = attempts_.find(key);
  const auto message = unwrap(wire);
  if (found == attempts_.end() || !message.is_ok()) {
    gate_.count(FenceVerdict::kOldAttempt);
    return;
  }
  Attempt& attempt = found->second;
  TasksDeployed answer;
  for (const auto& task : message->tasks()) {
    const TaskId id = from_proto(task);
    const ActorHandle actor = stand_in(key, attempt, id);
    attempt.tasks[id] = actor;
    answer.tasks.push_back({id, actor});
  }
  for (const auto& task : message->missing()) answer.missing.push_back(from_proto(task));
  answer.status = from_proto(message->status());
  send(attempt.master, std::move(answer));
  attempt.is_deployed = true;
  if (attempt.is_over()) attempts_.erase(found);
}

/// The actor that stands here for a task there.
ActorHandle RemoteTaskManagerActor::stand_in(const AttemptKey& key, const Attempt& attempt,
                                             TaskId id) {
  auto settings = std::make_shared<RemoteTaskActor::Settings>();
  settings->id = id;
  settings->fence = settings_->fence;
  settings->fence.job = key.job;
  settings->fence.attempt = key.attempt;
  settings->where = settings_->where;
  settings->directory = settings_->directory;
  settings->worker = settings_->worker;
  settings->outbox = settings_->outbox;
  settings->manager = caf::actor_cast<ActorHandle>(this);
  settings->master = attempt.master;
  const auto details = std::make_shared<TaskDetailsCell>();
  settings->details = details;
  ActorHandle actor = spawn<RemoteTaskActor>(std::move(settings));
  monitor(actor);
  attempt.metrics->place(id, settings_->where->node(), details,
                         [actor] { send_from_outside(actor, LookAtTask{}); });
  return actor;
}

void RemoteTaskManagerActor::report(const Wire<proto::TaskReport>& wire) {
  const auto found = attempts_.find({wire.fence.job, wire.fence.attempt});
  auto message = unwrap(wire);
  if (found == attempts_.end() || !message.is_ok()) {
    gate_.count(FenceVerdict::kOldAttempt);
    return;
  }
  const auto task = found->second.tasks.find(from_proto(message->task()));
  if (task != found->second.tasks.end()) send(task->second, ReportArrived{std::move(*message)});
}

void RemoteTaskManagerActor::numbers(const Wire<proto::NumbersReported>& wire) {
  const auto found = attempts_.find({wire.fence.job, wire.fence.attempt});
  const auto message = unwrap(wire);
  if (found == attempts_.end() || !message.is_ok()) return;
  JobMetrics& metrics = *found->second.metrics;
  settings_->directory->heard(settings_->where->incarnation, settings_->clock->wall_ms());
  for (const auto& from : message->tasks()) {
    JobMetrics::FarTask look;
    look.finished = from.finished();
    look.node = settings_->where->node();
    look.mailbox = from.mailbox();
    look.queued = from.queued_batches();
    look.activity = activity_of(from.activity());
    look.activity_since = from.activity_since_ms();
    look.progress.rows_in = from.rows_in();
    look.progress.rows_out = from.rows_out();
    look.progress.bytes_out = from.bytes_out();
    look.progress.busy_ns = from.busy_ns();
    look.progress.back_pressured_ns = from.back_pressured_ns();
    look.progress.idle_ns = from.idle_ns();
    look.progress.state_bytes = from.state_bytes();
    look.progress.watermark = EventTime{from.watermark_ms()};
    std::vector<std::map<std::string, int64_t>> added;
    for (const auto& stage : from.stages()) {
      added.emplace_back(stage.added().begin(), stage.added().end());
    }
    metrics.take_report(from_proto(from.task()), look, added);
  }
  for (const auto& letter : message->dead_letters()) metrics.take_dead_letter(letter);
}

void RemoteTaskManagerActor::worker_down() {
  if (ending_) return quit();
  settings_->node->probe(*settings_->where, caf::actor_cast<ActorHandle>(this));
}

void RemoteTaskManagerActor::actor_down(const caf::actor_addr& address) {
  if (address == settings_->worker.address()) return worker_down();
  masters_.erase(address);
  for (auto& [key, attempt] : attempts_) {
    std::erase_if(attempt.tasks,
                  [&](const auto& task) { return task.second.address() == address; });
  }
  std::erase_if(attempts_, [&](const auto& entry) {
    // All its reports have been passed on: each task's last one ended the actor that stood for it.
    if (entry.second.is_over()) return true;
    if (entry.second.master.address() != address) return false;
    proto::ReleaseAttempt release;
    release.set_reason("the job has ended");
    send_worker(entry.first, release);
    return true;
  });
}

void RemoteTaskManagerActor::lost(const std::string& why) {
  note("TaskManager " + settings_->where->node() + " is lost: " + why);
  quit(caf::exit_reason::remote_link_unreachable);
}

}  // namespace sluice
