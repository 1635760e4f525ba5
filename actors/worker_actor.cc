#include "actors/worker_actor.h"

#include <algorithm>
#include <unistd.h>
#include <utility>

#include "actors/attempt_actor.h"
#include "actors/control_codec.h"
#include "core/version.h"

namespace sluice {

WorkerActor::WorkerActor(ActorConfig& config, std::shared_ptr<Settings> settings)
    : ActorBase(config), settings_(std::move(settings)), gate_(settings_->cluster) {}

Behavior WorkerActor::make_behavior() {
  guard_handlers(this, [this](const std::string& text) { end(Status::internal(text)); });
  refuse_unknown_messages(this, [this](const std::string& text) { note(text); });
  on_actor_down(this, [this](const caf::actor_addr& address) {
    const bool is_manager = manager_ && manager_.address() == address;
    if (is_manager || (manager_gate_ && manager_gate_.address() == address)) {
      lost("the connection was lost");
    }
  });
  return {
      // The local TaskManager offers itself.
      [this](const RegisterTaskManager& registration) {
        task_manager_ = registration.task_manager;
        dial();
      },
      [this](DialAgain) { dial(); },
      [this](const Dialled& result) { dialled(result); },
      [this](const Wire<proto::TaskManagerRegistered>& wire) { registered(wire); },
      [this](const Wire<proto::RegistrationRefused>& wire) {
        const auto refused = unwrap(wire);
        if (!refused.is_ok() || wire.fence.cluster != settings_->cluster) return;
        if (refused->is_final()) return end(Status::failed_precondition(refused->reason()));
        note("the JobManager refused: " + refused->reason());
      },
      [this](const RegistrationTimedOut& timeout) {
        if (timeout.registration == registration_ && !manager_) lost("no answer to a registration");
      },
      [this](const ControlTold& told) { obey(inbox_.told(told.sent)); },
      [this](const Wire<proto::DeployTasks>& wire) {
        if (admit(wire)) deploy(wire);
      },
      [this](JobPrepared& job) { prepared(job); },
      [this](const Wire<proto::TaskCommand>& wire) {
        if (admit(wire)) command(wire);
      },
      [this](const Wire<proto::ReleaseAttempt>& wire) {
        if (!admit(wire)) return;
        const AttemptKey key{wire.fence.job, wire.fence.attempt};
        preparing_.erase(key);
        const auto found = attempts_.find(key);
        if (found != attempts_.end()) send(found->second, CancelAttempt{"released"});
      },
      [this](const Wire<proto::EndProcess>& wire) {
        // Also instead of a welcome, and whatever is missing before it.
        const bool is_awaited = manager_ || manager_gate_;
        if (!is_awaited || !is_intact(wire)) return;
        if (gate_.admit(wire.fence, manager_incarnation_) == FenceVerdict::kAdmitted) {
          end(Status::ok());
        }
      },
      [this](const AttemptOver& over) {
        attempts_.erase(over.key);
        if (wants_registration_) send_registration();
      },
      [this](LeaseExpired) {
        cancel_attempts("the lease has run out");
        lost("no word within the lease, so tasks end");
      },
      [this](const RegistrationLost& refused) {
        lost("it does not know this TaskManager any more: " + refused.reason);
      },
  };
}

void WorkerActor::on_exit() {
  attempts_.clear();
  task_manager_ = nullptr;
  manager_gate_ = nullptr;
  manager_ = nullptr;
  outbox_ = nullptr;
  settings_->hub = nullptr;
  settings_->heartbeat = nullptr;
}

// ---- registration -------------------------------------------------------------------------------

void WorkerActor::dial() {
  if (std::exchange(dialling_, true)) return;
  settings_->node->dial(settings_->manager, caf::actor_cast<ActorHandle>(this));
}

void WorkerActor::dialled(const Dialled& result) {
  dialling_ = false;
  if (!result.status.is_ok()) {
    if (!std::exchange(noted_unreachable_, true)) {
      note("the JobManager does not answer yet: " + result.status.message());
    }
    send_later(this, kDialPause, DialAgain{});
    return;
  }
  manager_gate_ = result.gate;
  monitor(manager_gate_);
  cancel_attempts("another registration begins");
  wants_registration_ = true;
  send_registration();
}

void WorkerActor::send_registration() {
  // Whoever hears of it gives our tasks to others.
  if (!attempts_.empty() || !manager_gate_) return;
  wants_registration_ = false;
  proto::RegisterTaskManager registration;
  registration.mutable_endpoint()->set_host(settings_->own.host);
  registration.mutable_endpoint()->set_port(settings_->own.port);
  registration.mutable_endpoint()->set_incarnation(settings_->own.incarnation);
  registration.set_slots(settings_->slots);
  registration.set_pid(getpid());
  registration.set_sluice_version(kSluiceVersion);
  registration.set_build_id(settings_->identity.build_id);
  registration.set_arguments(settings_->identity.arguments);
  registration.set_topology(settings_->identity.topology);
  registration.set_epoch_seen(gate_.epoch());
  registration.set_sequence(++registration_);
  registration.set_reason(lost_why_);
  registration_sent_ns_ = settings_->clock->steady_ns();
  auto wire = wrap(fence(), registration);
  if (!wire.is_ok()) return end(wire.status());
  send(manager_gate_, std::move(*wire));
  send_later(this, kRegisterTimeout, RegistrationTimedOut{registration_});
}

void WorkerActor::registered(const Wire<proto::TaskManagerRegistered>& wire) {
  const auto message = unwrap(wire);
  // An answer to an earlier registration is that of a JobManager that has given us up since.
  if (!message.is_ok() || message->sequence() != registration_ || !manager_gate_) return;
  if (gate_.admit(wire.fence, "") != FenceVerdict::kAdmitted) return;
  const Duration lease(message->lease_ms());
  const int64_t waited_ns = settings_->clock->steady_ns() - registration_sent_ns_;
  // The answer was so long on its way that the JobManager may have given us up again.
  if (waited_ns > lease.count() * 1'000'000) return lost("its welcome came too late");
  newest_.clear();
  inbox_.begin(registration_);
  outbox_ = std::make_shared<ControlOutbox>(registration_);
  manager_ = caf::actor_cast<ActorHandle>(current_sender());
  manager_incarnation_ = wire.fence.incarnation;
  monitor(manager_);
  noted_unreachable_ = false;
  note((registration_ == 1 ? "registered as " : "registered again as ") + message->node() +
       " with " + std::to_string(settings_->slots) + " slots, leader epoch " +
       std::to_string(gate_.epoch()));
  send(settings_->heartbeat,
       BeginLease{manager_gate_, fence(), outbox_, Duration(message->heartbeat_interval_ms()),
                  lease, registration_sent_ns_});
}

void WorkerActor::lost(const std::string& why) {
  if (!manager_ && !manager_gate_) return;
  note("the JobManager is lost: " + why);
  if (manager_) demonitor(manager_.address());
  if (manager_gate_) demonitor(manager_gate_.address());
  manager_ = nullptr;
  manager_gate_ = nullptr;
  manager_incarnation_.clear();
  inbox_.end();
  lost_why_ = why;
  dial();
}

bool WorkerActor::may_be_believed(const Fence& fence, bool is_intact) {
  if (!is_intact) {
    gate_.count(FenceVerdict::kDamaged);
    note("a message of the JobManager was damaged on its way");
    return false;
  }
  if (manager_incarnation_.empty()) {
    gate_.count(FenceVerdict::kUnknownSender);
    return false;
  }
  return gate_.admit(fence, manager_incarnation_) == FenceVerdict::kAdmitted;
}

bool WorkerActor::is_next(const ControlStamp& stamp) {
  if (obey(inbox_.arrived(stamp))) return true;
  gate_.count(FenceVerdict::kOutOfOrder);
  return false;
}

/// What is missing may be anything, so everything begins anew.
bool WorkerActor::obey(ControlInbox::Verdict verdict) {
  if (verdict == ControlInbox::Verdict::kMissed) {
    lost("what it sent was lost on the way: " + inbox_.text());
  }
  return verdict == ControlInbox::Verdict::kInOrder;
}

void WorkerActor::end(const Status& reason) {
  if (auto on_end = std::exchange(settings_->on_end, nullptr)) on_end(reason);
}

// ---- attempts -----------------------------------------------------------------------------------

void WorkerActor::deploy(const Wire<proto::DeployTasks>& wire) {
  auto command = unwrap(wire);
  const AttemptKey key{wire.fence.job, wire.fence.attempt};
  const auto newest = newest_.find(key.job);
  const bool is_old = newest != newest_.end() && newest->second >= key.attempt;
  if (!command.is_ok() || is_old) {
    gate_.count(FenceVerdict::kOldAttempt);
    return;
  }
  newest_[key.job] = key.attempt;
  preparing_.insert(key);
  settings_->io->run([settings = settings_, command = std::move(*command), key,
                      self = caf::actor_cast<ActorHandle>(this)] {
    JobPrepared prepared;
    prepared.key = key;
    for (const auto& task : command.tasks()) prepared.tasks.push_back(from_proto(task));
    WorkerJobSettings job_settings;
    job_settings.build = settings->build;
    job_settings.files = settings->files;
    job_settings.state_subdirectory = "tm-" + settings->own.incarnation;
    auto job = prepare_worker_job(command, job_settings);
    prepared.status = job.status();
    if (job.is_ok()) prepared.job = std::move(*job);
    send_from_outside(self, std::move(prepared));
  });
}

void WorkerActor::prepared(JobPrepared& prepared) {
  // The JobManager may have changed its mind, or be another one.
  if (preparing_.erase(prepared.key) == 0 || !manager_) return;
  if (!prepared.status.is_ok()) {
    proto::TasksDeployed answer;
    for (const TaskId id : prepared.tasks) to_proto(id, *answer.add_missing());
    to_proto(prepared.status, *answer.mutable_status());
    auto wire = wrap(fence(prepared.key), answer);
    if (!wire.is_ok()) return;
    outbox_->post(std::move(*wire), [this](auto stamped) { send(manager_, std::move(stamped)); });
    return;
  }
  auto settings = std::make_shared<AttemptActor::Settings>();
  settings->key = prepared.key;
  settings->fence = fence(prepared.key);
  settings->job = std::move(prepared.job);
  settings->clock = settings_->clock;
  settings->incarnation = settings_->own.incarnation;
  settings->worker = caf::actor_cast<ActorHandle>(this);
  settings->task_manager = task_manager_;
  settings->hub = settings_->hub;
  settings->manager = manager_;
  settings->outbox = outbox_;
  settings->on_stuck = settings_->on_stuck;
  const ActorHandle attempt = spawn<AttemptActor>(std::move(settings));
  attempts_[prepared.key] = attempt;
  send(attempt, BeginAttempt{std::move(prepared.tasks)});
}

void WorkerActor::command(const Wire<proto::TaskCommand>& wire) {
  const auto found = attempts_.find({wire.fence.job, wire.fence.attempt});
  auto command = unwrap(wire);
  if (found == attempts_.end() || !command.is_ok()) {
    gate_.count(FenceVerdict::kOldAttempt);
    return;
  }
  send(found->second, CommandArrived{std::move(*command)});
}

void WorkerActor::cancel_attempts(const std::string& why) {
  preparing_.clear();
  for (const auto& [key, attempt] : attempts_) send(attempt, CancelAttempt{why});
}

}  // namespace sluice
