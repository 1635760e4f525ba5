#include "actors/control_sequence.h"

#include <vector>

#include <doctest/doctest.h>

namespace sluice {
namespace {

using Verdict = ControlInbox::Verdict;

ControlInbox inbox_of(int64_t registration) {
  ControlInbox inbox;
  inbox.begin(registration);
  return inbox;
}

/// What stands in for an envelope.
struct Envelope {
  ControlStamp stamp;
  bool is_sealed = false;
};
void seal(Envelope& envelope) { envelope.is_sealed = envelope.stamp.number > 0; }

TEST_CASE("control_outbox: numbers go out in order, sealed, and what was sent is told") {
  ControlOutbox outbox(7);
  CHECK(outbox.sent().registration == 7);
  CHECK(outbox.sent().number == 0);
  std::vector<uint64_t> sent;
  for (int i = 0; i < 3; ++i) {
    outbox.post(Envelope(), [&](const Envelope& envelope) {
      CHECK(envelope.stamp.registration == 7);
      CHECK(envelope.is_sealed);
      sent.push_back(envelope.stamp.number);
    });
  }
  CHECK(sent == std::vector<uint64_t>{1, 2, 3});
  CHECK(outbox.sent().number == 3);
}

TEST_CASE("control_inbox: what comes in order is taken, however often it is counted") {
  ControlInbox inbox = inbox_of(1);
  CHECK(inbox.told({1, 0}) == Verdict::kInOrder);
  for (uint64_t number = 1; number <= 5; ++number) {
    CHECK(inbox.arrived({1, number}) == Verdict::kInOrder);
    CHECK(inbox.told({1, number}) == Verdict::kInOrder);
    CHECK(inbox.told({1, number}) == Verdict::kInOrder);
  }
}

TEST_CASE("control_inbox: a message that comes twice is taken once") {
  ControlInbox inbox = inbox_of(1);
  CHECK(inbox.arrived({1, 1}) == Verdict::kInOrder);
  CHECK(inbox.arrived({1, 2}) == Verdict::kInOrder);
  CHECK(inbox.arrived({1, 2}) == Verdict::kRepeated);
  CHECK(inbox.arrived({1, 1}) == Verdict::kRepeated);
  CHECK(inbox.arrived({1, 3}) == Verdict::kInOrder);
}

TEST_CASE("control_inbox: behind a gap nothing is taken, and the gap is said once") {
  ControlInbox inbox = inbox_of(1);
  CHECK(inbox.arrived({1, 1}) == Verdict::kInOrder);
  CHECK(inbox.arrived({1, 3}) == Verdict::kMissed);
  CHECK(inbox.text() == "of 3 messages only the first 1 arrived in order");
  CHECK(inbox.arrived({1, 2}) == Verdict::kBroken);
  CHECK(inbox.arrived({1, 4}) == Verdict::kBroken);
  CHECK(inbox.told({1, 4}) == Verdict::kBroken);
}

TEST_CASE("control_inbox: the first message may be the one that is missing") {
  ControlInbox inbox = inbox_of(1);
  CHECK(inbox.arrived({1, 2}) == Verdict::kMissed);
}

TEST_CASE("control_inbox: a lost last message is missed when the other side tells its count") {
  ControlInbox inbox = inbox_of(1);
  CHECK(inbox.arrived({1, 1}) == Verdict::kInOrder);
  CHECK(inbox.told({1, 1}) == Verdict::kInOrder);
  CHECK(inbox.told({1, 2}) == Verdict::kMissed);
  CHECK(inbox.text() == "of 2 messages only the first 1 arrived in order");
  CHECK(inbox.told({1, 2}) == Verdict::kBroken);
}

TEST_CASE("control_inbox: a heartbeat that was overtaken is no gap") {
  ControlInbox inbox = inbox_of(1);
  for (uint64_t number = 1; number <= 4; ++number) {
    CHECK(inbox.arrived({1, number}) == Verdict::kInOrder);
  }
  CHECK(inbox.told({1, 2}) == Verdict::kInOrder);
  CHECK(inbox.arrived({1, 5}) == Verdict::kInOrder);
}

TEST_CASE("control_inbox: another registration counts anew, and nothing of an earlier one counts") {
  ControlInbox inbox = inbox_of(1);
  CHECK(inbox.arrived({1, 1}) == Verdict::kInOrder);
  CHECK(inbox.arrived({1, 5}) == Verdict::kMissed);
  inbox.begin(2);
  CHECK(inbox.arrived({1, 6}) == Verdict::kForeign);
  CHECK(inbox.told({1, 6}) == Verdict::kForeign);
  CHECK(inbox.arrived({2, 1}) == Verdict::kInOrder);
  CHECK(inbox.told({2, 1}) == Verdict::kInOrder);
}

TEST_CASE("control_inbox: without a registration only what is not counted is taken") {
  ControlInbox inbox = inbox_of(3);
  inbox.end();
  CHECK(inbox.arrived({3, 1}) == Verdict::kForeign);
  CHECK(inbox.told({3, 1}) == Verdict::kForeign);
  CHECK(inbox.told({0, 1}) == Verdict::kForeign);
  CHECK(inbox.arrived({0, 0}) == Verdict::kInOrder);
}

}  // namespace
}  // namespace sluice
