// Checkpoints, alignment and recovery under seeded interleavings and faults.
//
// A failing seed prints the command that replays it:
//   SLUICE_SEED=17 bazel-bin/tests/sim/checkpoint_simulation_test
#include <cstdlib>
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/counting_job.h"

namespace sluice {
namespace {

struct SimOutcome {
  std::string problem;  // Empty: the output is that of an undisturbed run.
  int completed = 0;
  int completed_with_data = 0;
  int restores = 0;
  int restores_with_data = 0;
  int failures = 0;
  int64_t steps = 0;
};

struct SimPlan {
  std::optional<CheckpointKind> kind;  // Else drawn.
  bool may_rescale = false;
  PlantedBug bug = PlantedBug::kNone;
};

SimOutcome simulate(uint64_t seed, const SimPlan& plan) {
  Random random(seed * 7919 + 1);
  CountingOptions options;
  options.splits = static_cast<int>(random.between(1, 5));
  options.rows = random.between(20, 80);
  options.batch_rows = static_cast<uint32_t>(random.between(1, 6));
  options.copies = static_cast<int>(random.between(1, 4));
  const bool may_double = plan.kind == CheckpointKind::kAtLeastOnce;
  options.check_order = !plan.may_rescale && !may_double;
  WorldSettings settings;
  settings.seed = seed;
  settings.bug = plan.bug;
  settings.credit = static_cast<uint32_t>(random.between(1, 3));
  settings.splits = counting_splits(options);
  settings.checkpoints.interval = Duration(random.between(2, 20));
  settings.checkpoints.timeout = Duration(random.one_in(3) ? random.between(60, 300) : 10'000);
  settings.checkpoints.tolerable_failures = 1'000'000;
  const CheckpointKind kinds[] = {CheckpointKind::kAligned, CheckpointKind::kUnaligned};
  settings.checkpoints.kind = plan.kind ? *plan.kind : kinds[random.below(2)];
  const bool unaligned = settings.checkpoints.kind == CheckpointKind::kUnaligned;
  settings.checkpoints.max_concurrent = unaligned ? 1 : static_cast<int>(random.between(1, 2));
  if (unaligned && random.one_in(3)) settings.checkpoints.aligned_timeout = Duration(10);
  if (random.one_in(3)) settings.upload_fails_one_in = 20;
  if (random.one_in(3)) settings.publish_fails_one_in = 5;
  auto output = std::make_shared<CountingOutput>();
  output->full_one_in = random.one_in(2) ? static_cast<uint64_t>(random.between(2, 6)) : 0;
  const Partitioning to_sink[] = {Partitioning::kRebalance, Partitioning::kShuffle,
                                  Partitioning::kGlobal, Partitioning::kForward};
  const Partitioning last = to_sink[random.below(4)];
  const auto draw_parallelism = [&] { return static_cast<int>(random.between(1, 3)); };
  const int counters = draw_parallelism();
  const int sinks = last == Partitioning::kForward ? counters : draw_parallelism();
  CheckpointWorld world(settings,
                        counting_vertices(options, output, draw_parallelism(), counters, sinks),
                        counting_edges(last));

  SimOutcome outcome;
  const int failures = static_cast<int>(random.between(1, 5));
  for (int i = 0; i < failures && !world.is_done(); ++i) {
    const int64_t steps = random.between(200, 3000);
    for (int64_t step = 0; step < steps && world.step(); ++step) {
    }
    if (world.is_done() || !world.failure().is_ok()) break;
    world.fail("a task was killed");
    ++outcome.failures;
    if (!plan.may_rescale) continue;
    world.set_parallelism(0, draw_parallelism());
    const int rescaled = draw_parallelism();
    world.set_parallelism(1, rescaled);
    world.set_parallelism(2, last == Partitioning::kForward ? rescaled : draw_parallelism());
  }
  const bool finished = world.run(400'000);
  if (!world.failure().is_ok()) {
    outcome.problem = world.failure().message();
  } else {
    outcome.problem = finished ? describe_difference(options, *output, may_double)
                               : "it does not end: " + world.describe();
  }
  outcome.steps = world.steps();
  outcome.completed = world.completed();
  outcome.completed_with_data = world.completed_with_data();
  outcome.restores = world.restores();
  outcome.restores_with_data = world.restores_with_data();
  return outcome;
}

void check_seeds(const std::string& name, const SimPlan& plan, uint64_t seeds) {
  const char* only = std::getenv("SLUICE_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const uint64_t last = only != nullptr ? first : seeds;
  SimOutcome sum;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const SimOutcome outcome = simulate(seed, plan);
    CHECK_MESSAGE(outcome.problem.empty(), outcome.problem
                                               << "; replay: SLUICE_SEED=" << seed
                                               << " bazel-bin/tests/sim/checkpoint_simulation_test "
                                                  "--test-case='"
                                               << name << "'");
    sum.completed += outcome.completed;
    sum.completed_with_data += outcome.completed_with_data;
    sum.restores += outcome.restores;
    sum.restores_with_data += outcome.restores_with_data;
    sum.failures += outcome.failures;
  }
  MESSAGE((last - first + 1) << " seeds: " << sum.completed << " checkpoints ("
                             << sum.completed_with_data << " with data in flight), " << sum.failures
                             << " failures, " << sum.restores << " restores ("
                             << sum.restores_with_data << " with data in flight)");
  // Seeds that exercise nothing prove nothing.
  if (only == nullptr) {
    CHECK(sum.restores >= static_cast<int>(seeds) / 2);
    const bool unaligned = plan.kind == CheckpointKind::kUnaligned;
    if (unaligned) CHECK(sum.restores_with_data >= static_cast<int>(seeds) / 4);
    if (plan.kind == CheckpointKind::kAligned) CHECK(sum.completed_with_data == 0);
  }
}

constexpr uint64_t kSeeds = 300;

TEST_CASE("aligned checkpoints: output after failures is that of an undisturbed run") {
  check_seeds("aligned*", {.kind = CheckpointKind::kAligned}, kSeeds);
}

TEST_CASE("unaligned checkpoints: output after failures is that of an undisturbed run") {
  check_seeds("unaligned checkpoints*", {.kind = CheckpointKind::kUnaligned}, kSeeds);
}

TEST_CASE("at least once: nothing is lost, with two checkpoints under way") {
  check_seeds("at least once*", {.kind = CheckpointKind::kAtLeastOnce}, kSeeds);
}

TEST_CASE("rescaled restores: aligned state goes to the subtasks that own it now") {
  check_seeds("rescaled restores: aligned*",
              {.kind = CheckpointKind::kAligned, .may_rescale = true}, kSeeds);
}

TEST_CASE("rescaled restores: data in flight goes to the subtasks that own it now") {
  check_seeds("rescaled restores: data*", {.kind = CheckpointKind::kUnaligned, .may_rescale = true},
              kSeeds);
}

// A world whose sinks hardly take anything, and the checkpoints it completes meanwhile.
struct BlockedRun {
  int completed = 0;
  int64_t slowest_ms = 0;
  std::string problem;
};

BlockedRun run_blocked(CheckpointKind kind, int64_t full_ms, int64_t batch_ms, Duration aligned) {
  CountingOptions options;
  options.rows = 300;
  WorldSettings settings;
  settings.splits = counting_splits(options);
  settings.checkpoints.interval = Duration(100);
  settings.checkpoints.kind = kind;
  settings.checkpoints.aligned_timeout = aligned;
  settings.checkpoints.tolerable_failures = 1'000'000;
  auto output = std::make_shared<CountingOutput>();
  CheckpointWorld world(settings, counting_vertices(options, output, 2, 2, 2), counting_edges());
  const int64_t start_ms = world.clock().wall_ms();
  output->full_until_ms = start_ms + full_ms;
  output->batch_ms = batch_ms;
  const int64_t end_ms = start_ms + std::max<int64_t>(full_ms, 20'000);
  BlockedRun run;
  while (world.clock().wall_ms() < end_ms && world.step()) output->wake_all();
  for (const CheckpointStats& stats : world.protocol().history()) {
    if (stats.outcome != CheckpointOutcome::kComplete) continue;
    ++run.completed;
    run.slowest_ms = std::max(run.slowest_ms, stats.duration_ms());
  }
  // What was written while it was stuck is good to start from.
  world.fail("a task was killed");
  output->full_until_ms = 0;
  output->batch_ms = 0;
  const bool finished = world.run(2'000'000);
  run.problem = finished ? describe_difference(options, *output) : "it does not end";
  return run;
}

TEST_CASE("unaligned checkpoints complete within a second while the sink is full for a minute") {
  for (const Duration aligned_timeout : {0ms, 500ms}) {
    const BlockedRun run = run_blocked(CheckpointKind::kUnaligned, 60'000, 0, aligned_timeout);
    // The protocol keeps the last hundred.
    CHECK(run.completed == 100);
    CHECK(run.slowest_ms < 1000);
    CHECK(run.problem == "");
    MESSAGE("the slowest took " << run.slowest_ms << " ms");
  }
  const BlockedRun aligned = run_blocked(CheckpointKind::kAligned, 60'000, 0, 0ms);
  CHECK(aligned.completed == 0);
  CHECK(aligned.problem == "");
}

TEST_CASE("unaligned checkpoints complete within a second while a batch takes 100 ms") {
  const BlockedRun run = run_blocked(CheckpointKind::kUnaligned, 0, 100, 0ms);
  CHECK(run.completed >= 50);
  CHECK(run.slowest_ms < 1000);
  CHECK(run.problem == "");
  MESSAGE(run.completed << " complete, the slowest took " << run.slowest_ms << " ms");
}

// ---- planted bugs -------------------------------------------------------------------------------

TEST_CASE("planted bugs are found") {
  struct Hunt {
    PlantedBug bug;
    CheckpointKind kind;
    bool may_rescale;
    uint64_t seeds_max;
  };
  const Hunt hunts[] = {
      {PlantedBug::kAckBeforeUpload, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kNoAlignmentOnOne, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kBarrierOvertakesData, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kTimersMissing, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kKeyGroupOffByOne, CheckpointKind::kAligned, true, 200},
      {PlantedBug::kCommitBeforeComplete, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kForgetChannelState, CheckpointKind::kUnaligned, false, 200},
      {PlantedBug::kForgetInputQueues, CheckpointKind::kUnaligned, false, 200},
      {PlantedBug::kDropOneInFlight, CheckpointKind::kUnaligned, false, 200},
      {PlantedBug::kIdsReused, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kAttemptReused, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kSplitsNotHeld, CheckpointKind::kAligned, false, 1000},
      {PlantedBug::kRestoreOlder, CheckpointKind::kAligned, false, 200},
      {PlantedBug::kCompleteWithOneMissing, CheckpointKind::kAligned, false, 200},
  };
  for (const Hunt& hunt : hunts) {
    uint64_t seed = 1;
    std::string problem;
    for (; seed <= hunt.seeds_max && problem.empty(); ++seed) {
      problem =
          simulate(seed, {.kind = hunt.kind, .may_rescale = hunt.may_rescale, .bug = hunt.bug})
              .problem;
    }
    const std::string name = planted_bug_name(hunt.bug);
    CHECK_MESSAGE(!problem.empty(), name << " was not found in " << hunt.seeds_max << " seeds");
    MESSAGE(name << ": found with seed " << seed - 1 << ": "
                 << problem.substr(0, problem.find('\n')));
  }
}

TEST_CASE("a seed gives the same run every time") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const SimOutcome first = simulate(seed, {});
    const SimOutcome second = simulate(seed, {});
    CHECK(first.steps == second.steps);
    CHECK(first.completed == second.completed);
  }
}

}  // namespace
}  // namespace sluice
