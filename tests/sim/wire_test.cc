// Every type that crosses processes, through CAF's serializer and back.
#include "actors/wire.h"

#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <doctest/doctest.h>

#include "actors/peer_link.h"
#include "actors/remote_channel.h"

namespace sluice {
namespace {

struct Config : caf::actor_system_config {
  Config() { register_wire_types(*this); }
};

template <class T>
T through_caf(caf::actor_system& system, const T& value) {
  const caf::message message = caf::make_message(value);
  std::vector<char> bytes;
  caf::binary_serializer writer(system, bytes);
  const auto written = writer(message);
  REQUIRE_FALSE(written);
  caf::message back;
  caf::binary_deserializer reader(system, bytes);
  const auto read = reader(back);
  REQUIRE_FALSE(read);
  REQUIRE(back.match_elements<T>());
  return back.get_as<T>(0);
}

template <class T>
struct Sample {
  static T make();
  static bool equal(const T& a, const T& b);
};

const std::string kBytes("\0\xFF\x7F\xF0 bits", 9);

template <class M>
struct Sample<Wire<M>> {
  static Wire<M> make() {
    return {{"c", "i", INT64_MAX, UINT64_MAX, -3}, 9, kBytes, {INT64_MAX, UINT64_MAX}, UINT32_MAX};
  }
  static bool equal(const Wire<M>& a, const Wire<M>& b) {
    return a.fence.cluster == b.fence.cluster && a.fence.incarnation == b.fence.incarnation &&
           a.fence.leader_epoch == b.fence.leader_epoch && a.fence.job == b.fence.job &&
           a.fence.attempt == b.fence.attempt && a.version == b.version && a.body == b.body &&
           a.stamp.registration == b.stamp.registration && a.stamp.number == b.stamp.number &&
           a.crc32c == b.crc32c;
  }
};
template <>
struct Sample<DataFrame> {
  static DataFrame make() {
    return {UINT64_MAX, 5, 0xDEADBEEF, false, ByteBlock(std::string_view(kBytes))};
  }
  static bool equal(const DataFrame& a, const DataFrame& b) {
    return a.token == b.token && a.sequence == b.sequence && a.crc32c == b.crc32c &&
           a.ends_element == b.ends_element && a.bytes == b.bytes;
  }
};
template <>
struct Sample<CreditFrame> {
  static CreditFrame make() { return make_credit(7, 8); }
  static bool equal(const CreditFrame& a, const CreditFrame& b) {
    return a.token == b.token && a.credits == b.credits;
  }
};
template <>
struct Sample<FramesTaken> {
  static FramesTaken make() { return {UINT64_MAX}; }
  static bool equal(const FramesTaken& a, const FramesTaken& b) { return a.bytes == b.bytes; }
};
template <>
struct Sample<SentSoFar> {
  static SentSoFar make() { return make_sent_so_far(UINT64_MAX - 1); }
  static bool equal(const SentSoFar& a, const SentSoFar& b) {
    return a.messages == b.messages && a.crc32c == b.crc32c;
  }
};

TEST_CASE("wire: every registered type comes back as it was") {
  Config config;
  caf::actor_system system(config);
  std::set<std::string> names;
  for_each_wire_type([&]<class T>(const char* name) {
    CAPTURE(name);
    CHECK(names.insert(name).second);
    const T sample = Sample<T>::make();
    CHECK(Sample<T>::equal(through_caf(system, sample), sample));
  });
  CHECK(names.size() == 18);
}

TEST_CASE("wire: a message of another version, damaged or too large is refused") {
  proto::Heartbeat heartbeat;
  heartbeat.set_sequence(4);
  auto wire = wrap({}, heartbeat);
  REQUIRE(wire.is_ok());
  CHECK(unwrap(*wire)->sequence() == 4);
  wire->version = kWireVersion + 1;
  CHECK(unwrap(*wire).status().code() == StatusCode::kFailedPrecondition);
  wire->version = kWireVersion;
  wire->body = "\xFF\xFF\xFF";
  CHECK(unwrap(*wire).status().code() == StatusCode::kCorruption);
  proto::EndProcess large;
  large.set_reason(std::string(kWireBytesMax + 1, 'x'));
  CHECK(wrap({}, large).status().code() == StatusCode::kResourceExhausted);
}

TEST_CASE("wire: whatever is turned over in an envelope is noticed") {
  using Message = Wire<proto::EndProcess>;
  proto::EndProcess end;
  end.set_reason("because");
  Message whole = *wrap({"cluster", "sender", 3, 4, 5}, end);
  whole.stamp = {6, 7};
  CHECK_FALSE(is_intact(whole));
  seal(whole);
  CHECK(is_intact(whole));
  const std::vector<std::function<void(Message&)>> damages = {
      [](Message& wire) { wire.fence.cluster[0] ^= 1; },
      [](Message& wire) { wire.fence.incarnation[5] ^= 64; },
      [](Message& wire) { wire.fence.cluster.swap(wire.fence.incarnation); },
      [](Message& wire) { wire.fence.leader_epoch ^= int64_t{1} << 40; },
      [](Message& wire) { wire.fence.job ^= 2; },
      [](Message& wire) { wire.fence.attempt ^= 1; },
      [](Message& wire) { wire.stamp.registration ^= 1; },
      [](Message& wire) { wire.stamp.number ^= 8; },
      [](Message& wire) { wire.body.back() ^= 1; },
      [](Message& wire) { wire.body.pop_back(); },
      [](Message& wire) { wire.crc32c ^= 1; },
  };
  for (const auto& damage : damages) {
    Message damaged = whole;
    damage(damaged);
    CHECK(unwrap(damaged).status().code() == StatusCode::kCorruption);
  }
  CHECK(unwrap(whole)->reason() == "because");
}

TEST_CASE("peer_link: bytes on their way are bounded, the rest waits in order") {
  std::vector<uint64_t> sent;
  int credits = 0;
  PeerLink::Transport transport;
  transport.frame = [&](const DataFrame& frame) { sent.push_back(frame.sequence); };
  transport.credit = [&](CreditFrame) { ++credits; };
  transport.open = [](const Wire<proto::OpenChannels>&) {};
  PeerLink link("host:1", transport, 100);
  for (uint64_t i = 0; i < 5; ++i) link.post({1, i, 0, true, ByteBlock(60)});
  CHECK(sent == std::vector<uint64_t>{0, 1});
  CHECK(link.look().in_flight_bytes == 120);
  CHECK(link.look().waiting_frames == 3);
  // Credit does not wait behind data.
  link.grant({1, 1});
  CHECK(credits == 1);
  link.taken(60);
  CHECK(sent == std::vector<uint64_t>{0, 1, 2});
  link.taken(120);
  CHECK(sent == std::vector<uint64_t>{0, 1, 2, 3, 4});
  link.close();
  link.post({1, 9, 0, true, ByteBlock(1)});
  link.grant({1, 1});
  CHECK(sent.size() == 5);
  CHECK(credits == 1);
}

/// Counts what is given to the network.
PeerLink::Transport counting(uint64_t& messages, uint64_t& told, uint32_t& credits) {
  PeerLink::Transport transport;
  transport.frame = [&](const DataFrame&) { ++messages; };
  transport.credit = [&](CreditFrame credit) {
    ++messages;
    credits += credit.credits;
  };
  transport.open = [&](const Wire<proto::OpenChannels>&) { ++messages; };
  transport.taken = [&](FramesTaken) { ++messages; };
  transport.sent = [&](SentSoFar sent) { told = sent.messages; };
  return transport;
}

TEST_CASE("peer_link: tells how many messages went out, not how many were posted") {
  uint64_t messages = 0;
  uint64_t told = 0;
  uint32_t credits = 0;
  PeerLink link("host:1", counting(messages, told, credits), 100);
  link.open(*wrap({}, proto::OpenChannels()));
  for (uint64_t i = 0; i < 5; ++i) link.post({1, i, 0, true, ByteBlock(60)});
  link.grant({1, 1});
  link.report_taken(10);
  link.tell_sent();
  CHECK(messages == 5);
  CHECK(told == messages);
  link.taken(120);
  link.tell_sent();
  CHECK(messages == 7);
  CHECK(told == messages);
  link.close();
  link.report_taken(10);
  link.tell_sent();
  CHECK(told == 7);
}

TEST_CASE("remote_channel: credit goes back in groups of half, a small window at once") {
  for (const uint32_t window : {2U, 3U, 4U, 8U, 13U, 64U}) {
    CAPTURE(window);
    uint64_t messages = 0;
    uint64_t told = 0;
    uint32_t credits = 0;
    RemoteInput input(1, std::make_shared<PeerLink>("host:1", counting(messages, told, credits)));
    for (uint32_t consumed = 1; consumed <= 1000; ++consumed) {
      input.grant(1, window, BatchPtr());
      CHECK(credits <= consumed);
      // Who has sent all it may has always somebody to wait for.
      CHECK((consumed - credits) * 2 < window);
    }
    const uint32_t group = (window + 1) / 2;
    CHECK(messages == 1000 / group);
  }
}

StreamElement numbers(int rows) {
  auto batch = TypedBatch<int64_t>::make(static_cast<uint32_t>(rows));
  for (int i = 0; i < rows; ++i) batch->push(int64_t{i});
  return StreamElement::of_batch({batch, {}});
}

/// Two channels of a task over one connection.
struct TwoOutputs {
  std::vector<uint64_t> frames;  // Tokens.
  uint64_t bytes = 0;
  ManualClock clock;
  std::shared_ptr<PeerLink> link;
  RemoteOutputs outputs{&clock};
  std::deque<RemoteOutput> channels;

  TwoOutputs() {
    PeerLink::Transport transport;
    transport.frame = [this](const DataFrame& frame) {
      frames.push_back(frame.token);
      bytes += frame.bytes.size();
    };
    link = std::make_shared<PeerLink>("host:1", transport);
    for (const uint64_t token : {1, 2}) channels.emplace_back(token, link, &clock);
  }
  void send(size_t channel, const StreamElement& element) {
    REQUIRE(outputs.send(channels[channel], element).is_ok());
  }
};

TEST_CASE("remote_channel: batches are gathered until the task waits") {
  TwoOutputs task;
  for (int i = 0; i < 3; ++i) {
    task.send(0, numbers(100));
    task.send(1, numbers(100));
  }
  CHECK(task.frames.empty());
  task.outputs.flush();
  CHECK(task.frames == std::vector<uint64_t>{1, 2});
  task.outputs.flush();
  CHECK(task.frames.size() == 2);
}

TEST_CASE("remote_channel: nobody waits for a barrier, and it takes along what is before it") {
  TwoOutputs task;
  task.send(0, numbers(100));
  task.send(1, numbers(100));
  task.send(1, StreamElement::of_barrier({}));
  CHECK(task.frames == std::vector<uint64_t>{2});
  task.send(1, numbers(100));
  task.outputs.flush();
  CHECK(task.frames == std::vector<uint64_t>{2, 1, 2});
}

TEST_CASE("remote_channel: what is gathered is bounded in bytes, over all channels") {
  TwoOutputs task;
  const StreamElement element = numbers(5000);
  uint64_t sent = 0;
  for (int i = 0; i < 100; ++i) {  // Less than the link takes.
    task.send(static_cast<size_t>(i % 2), element);
    sent += 40'000;
    CHECK(sent - std::min(sent, task.bytes) < RemoteOutputs::kGatheredBytesMax);
  }
  // One channel alone fills its frames.
  task.outputs.flush();
  task.frames.clear();
  for (int i = 0; i < 60; ++i) task.send(0, element);
  CHECK(task.frames.size() >= 8);
  CHECK(task.frames.size() <= 12);
}

TEST_CASE("remote_channel: a task that keeps working lets nothing wait for long") {
  TwoOutputs task;
  task.send(0, numbers(10));
  task.outputs.flush_old();
  CHECK(task.frames.empty());
  task.clock.advance(Duration{1});
  task.outputs.flush_old();
  CHECK(task.frames == std::vector<uint64_t>{1});
}

}  // namespace
}  // namespace sluice
