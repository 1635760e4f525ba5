#include "actors/lease.h"

#include <doctest/doctest.h>

#include "actors/fence.h"

namespace sluice {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST_CASE("lease: counts from when the answered heartbeat was sent, not from the answer") {
  Lease lease(Duration(100));
  lease.begin(0);
  CHECK(lease.look(0) == Lease::Verdict::kHeld);
  const int64_t first = lease.sent(20 * kMs);
  CHECK(lease.look(80 * kMs) == Lease::Verdict::kHeld);
  lease.answered(first);
  CHECK(lease.look(119 * kMs) == Lease::Verdict::kHeld);
  CHECK(lease.look(121 * kMs) == Lease::Verdict::kExpired);
  CHECK(lease.look(122 * kMs) == Lease::Verdict::kNone);
}

TEST_CASE("lease: an answer to a heartbeat of an earlier lease does not renew this one") {
  Lease lease(Duration(100));
  lease.begin(0);
  const int64_t old = lease.sent(0);
  lease.begin(50 * kMs);
  lease.answered(old);
  CHECK(lease.look(120 * kMs) == Lease::Verdict::kHeld);
  CHECK(lease.look(151 * kMs) == Lease::Verdict::kExpired);
}

TEST_CASE("lease: a process that stood still for longer than its lease is told so") {
  Lease lease(Duration(100));
  lease.begin(0);
  CHECK(lease.look(10 * kMs) == Lease::Verdict::kHeld);
  CHECK(lease.look(111 * kMs) == Lease::Verdict::kFrozen);
}

TEST_CASE("heartbeat_watch: silence is noticed once, and only of those that are watched") {
  HeartbeatWatch watch(Duration(100));
  watch.add("a", 0);
  watch.add("b", 0);
  CHECK(watch.overdue(40 * kMs).empty());
  CHECK(watch.beat("a", 60 * kMs));
  CHECK(watch.overdue(80 * kMs).empty());
  CHECK(watch.overdue(101 * kMs) == std::vector<std::string>{"b"});
  CHECK(watch.overdue(110 * kMs).empty());
  CHECK_FALSE(watch.beat("b", 120 * kMs));
}

TEST_CASE("heartbeat_watch: a watcher that comes late does not blame others") {
  HeartbeatWatch watch(Duration(100));
  watch.add("a", 0);
  CHECK(watch.overdue(10 * kMs).empty());
  CHECK(watch.overdue(500 * kMs).empty());
  CHECK(watch.overdue(540 * kMs).empty());
  CHECK(watch.overdue(580 * kMs).empty());
  CHECK(watch.overdue(601 * kMs) == std::vector<std::string>{"a"});
}

TEST_CASE("fence: only the present cluster, leader and process are admitted; drops are counted") {
  FenceGate gate("c");
  Fence fence{"c", "jm1", 5, 0, 0};
  CHECK(gate.admit(fence, "jm1") == FenceVerdict::kAdmitted);
  CHECK(gate.epoch() == 5);
  fence.leader_epoch = 4;
  CHECK(gate.admit(fence, "jm1") == FenceVerdict::kOldEpoch);
  fence.leader_epoch = 6;
  CHECK(gate.admit(fence, "jm2") == FenceVerdict::kUnknownSender);
  CHECK(gate.epoch() == 5);
  const Fence foreign{"d", "jm1", 5, 0, 0};
  CHECK(gate.admit(foreign, "jm1") == FenceVerdict::kOtherCluster);
  CHECK(gate.dropped() == 3);
  CHECK(gate.dropped(FenceVerdict::kOldEpoch) == 1);
}

}  // namespace
}  // namespace sluice
