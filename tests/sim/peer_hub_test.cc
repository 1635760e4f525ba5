// The hub of a TaskManager and what arrives damaged, on CAF's test scheduler.
#include <doctest/doctest.h>

#include "actors/peer_hub_actor.h"
#include "core/clock.h"
#include "tests/support/drained_system.h"

namespace sluice {
namespace {

constexpr uint64_t kOpenToken = 0x5555;
constexpr uint64_t kEndedToken = 0x6666;
constexpr AttemptKey kAttempt{7, 1};

/// What a task was sent.
struct Received {
  std::vector<Status> lost;
  int frames = 0;
  uint32_t credits = 0;
};

/// A hub with one connection and one channel that comes in over it.
class HubWorld {
 public:
  explicit HubWorld(const std::string& own = "own") {
    PeerHubActor::Settings settings;
    settings.cluster = "cluster";
    settings.incarnation = own;
    settings.dial = [this](const Endpoint& peer, const ActorHandle&) {
      dialled_.push_back(peer.incarnation);
    };
    hub_ = system_->spawn<PeerHubActor>(settings);
    task_ = system_->spawn<Probe>([this]() -> Behavior {
      return {[this](const ChannelLost& lost) { received_.lost.push_back(lost.status); },
              [this](const FrameArrived&) { ++received_.frames; },
              [this](const Credit& credit) { received_.credits += credit.credits; }};
    });
    peer_ = system_->spawn<Probe>([]() -> Behavior { return {[](const FramesTaken&) {}}; });
    attempt_ = system_->spawn<Probe>([this]() -> Behavior {
      return {[this](const PeersConnected& connected) { connected_ = connected; },
              [this](const PeerLost& lost) { lost_peers_.push_back(lost.incarnation); }};
    });
    fence_.cluster = "cluster";
    fence_.job = kAttempt.job;
    fence_.attempt = kAttempt.attempt;
    say_hello(1);
    const TaskId task{VertexId{3}, 0};
    caf::anon_send(hub_, TasksPlaced{kAttempt, {{task, task_}}});
    proto::OpenChannels open;
    auto& channel = *open.add_channels();
    channel.set_token(kOpenToken);
    channel.mutable_receiver()->set_vertex(task.vertex.value);
    from_peer(*wrap(fence_, open));
  }
  ~HubWorld() {
    for (const ActorHandle& actor : {hub_, task_, attempt_, peer_}) system_.end(actor);
  }
  HubWorld(const HubWorld&) = delete;
  HubWorld& operator=(const HubWorld&) = delete;

  template <class M>
  void from_peer(M message) {
    caf::send_as(peer_, hub_, std::move(message));
    system_.drain();
  }
  const Received& task() const { return received_; }

  void say_hello(int64_t connection) {
    proto::Hello hello;
    hello.set_connection(connection);
    hello.mutable_from()->set_incarnation("other");
    from_peer(*wrap(fence_, hello));
  }
  /// The attempt asks for the connection; true: it has got it.
  bool connect() {
    connected_ = {};
    caf::send_as(attempt_, hub_, ConnectPeers{TaskId{}, {{"host", 1, "other"}}});
    system_.drain();
    return connected_.links.size() == 1;
  }
  /// The task sends over the connection that the attempt has got.
  void open_output() {
    caf::anon_send(hub_, OutputOpened{kAttempt, 0x7777, task_, 0, connected_.links.at(0)});
    system_.drain();
  }
  /// This side sees the connection end.
  void cut() { system_.end(peer_); }
  const std::vector<std::string>& dialled() const { return dialled_; }
  const std::vector<std::string>& lost_peers() const { return lost_peers_; }

 private:
  Received received_;
  std::vector<std::string> dialled_;
  std::vector<std::string> lost_peers_;
  PeersConnected connected_;
  Fence fence_;
  DrainedSystem system_;
  ActorHandle hub_;
  ActorHandle task_;
  ActorHandle peer_;
  ActorHandle attempt_;
};

/// The only frame of an end of data.
DataFrame last_frame(uint64_t token) {
  const ManualClock clock;
  FrameEncoder encoder(&clock, token);
  REQUIRE(encoder.encode(StreamElement::of_kind(ElementKind::kEndOfData)).is_ok());
  DataFrame last;
  encoder.flush([&](Frame frame) {
    last = {token, frame.sequence, frame.crc32c, frame.ends_element, std::move(frame.bytes)};
  });
  return last;
}

TEST_CASE("peer_hub: frames of an open channel reach its task, those of an ended one nobody") {
  HubWorld world;
  world.from_peer(last_frame(kOpenToken));
  CHECK(world.task().frames == 1);
  world.from_peer(last_frame(kEndedToken));
  world.from_peer(make_credit(kEndedToken, 2));
  CHECK(world.task().frames == 1);
  CHECK(world.task().lost.empty());
}

TEST_CASE("peer_hub: a last frame whose token was damaged fails the task that would wait for it") {
  HubWorld world;
  DataFrame damaged = last_frame(kOpenToken);
  damaged.token ^= 1;
  world.from_peer(damaged);
  CHECK(world.task().frames == 0);
  REQUIRE(world.task().lost.size() == 1);
  CHECK(world.task().lost[0].code() == StatusCode::kCorruption);
}

TEST_CASE("peer_hub: a credit that was damaged fails the connection's channels") {
  for (const bool token : {false, true}) {
    HubWorld world;
    CreditFrame damaged = make_credit(kOpenToken, 2);
    if (token) {
      damaged.token ^= 1;
    } else {
      damaged.credits ^= 1;
    }
    world.from_peer(damaged);
    CHECK(world.task().credits == 0);
    REQUIRE(world.task().lost.size() == 1);
    CHECK(world.task().lost[0].code() == StatusCode::kCorruption);
  }
}

TEST_CASE("peer_hub: an opening of channels that was damaged fails the connection's channels") {
  HubWorld world;
  auto damaged = *wrap({}, proto::OpenChannels());
  damaged.fence.attempt ^= 1;
  world.from_peer(damaged);
  REQUIRE(world.task().lost.size() == 1);
  CHECK(world.task().lost[0].code() == StatusCode::kCorruption);
}

TEST_CASE("peer_hub: who waits for the other side's calls calls itself when a connection ends") {
  HubWorld world("own");
  REQUIRE(world.connect());
  CHECK(world.dialled().empty());
  world.cut();
  CHECK(world.dialled() == std::vector<std::string>{"other"});
  // A task with a channel there, and the attempt for those that have none yet.
  CHECK(world.task().lost.size() == 1);
  CHECK(world.lost_peers() == std::vector<std::string>{"other"});
}

TEST_CASE("peer_hub: who calls does so again when the connection is wanted again") {
  HubWorld world("ahead");
  REQUIRE(world.connect());
  world.cut();
  CHECK(world.dialled().empty());
  CHECK_FALSE(world.connect());
  CHECK(world.dialled() == std::vector<std::string>{"other"});
}

TEST_CASE("peer_hub: a call from whom one is connected with says that the connection has ended") {
  HubWorld world;
  REQUIRE(world.connect());
  world.say_hello(1);
  CHECK(world.task().lost.empty());
  world.say_hello(2);
  CHECK(world.task().lost.size() == 1);
  CHECK(world.lost_peers() == std::vector<std::string>{"other"});
  CHECK(world.connect());
  world.open_output();
  CHECK(world.task().lost.size() == 1);
}

TEST_CASE("peer_hub: a channel over a connection that has ended meanwhile fails its task") {
  HubWorld world;
  REQUIRE(world.connect());
  world.say_hello(2);
  REQUIRE(world.task().lost.size() == 1);
  world.open_output();  // The attempt has the link of before.
  CHECK(world.task().lost.size() == 2);
}

TEST_CASE("peer_hub: as many messages as the other side has sent are no reason to fail") {
  HubWorld world;  // Which has opened a channel: one message.
  world.from_peer(make_sent_so_far(1));
  world.from_peer(last_frame(kOpenToken));
  world.from_peer(last_frame(kEndedToken));
  world.from_peer(make_credit(kEndedToken, 2));
  world.from_peer(FramesTaken{5});
  world.from_peer(make_sent_so_far(5));
  CHECK(world.task().lost.empty());
}

TEST_CASE("peer_hub: a last message that never arrived fails the task that would wait for it") {
  HubWorld world;
  world.from_peer(make_sent_so_far(2));
  REQUIRE(world.task().lost.size() == 1);
  CHECK(world.task().lost[0].code() == StatusCode::kCorruption);
  CHECK(world.task().lost[0].message().find("1 of 2 arrived") != std::string::npos);
}

TEST_CASE("peer_hub: attempts hear of lost messages, whose tasks may wait for channels to open") {
  HubWorld world;
  REQUIRE(world.connect());
  world.from_peer(make_sent_so_far(2));
  CHECK(world.lost_peers() == std::vector<std::string>{"other"});
}

TEST_CASE("peer_hub: a count that was damaged is no count, and tells of a bad connection") {
  HubWorld world;
  SentSoFar damaged = make_sent_so_far(1);
  damaged.messages ^= 2;
  world.from_peer(damaged);
  REQUIRE(world.task().lost.size() == 1);
  CHECK(world.task().lost[0].message().find("damaged") != std::string::npos);
}

}  // namespace
}  // namespace sluice
