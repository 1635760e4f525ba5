#include "actors/cluster_gate_actor.h"

#include <utility>

namespace sluice {
namespace {

/// "" when the process may join.
std::string gate_mismatch(const JobIdentity& own, const proto::RegisterTaskManager& other,
                          int64_t epoch) {
  const JobIdentity theirs{other.build_id(), other.arguments(), other.topology()};
  const std::string who =
      "TaskManager " + other.endpoint().host() + ":" + std::to_string(other.endpoint().port());
  if (!(theirs == own)) {
    return who + " would run another job: it has " + theirs.to_text() + "; this JobManager has " +
           own.to_text();
  }
  if (other.epoch_seen() > epoch) {
    return who + " has obeyed leader epoch " + std::to_string(other.epoch_seen()) +
           "; this JobManager has only " + std::to_string(epoch);
  }
  return "";
}

}  // namespace

ClusterGateActor::ClusterGateActor(ActorConfig& config, std::shared_ptr<Settings> settings)
    : ActorBase(config), settings_(std::move(settings)) {}

Behavior ClusterGateActor::make_behavior() {
  describe("", "");
  guard_handlers(this, [this](const std::string& text) { note(text); });
  refuse_unknown_messages(this, [this](const std::string&) { ++strangers_; });
  on_actor_down(this, [this](const caf::actor_addr& address) {
    std::erase_if(task_managers_,
                  [&](const auto& entry) { return entry.second.address() == address; });
  });
  return {
      [this](const Wire<proto::RegisterTaskManager>& wire) { register_task_manager(wire); },
      [this](Wire<proto::Heartbeat>& heartbeat) {
        // The first one: the answer tells the sender where the next ones go.
        caf::send_as(caf::actor_cast<ActorHandle>(current_sender()), settings_->heartbeat_watch,
                     std::move(heartbeat));
      },
      [this](const EndWorkers& end) {
        ending_ = true;
        for (const auto& [incarnation, actor] : task_managers_) send(actor, end);
      },
  };
}

void ClusterGateActor::on_exit() {
  task_managers_.clear();
  settings_->job_manager = nullptr;
  settings_->heartbeat_watch = nullptr;
}

void ClusterGateActor::register_task_manager(const Wire<proto::RegisterTaskManager>& wire) {
  const ActorHandle worker = caf::actor_cast<ActorHandle>(current_sender());
  const auto message = unwrap(wire);
  if (!worker || !message.is_ok()) {
    ++strangers_;
    return;
  }
  if (wire.fence.cluster != settings_->fence.cluster) {
    return refuse(worker, "the TaskManager belongs to cluster '" + wire.fence.cluster +
                              "', this is '" + settings_->fence.cluster + "'");
  }
  const std::string mismatch =
      gate_mismatch(settings_->identity, *message, settings_->fence.leader_epoch);
  if (!mismatch.empty()) {
    note(mismatch);
    return refuse(worker, mismatch);
  }
  if (ending_) {
    proto::EndProcess end;
    end.set_reason("the job has ended");
    auto answer = wrap(settings_->fence, end);
    if (answer.is_ok()) send(worker, std::move(*answer));
    return;
  }
  const std::string& incarnation = message->endpoint().incarnation();
  // It comes again because the connection broke: what it ran before is given up.
  if (const auto known = task_managers_.find(incarnation); known != task_managers_.end()) {
    send(known->second, RegistrationLost{message->reason()});
  }
  auto settings = std::make_shared<RemoteTaskManagerActor::Settings>();
  settings->fence = settings_->fence;
  settings->where = std::make_shared<Endpoint>(
      Endpoint{message->endpoint().host(), message->endpoint().port(), incarnation});
  settings->slots = message->slots();
  settings->pid = message->pid();
  settings->outbox = std::make_shared<ControlOutbox>(message->sequence());
  settings->node = settings_->node;
  settings->clock = settings_->clock;
  settings->directory = settings_->directory;
  settings->worker = worker;
  settings->job_manager = settings_->job_manager;
  settings->heartbeat_watch = settings_->heartbeat_watch;
  settings->heartbeat_interval = settings_->heartbeat_interval;
  settings->lease = settings_->lease;
  settings->on_note = settings_->on_note;
  const ActorHandle actor = spawn<RemoteTaskManagerActor>(std::move(settings));
  task_managers_[incarnation] = actor;
  monitor(actor);
}

void ClusterGateActor::refuse(const ActorHandle& worker, const std::string& reason) {
  proto::RegistrationRefused refused;
  refused.set_reason(reason);
  refused.set_is_final(true);
  auto answer = wrap(settings_->fence, refused);
  if (answer.is_ok()) send(worker, std::move(*answer));
}

}  // namespace sluice
