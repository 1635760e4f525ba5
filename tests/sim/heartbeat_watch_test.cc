// Who answers heartbeats, on CAF's test scheduler.
#include <doctest/doctest.h>

#include "actors/control_codec.h"
#include "actors/heartbeat_actors.h"
#include "core/clock.h"
#include "tests/support/drained_system.h"

namespace sluice {
namespace {

/// A TaskManager elsewhere, and the actors that stand for its registrations.
class WatchWorld {
 public:
  WatchWorld() {
    HeartbeatWatchActor::Settings settings;
    settings.clock = &clock_;
    settings.fence.cluster = "cluster";
    settings.fence.leader_epoch = 1;
    watch_ = system_->spawn<HeartbeatWatchActor>(settings);
    worker_ = system_->spawn<Probe>([this]() -> Behavior {
      return {
          [this](const Wire<proto::HeartbeatAnswered>& wire) { answered_ = *unwrap(wire); },
          [this](const Wire<proto::RegistrationRefused>& wire) { refused_ = *unwrap(wire); },
      };
    });
  }
  ~WatchWorld() {
    for (const ActorHandle& actor : {watch_, worker_}) system_.end(actor);
    for (const ActorHandle& actor : stand_ins_) system_.end(actor);
  }
  WatchWorld(const WatchWorld&) = delete;
  WatchWorld& operator=(const WatchWorld&) = delete;

  void register_worker(int64_t registration) {
    outbox_ = std::make_shared<ControlOutbox>(registration);
    stand_ins_.push_back(system_->spawn<Probe>(
        [this]() -> Behavior { return {[this](const ControlTold& told) { told_ = told.sent; }}; }));
    caf::anon_send(watch_, WatchHeartbeats{"worker", stand_ins_.back(), outbox_});
    system_.drain();
  }
  void send_to_worker() {
    outbox_->post(*wrap({}, proto::EndProcess()), [](const auto&) {});
  }
  void refuse(size_t stand_in) {
    caf::send_as(stand_ins_[stand_in], watch_, RefuseHeartbeats{"worker", "because"});
    system_.drain();
  }
  /// What it is answered, if anything.
  void beat(ControlStamp sent) {
    answered_ = {};
    refused_ = {};
    told_ = {};
    proto::Heartbeat heartbeat;
    heartbeat.set_sequence(9);
    to_proto(sent, *heartbeat.mutable_sent());
    caf::send_as(worker_, watch_, *wrap({"cluster", "worker", 1, 0, 0}, heartbeat));
    system_.drain();
  }
  const proto::HeartbeatAnswered& answered() const { return answered_; }
  const proto::RegistrationRefused& refused() const { return refused_; }
  const ControlStamp& told() const { return told_; }

 private:
  const ManualClock clock_;
  std::shared_ptr<ControlOutbox> outbox_;
  proto::HeartbeatAnswered answered_;
  proto::RegistrationRefused refused_;
  ControlStamp told_;
  DrainedSystem system_;
  ActorHandle watch_;
  ActorHandle worker_;
  std::vector<ActorHandle> stand_ins_;
};

TEST_CASE("heartbeat_watch: both sides are told how much the other one has sent") {
  WatchWorld world;
  world.register_worker(3);
  world.send_to_worker();
  world.send_to_worker();
  world.beat({3, 5});
  CHECK(world.answered().sequence() == 9);
  CHECK(world.answered().sent().registration() == 3);
  CHECK(world.answered().sent().messages() == 2);
  CHECK(world.told().registration == 3);
  CHECK(world.told().number == 5);
}

TEST_CASE("heartbeat_watch: who is not registered is told, with the registration it believes in") {
  WatchWorld world;
  world.beat({3, 5});
  CHECK(world.answered().sequence() == 0);
  CHECK(world.refused().reason() == "not registered");
  CHECK(world.refused().registration() == 3);
  CHECK_FALSE(world.refused().is_final());
}

TEST_CASE("heartbeat_watch: who must register again is answered nothing else until it has") {
  WatchWorld world;
  world.register_worker(3);
  world.refuse(0);
  for (int beat = 0; beat < 2; ++beat) {
    world.beat({3, 5});
    CHECK(world.answered().sequence() == 0);
    CHECK(world.refused().reason() == "because");
    CHECK(world.told().registration == 0);
  }
  world.register_worker(4);
  // Of the registration before: it comes too late.
  world.refuse(0);
  world.beat({4, 0});
  CHECK(world.answered().sequence() == 9);
  CHECK(world.refused().reason().empty());
}

}  // namespace
}  // namespace sluice
