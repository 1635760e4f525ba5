// Unaligned checkpoints complete although the sink takes nothing, or takes its time. How fast they
// do so is measured by tests/bench/blocked_sink_bench.cc.
#include "tests/support/blocked_sink.h"

#include <doctest/doctest.h>

#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

/// Long enough for any machine; the tests end when they have seen enough.
constexpr Duration kPatience{60'000};

BlockedSinkOutcome run(BlockedSinkOptions options) {
  const ScratchDirectory scratch;
  options.checkpoint_directory = scratch / "checkpoints";
  options.interval = Duration(20);
  const auto outcome = run_blocked(options);
  REQUIRE_MESSAGE(outcome.is_ok(), outcome.status().to_string());
  return *outcome;
}

TEST_CASE("unaligned checkpoints complete while the sink answers kFull") {
  const BlockedSinkOutcome outcome = run({.run_for = kPatience, .checkpoints = 5});
  CHECK(outcome.complete >= 5);
  CHECK(outcome.failed == 0);
  CHECK(outcome.batches == 0);
}

TEST_CASE("aligned checkpoints wait for a sink that answers kFull") {
  const BlockedSinkOutcome outcome = run({.unaligned = false, .run_for = Duration(1000)});
  CHECK(outcome.complete == 0);
  CHECK(outcome.failed == 0);
  CHECK(outcome.longest_ms >= 500);
}

TEST_CASE("unaligned checkpoints complete while the sink takes 100 ms a batch") {
  const BlockedSinkOutcome outcome =
      run({.batch_time = Duration(100), .run_for = kPatience, .checkpoints = 5});
  CHECK(outcome.complete >= 5);
  CHECK(outcome.failed == 0);
  CHECK(outcome.batches > 0);
}

}  // namespace
}  // namespace sluice
