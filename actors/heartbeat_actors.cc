#include "actors/heartbeat_actors.h"

#include <algorithm>
#include <utility>

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
        // From now on straight to the thread that answers.
        target_ = caf::actor_cast<ActorHandle>(current_sender());
      },
      [this](const Wire<proto::RegistrationRefused>& refused) {
        if (refused.fence.leader_epoch < current_.fence.leader_epoch) return;
        lease_.give_back();
        send(worker_, RegistrationLost{});
      },
  };
}

void HeartbeatActor::on_exit() {
  worker_ = nullptr;
  target_ = nullptr;
  current_.gate = nullptr;
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
    auto wire = wrap(current_.fence, heartbeat);
    if (wire.is_ok()) send(target_, std::move(*wire));
  }
  send_later(this, std::max(Duration(1), current_.interval / kLooksPerBeat), HeartbeatTick{});
}

// ---- JobManager ---------------------------------------------------------------------------------

Behavior HeartbeatWatchActor::make_behavior() {
  guard_handlers(this, [](const std::string&) {});
  on_actor_down(this, [this](const caf::actor_addr& address) {
    for (auto it = watched_.begin(); it != watched_.end(); ++it) {
      if (it->second.address() != address) continue;
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
        watched_[watch.incarnation] = std::move(watch.task_manager);
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
  const bool is_current = heartbeat.fence.leader_epoch == settings_.fence.leader_epoch;
  if (is_current && watch_.beat(heartbeat.fence.incarnation, settings_.clock->steady_ns())) {
    proto::HeartbeatAnswered answered;
    answered.set_sequence(message->sequence());
    auto wire = wrap(settings_.fence, answered);
    if (wire.is_ok()) send(sender, std::move(*wire));
    return;
  }
  proto::RegistrationRefused refused;
  refused.set_reason("not registered");
  auto wire = wrap(settings_.fence, refused);
  if (wire.is_ok()) send(sender, std::move(*wire));
}

void HeartbeatWatchActor::tick() {
  for (const std::string& lost : watch_.overdue(settings_.clock->steady_ns())) {
    const auto found = watched_.find(lost);
    if (found == watched_.end()) continue;
    send(found->second, HeartbeatsLost{});
    watched_.erase(found);
  }
  send_later(this, std::max(Duration(1), settings_.interval / kLooksPerBeat), HeartbeatTick{});
}

}  // namespace sluice
