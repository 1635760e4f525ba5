#include "actors/heartbeat_actors.h"

#include <algorithm>
#include <utility>

#include "actors/control_codec.h"

namespace sluice {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
/// How often the own lease is looked at, per heartbeat.
constexpr int kLooksPerBeat = 4;

}  // namespace

// ---- TaskManager --------------------------------------------------------------------------------

Behavior HeartbeatActor::make_behavior() {
  guard_handlers(this, [](const std::string&) {});
  return {
      [this](BeginLease& begin) {
        worker_ = caf::actor_cast<ActorHandle>(current_sender());
        current_ = std::move(begin);
        target_ = current_.gate;
        lease_ = Lease(current_.lease);
        lease_.begin(current_.asked_ns);
        beat_ns_ = 0;
        if (!std::exchange(ticking_, true)) tick();
      },
      [this](HeartbeatTick) { tick(); },
      [this](const Wire<proto::HeartbeatAnswered>& answered) {
        if (answered.fence.leader_epoch != current_.fence.leader_epoch) return;
        const auto message = unwrap(answered);
        if (!message.is_ok()) return;
        lease_.answered(message->sequence());
        send(worker_, ControlTold{from_proto(message->sent())});
        // From now on straight to the thread that answers.
        target_ = caf::actor_cast<ActorHandle>(current_sender());
      },
      [this](const Wire<proto::RegistrationRefused>& refused) {
        const auto message = unwrap(refused);
        if (!message.is_ok() || refused.fence.leader_epoch < current_.fence.leader_epoch) return;
        // One of an earlier registration comes too late.
        if (!current_.outbox || message->registration() != current_.outbox->sent().registration) {
          return;
        }
        lease_.give_back();
        // Nothing to say until there is another registration.
        target_ = nullptr;
        send(worker_, RegistrationLost{message->reason()});
      },
  };
}

void HeartbeatActor::on_exit() {
  worker_ = nullptr;
  target_ = nullptr;
  current_ = {};
}

void HeartbeatActor::tick() {
  const int64_t now_ns = settings_.clock->steady_ns();
  switch (lease_.look(now_ns)) {
    case Lease::Verdict::kFrozen:
      settings_.on_frozen();
      return;
    case Lease::Verdict::kExpired:
      send(worker_, LeaseExpired{});
      break;
    case Lease::Verdict::kHeld:
    case Lease::Verdict::kNone:
      break;
  }
  if (now_ns - beat_ns_ >= current_.interval.count() * kNsPerMs && target_) {
    beat_ns_ = now_ns;
    proto::Heartbeat heartbeat;
    settings_.look_for_stuck();
    heartbeat.set_sequence(lease_.sent(now_ns));
    heartbeat.set_resident_bytes(settings_.resident_bytes());
    to_proto(current_.outbox->sent(), *heartbeat.mutable_sent());
    auto wire = wrap(current_.fence, heartbeat);
    if (wire.is_ok()) send(target_, std::move(*wire));
  }
  send_later(this, std::max(Duration(1), current_.interval / kLooksPerBeat), HeartbeatTick{});
}

// ---- JobManager ---------------------------------------------------------------------------------

Behavior HeartbeatWatchActor::make_behavior() {
  guard_handlers(this, [](const std::string&) {});
  describe("", "");
  on_actor_down(this, [this](const caf::actor_addr& address) {
    for (auto it = watched_.begin(); it != watched_.end(); ++it) {
      if (it->second.task_manager.address() != address) continue;
      watch_.remove(it->first);
      watched_.erase(it);
      return;
    }
  });
  send_later(this, settings_.interval / kLooksPerBeat, HeartbeatTick{});
  return {
      [this](WatchHeartbeats& watch) {
        monitor(watch.task_manager);
        watch_.add(watch.incarnation, settings_.clock->steady_ns());
        watched_[watch.incarnation] = {std::move(watch.task_manager), std::move(watch.outbox), ""};
      },
      [this](const RefuseHeartbeats& refuse) {
        const auto found = watched_.find(refuse.incarnation);
        // It may have registered again already.
        if (found == watched_.end() || found->second.task_manager != current_sender()) return;
        found->second.refused = refuse.reason;
      },
      [this](const Wire<proto::Heartbeat>& heartbeat) { beat(heartbeat); },
      [this](HeartbeatTick) { tick(); },
  };
}

void HeartbeatWatchActor::beat(const Wire<proto::Heartbeat>& heartbeat) {
  const ActorHandle sender = caf::actor_cast<ActorHandle>(current_sender());
  if (!sender || heartbeat.fence.cluster != settings_.fence.cluster) return;
  const auto message = unwrap(heartbeat);
  if (!message.is_ok()) return;
  const auto found = watched_.find(heartbeat.fence.incarnation);
  const bool is_current = heartbeat.fence.leader_epoch == settings_.fence.leader_epoch;
  if (!is_current || found == watched_.end()) return refuse(sender, *message, "not registered");
  if (!found->second.refused.empty()) return refuse(sender, *message, found->second.refused);
  watch_.beat(found->first, settings_.clock->steady_ns());
  proto::HeartbeatAnswered answered;
  answered.set_sequence(message->sequence());
  to_proto(found->second.outbox->sent(), *answered.mutable_sent());
  auto wire = wrap(settings_.fence, answered);
  if (wire.is_ok()) send(sender, std::move(*wire));
  send(found->second.task_manager, ControlTold{from_proto(message->sent())});
}

void HeartbeatWatchActor::refuse(const ActorHandle& sender, const proto::Heartbeat& heartbeat,
                                 const std::string& reason) {
  proto::RegistrationRefused refused;
  refused.set_reason(reason);
  refused.set_registration(heartbeat.sent().registration());
  auto wire = wrap(settings_.fence, refused);
  if (wire.is_ok()) send(sender, std::move(*wire));
}

void HeartbeatWatchActor::tick() {
  for (const std::string& lost : watch_.overdue(settings_.clock->steady_ns())) {
    const auto found = watched_.find(lost);
    if (found == watched_.end()) continue;
    send(found->second.task_manager, HeartbeatsLost{});
    watched_.erase(found);
  }
  send_later(this, std::max(Duration(1), settings_.interval / kLooksPerBeat), HeartbeatTick{});
}

}  // namespace sluice
