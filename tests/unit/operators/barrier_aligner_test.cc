// When a barrier is complete (operators/barrier_aligner.h).
#include "operators/barrier_aligner.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"

namespace sluice {
namespace {

Barrier barrier(int64_t id, CheckpointKind kind = CheckpointKind::kAligned) {
  Barrier result;
  result.checkpoint = CheckpointId{id};
  result.kind = kind;
  return result;
}

TEST_CASE("semantics rule 22: exactly once blocks a channel until all have delivered") {
  BarrierAligner aligner(2);
  CHECK_FALSE(aligner.on_barrier(0, barrier(1)).complete.has_value());
  CHECK(aligner.is_blocked(0));
  CHECK_FALSE(aligner.is_blocked(1));
  const auto done = aligner.on_barrier(1, barrier(1));
  CHECK(done.complete->checkpoint == CheckpointId{1});
  CHECK(done.unblock);
  CHECK_FALSE(aligner.is_blocked(0));
}

TEST_CASE("semantics rule 22: at least once never blocks") {
  BarrierAligner aligner(2);
  aligner.on_barrier(0, barrier(1, CheckpointKind::kAtLeastOnce));
  CHECK_FALSE(aligner.is_blocked(0));
  CHECK(aligner.on_barrier(1, barrier(1, CheckpointKind::kAtLeastOnce)).complete.has_value());
}

TEST_CASE("semantics rule 22: a newer barrier resolves the pending alignment") {
  BarrierAligner aligner(2);
  aligner.on_barrier(0, barrier(1));
  const auto decision = aligner.on_barrier(1, barrier(2));
  CHECK(decision.aborted == CheckpointId{1});
  CHECK(decision.unblock);
  CHECK_FALSE(aligner.is_blocked(0));
  CHECK(aligner.is_blocked(1));
  CHECK(aligner.on_barrier(0, barrier(2)).complete->checkpoint == CheckpointId{2});
}

TEST_CASE("semantics rule 22: a cancel marker and the end of a channel resolve it too") {
  BarrierAligner aligner(2);
  aligner.on_barrier(0, barrier(1));
  CHECK(aligner.on_cancel(CheckpointId{1}).aborted == CheckpointId{1});
  CHECK_FALSE(aligner.is_blocked(0));
  aligner.on_barrier(0, barrier(2));
  CHECK(aligner.on_end_of_data(1).complete->checkpoint == CheckpointId{2});
  CHECK(aligner.on_barrier(0, barrier(3)).complete->checkpoint == CheckpointId{3});
}

TEST_CASE("a late barrier of a cancelled checkpoint is ignored") {
  BarrierAligner aligner(2);
  aligner.on_cancel(CheckpointId{4});
  const auto decision = aligner.on_barrier(0, barrier(4));
  CHECK_FALSE(decision.complete.has_value());
  CHECK_FALSE(decision.aborted.has_value());
  CHECK_FALSE(aligner.is_blocked(0));
}

TEST_CASE(
    "under every interleaving a checkpoint completes exactly when all channels delivered it") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const int channels = static_cast<int>(random.between(1, 3));
    BarrierAligner aligner(channels);
    std::vector<int64_t> delivered(static_cast<size_t>(channels), 0);
    int64_t completed = 0;
    for (int i = 0; i < 60; ++i) {
      const auto channel = static_cast<size_t>(random.below(static_cast<uint64_t>(channels)));
      if (aligner.is_blocked(static_cast<int>(channel))) continue;
      const auto decision =
          aligner.on_barrier(static_cast<int>(channel), barrier(++delivered[channel]));
      const int64_t everywhere = *std::min_element(delivered.begin(), delivered.end());
      CHECK(decision.complete.has_value() == (everywhere > completed));
      if (decision.complete) {
        CHECK(decision.complete->checkpoint.value == everywhere);
        completed = everywhere;
      }
    }
    CHECK(completed > 0);
  }
}

TEST_CASE("semantics rule 22: at least once, barriers of several checkpoints are under way") {
  const auto kind = CheckpointKind::kAtLeastOnce;
  BarrierAligner aligner(3);
  CHECK_FALSE(aligner.on_barrier(0, barrier(1, kind)).complete);
  const auto overtaking = aligner.on_barrier(0, barrier(2, kind));
  CHECK_FALSE(overtaking.aborted);
  CHECK_FALSE(aligner.is_blocked(0));
  CHECK_FALSE(aligner.on_barrier(1, barrier(1, kind)).complete);
  CHECK(aligner.on_barrier(2, barrier(1, kind)).complete->checkpoint == CheckpointId{1});
  CHECK_FALSE(aligner.on_barrier(1, barrier(2, kind)).complete);
  CHECK(aligner.on_end_of_data(2).complete->checkpoint == CheckpointId{2});
}

TEST_CASE("at least once, the newest complete checkpoint makes older ones pointless") {
  const auto kind = CheckpointKind::kAtLeastOnce;
  BarrierAligner aligner(2);
  aligner.on_barrier(0, barrier(1, kind));
  aligner.on_barrier(0, barrier(2, kind));
  // The barrier of 1 was lost with an abort on the way of channel 1.
  CHECK(aligner.on_barrier(1, barrier(2, kind)).complete->checkpoint == CheckpointId{2});
  CHECK_FALSE(aligner.on_barrier(1, barrier(1, kind)).complete);
}

TEST_CASE("a checkpoint that was given up holds nobody back, whenever its barriers come") {
  BarrierAligner aligner(2);
  // The word of it comes first, while an older one is under way.
  aligner.on_barrier(0, barrier(1));
  CHECK_FALSE(aligner.discard(CheckpointId{2}));
  CHECK(aligner.on_barrier(1, barrier(1)).complete->checkpoint == CheckpointId{1});
  CHECK_FALSE(aligner.on_barrier(0, barrier(2)).complete);
  CHECK_FALSE(aligner.is_blocked(0));
  // In the middle of its alignment.
  aligner.on_barrier(0, barrier(3));
  CHECK(aligner.is_blocked(0));
  CHECK(aligner.discard(CheckpointId{3}));
  CHECK_FALSE(aligner.is_blocked(0));
  aligner.on_barrier(1, barrier(3));
  CHECK_FALSE(aligner.is_blocked(1));
  aligner.on_barrier(0, barrier(4));
  CHECK(aligner.on_barrier(1, barrier(4)).complete->checkpoint == CheckpointId{4});
}

}  // namespace
}  // namespace sluice
