// Jobs of real actors under chosen interleavings. A failure names its seed; the same seed replays
// it.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/caf_world.h"
#include "tests/support/toy_job.h"

namespace sluice {
namespace {

constexpr uint64_t kSeeds = 30;

/// Small memory and batches, drawn per seed: most mistakes hide behind kind defaults.
Options options_of_seed(Random& random) {
  Options options;
  options.put(options::kBatchRows, random.between(1, 64));
  options.put(options::kTaskInputMemory, int64_t{4096} << random.below(4));
  options.put(options::kTaskOutputMemory, int64_t{4096} << random.below(4));
  options.put(options::kOperatorChaining, random.one_in(2));
  return options;
}

ToyOptions toy_of_seed(Random& random) {
  ToyOptions toy;
  toy.numbers = random.between(0, 400);
  toy.splits = static_cast<int>(random.between(1, 6));
  toy.parallelism = static_cast<int>(random.between(1, 4));
  toy.sink_is_slow = random.one_in(2);
  toy.discovers = random.one_in(3);
  toy.commit_retries = static_cast<int>(random.below(3));
  return toy;
}

std::vector<int64_t> sorted(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

struct SimRun {
  JobResult result;
  uint64_t trace = 0;
  int64_t steps = 0;
};

SimRun simulate(uint64_t seed, const ToyOptions& toy, const Options& options,
                const std::shared_ptr<ToyRecord>& record,
                const std::function<void(CafWorld&, int64_t)>& at_step = nullptr) {
  CAPTURE(seed);
  CafWorld world(seed);
  world.submit(make_toy_graph(toy, record), options);
  const bool ended = world.run([&](int64_t step) {
    if (at_step) at_step(world, step);
  });
  REQUIRE(ended);
  return {*world.result(), world.trace(), world.steps()};
}

TEST_CASE("simulation: under any interleaving each record is committed exactly once") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const ToyOptions toy = toy_of_seed(random);
    const Options options = options_of_seed(random);
    auto record = std::make_shared<ToyRecord>();
    const SimRun run = simulate(seed, toy, options, record);
    CHECK_MESSAGE(run.result.status == JobStatus::kFinished, run.result.error.to_string());
    std::vector<int64_t> expected;
    for (int64_t i = 0; i < toy.numbers; ++i) expected.push_back(i + 2);
    CHECK(sorted(record->committed) == expected);
    CHECK(run.result.records_in == toy.numbers);
    CHECK(run.result.records_out == toy.numbers);
    CHECK(record->open_parts == 0);
  }
}

TEST_CASE("simulation: the same seed gives the same run, others differ") {
  std::set<uint64_t> traces;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    ToyOptions toy;
    toy.numbers = 300;
    Options options;
    options.put(options::kBatchRows, 16);
    const auto once = simulate(seed, toy, options, std::make_shared<ToyRecord>());
    const auto again = simulate(seed, toy, options, std::make_shared<ToyRecord>());
    CHECK(once.trace == again.trace);
    CHECK(once.steps == again.steps);
    traces.insert(once.trace);
  }
  CHECK(traces.size() == 10);
}

TEST_CASE("simulation: a failure anywhere ends the job, commits nothing and closes everything") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyOptions toy = toy_of_seed(random);
    toy.numbers = 400;
    std::string text;
    switch (random.below(6)) {
      case 0:
        toy.map_throws_at = random.between(0, 399);
        text = "no such number";
        break;
      case 1:
        toy.sink_fails_at = random.between(2, 401);
        text = "the disk is full";
        break;
      case 2:
        toy.map_open_throws = "cannot open";
        text = "cannot open";
        break;
      case 3:
        toy.source_open_error = "connection refused";
        text = "connection refused";
        break;
      case 4:
        toy.enumerator_throws = true;
        text = "enumerator threw";
        break;
      default:
        toy.commit_fails = true;
        text = "no permission";
    }
    const Options options = options_of_seed(random);
    auto record = std::make_shared<ToyRecord>();
    const SimRun run = simulate(seed, toy, options, record);
    CHECK(run.result.status == JobStatus::kFailed);
    CHECK_MESSAGE(run.result.error.to_string().find(text) != std::string::npos,
                  run.result.error.to_string());
    CHECK(record->commits == 0);
    CHECK(record->open_parts == 0);
  }
}

TEST_CASE("simulation: a stop at any moment ends with everything that was read") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyOptions toy = toy_of_seed(random);
    toy.numbers = random.one_in(2) ? -1 : 400;
    const Options options = options_of_seed(random);
    const int64_t stop_at = random.between(0, 600);
    auto record = std::make_shared<ToyRecord>();
    const SimRun run = simulate(seed, toy, options, record, [&](CafWorld& world, int64_t step) {
      if (step == stop_at) caf::anon_send(world.job_manager(), StopJob{});
    });
    CHECK_MESSAGE(run.result.status == JobStatus::kFinished, run.result.error.to_string());
    CHECK(static_cast<int64_t>(record->committed.size()) == record->emitted);
    CHECK(run.result.records_out == record->emitted);
  }
}

TEST_CASE("simulation: a cancel at any moment ends the job and closes everything") {
  int cancelled = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyOptions toy = toy_of_seed(random);
    toy.numbers = -1;
    const Options options = options_of_seed(random);
    const int64_t cancel_at = random.between(0, 600);
    auto record = std::make_shared<ToyRecord>();
    const SimRun run = simulate(seed, toy, options, record, [&](CafWorld& world, int64_t step) {
      if (step == cancel_at) caf::anon_send(world.job_manager(), CancelJob{});
    });
    cancelled += run.result.status == JobStatus::kCancelled ? 1 : 0;
    CHECK(record->commits == 0);
    CHECK(record->open_parts == 0);
  }
  CHECK(cancelled == kSeeds);
}

TEST_CASE("simulation: a TaskManager that is lost fails the job") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    ToyOptions toy;
    toy.numbers = -1;
    Options options;
    options.put(options::kBatchRows, 16);
    auto record = std::make_shared<ToyRecord>();
    const SimRun run = simulate(seed, toy, options, record, [&](CafWorld& world, int64_t step) {
      if (step == static_cast<int64_t>(100 + seed)) {
        caf::anon_send_exit(world.task_manager(), caf::exit_reason::kill);
      }
    });
    CHECK(run.result.status == JobStatus::kFailed);
    CHECK(run.result.error.message() == "a TaskManager was lost");
    CHECK(record->open_parts == 0);
  }
}

TEST_CASE("simulation: a job that needs more slots than there are says so") {
  CafWorld world(1, 1);
  ToyOptions toy;
  world.submit(make_toy_graph(toy, std::make_shared<ToyRecord>()), {});
  REQUIRE(world.run());
  CHECK(world.result()->status == JobStatus::kFailed);
  CHECK(world.result()->error.message() == "the job needs 2 slots, 1 of 1 are free");
  CHECK(world.result()->failed_before_start);
}

TEST_CASE("simulation: rows in flight stay within the credit") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ToyOptions toy;
    toy.numbers = 5000;
    toy.parallelism = 2;
    toy.sink_is_slow = true;
    Options options;
    options.put(options::kBatchRows, 8);
    options.put(options::kTaskInputMemory, 4096);
    options.put(options::kTaskOutputMemory, 4096);
    auto record = std::make_shared<ToyRecord>();
    simulate(seed, toy, options, record);
    CHECK(record->taken == 5000);
    // 4 channels with 2 credits, 4 builders, and a batch at each of 3 stages of 4 tasks.
    CHECK(record->in_flight_max <= 8 * (4 * 2 + 4 + 3 * 4));
  }
}

}  // namespace
}  // namespace sluice
