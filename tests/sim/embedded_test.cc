// Whole jobs on real threads: what run_embedded() promises.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "actors/cluster_client.h"
#include "core/clock.h"
#include "core/inspection.h"
#include "tests/support/toy_job.h"

namespace sluice {
namespace {

struct Outcome {
  Result<JobResult> result;
  std::shared_ptr<ToyRecord> record;
};

Outcome run_toy(const ToyOptions& options, JobSettings settings = {}) {
  auto record = std::make_shared<ToyRecord>();
  settings.name = "toy";
  return {run_embedded(make_toy_graph(options, record), settings), record};
}

std::vector<int64_t> sorted(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<int64_t> expected_numbers(int64_t numbers) {
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < numbers; ++i) expected.push_back(i + 2);
  return expected;
}

void check_failed(const Outcome& outcome, const std::string& text) {
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFailed);
  CHECK_MESSAGE(outcome.result->error.to_string().find(text) != std::string::npos,
                outcome.result->error.to_string());
  CHECK(outcome.record->commits == 0);
  CHECK(outcome.record->open_parts == 0);
}

TEST_CASE("embedded: every record arrives once and is committed once, at any parallelism") {
  for (const int parallelism : {1, 2, 3, 8}) {
    for (const int64_t batch_rows : {0, 1, 7}) {
      ToyOptions options;
      options.numbers = 20'000;
      options.parallelism = parallelism;
      JobSettings settings;
      settings.options.put(options::kBatchRows, batch_rows);
      const Outcome outcome = run_toy(options, settings);
      REQUIRE(outcome.result.is_ok());
      CHECK(outcome.result->status == JobStatus::kFinished);
      CHECK(outcome.result->error.is_ok());
      CHECK(outcome.result->records_in == 20'000);
      CHECK(outcome.result->records_out == 20'000);
      CHECK(sorted(outcome.record->committed) == expected_numbers(20'000));
      CHECK(outcome.record->commits == parallelism);
      CHECK(outcome.record->open_parts == 0);
    }
  }
}

TEST_CASE("embedded: an exception in user code fails the job with operator, subtask and text") {
  ToyOptions options;
  options.map_throws_at = 500;
  const Outcome outcome = run_toy(options);
  check_failed(outcome, "operator add (");
  check_failed(outcome, "no such number");
  CHECK_FALSE(outcome.result->failed_before_start);
  CHECK(outcome.record->discards == 1);
}

TEST_CASE("embedded: an exception in open() fails the job and closes what was opened") {
  ToyOptions options;
  options.map_open_throws = "cannot open";
  check_failed(run_toy(options), "cannot open");
}

TEST_CASE("embedded: a source that cannot open fails the job") {
  ToyOptions options;
  options.source_open_error = "connection refused";
  check_failed(run_toy(options), "connection refused");
}

TEST_CASE("embedded: a sink that cannot write fails the job and nothing is committed") {
  ToyOptions options;
  options.sink_fails_at = 700;
  check_failed(run_toy(options), "the disk is full");
}

TEST_CASE("embedded: an exception in close() fails the job") {
  ToyOptions options;
  options.sink_close_throws = "cannot close";
  const Outcome outcome = run_toy(options);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFailed);
  CHECK(outcome.record->commits == 0);
}

TEST_CASE("embedded: a missing input is found before anything runs") {
  ToyOptions options;
  options.enumerator_error = "no file flights.csv";
  const Outcome outcome = run_toy(options);
  check_failed(outcome, "no file flights.csv");
  CHECK(outcome.result->failed_before_start);
  CHECK(outcome.record->emitted == 0);
  CHECK(outcome.record->discards == 0);
}

TEST_CASE("embedded: an enumerator that throws fails the job") {
  ToyOptions options;
  options.enumerator_throws = true;
  check_failed(run_toy(options), "enumerator threw");
}

TEST_CASE("embedded: an output in the way is found before anything runs") {
  ToyOptions options;
  options.validate_error = "out/ is not empty";
  const Outcome outcome = run_toy(options);
  check_failed(outcome, "out/ is not empty");
  CHECK(outcome.result->failed_before_start);
  CHECK(outcome.record->discards == 0);
}

TEST_CASE("embedded: a commit that is refused fails the job, one to be retried does not") {
  ToyOptions options;
  options.commit_fails = true;
  check_failed(run_toy(options), "no permission");

  ToyOptions retried;
  retried.commit_retries = 3;
  const Outcome outcome = run_toy(retried);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFinished);
  CHECK(sorted(outcome.record->committed) == expected_numbers(1000));
}

TEST_CASE("embedded: splits found while running are read, and waiting subtasks end") {
  ToyOptions options;
  options.discovers = true;
  options.parallelism = 3;
  const Outcome outcome = run_toy(options);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFinished);
  CHECK(sorted(outcome.record->committed) == expected_numbers(1000));
}

TEST_CASE("embedded: a job that never ends is stopped and commits what it read") {
  ToyOptions options;
  options.numbers = -1;
  JobControl control;
  JobSettings settings;
  settings.control = &control;
  settings.progress_interval = Duration(1);
  settings.on_progress = [&](const JobProgress& progress) {
    if (progress.records_out > 10'000) control.request_stop();
  };
  const Outcome outcome = run_toy(options, settings);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFinished);
  CHECK(outcome.result->records_in == outcome.record->emitted);
  CHECK(outcome.result->records_out == outcome.record->emitted);
  CHECK(static_cast<int64_t>(outcome.record->committed.size()) == outcome.record->emitted);
}

TEST_CASE("embedded: a cancelled job ends at once and commits nothing") {
  ToyOptions options;
  options.numbers = -1;
  JobControl control;
  JobSettings settings;
  settings.control = &control;
  settings.progress_interval = Duration(1);
  settings.on_progress = [&](const JobProgress& progress) {
    if (progress.records_out > 1000) control.request_cancel();
  };
  const Outcome outcome = run_toy(options, settings);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kCancelled);
  CHECK(outcome.record->commits == 0);
  CHECK(outcome.record->discards == 1);
  CHECK(outcome.record->open_parts == 0);
}

TEST_CASE("embedded: requests made before the start take effect") {
  ToyOptions options;
  options.numbers = -1;
  JobSettings settings;
  JobControl stop;
  stop.request_stop();
  settings.control = &stop;
  CHECK(run_toy(options, settings).result->status == JobStatus::kFinished);
  JobControl cancel;
  cancel.request_cancel();
  settings.control = &cancel;
  CHECK(run_toy(options, settings).result->status == JobStatus::kCancelled);
}

TEST_CASE("embedded: a job can be seen, and cancelled, before it does anything") {
  ToyOptions options;
  options.numbers = 1000;
  JobSettings settings;
  bool was_served = false;
  settings.serve = [&](ClusterClient& client, const Note&) {
    was_served = true;
    const auto jobs = client.list();
    REQUIRE(jobs.is_ok());
    REQUIRE(jobs->size() == 1);
    CHECK(jobs->front().state == "CREATED");
    CHECK(client.savepoint("toy", "", Duration(10'000)).status().message() ==
          "the job has not started yet");
    const auto cancelled = client.cancel("toy", Duration(10'000));
    REQUIRE(cancelled.is_ok());
    CHECK(cancelled->state == "CANCELLED");
    return std::shared_ptr<void>();
  };
  const Outcome outcome = run_toy(options, settings);
  CHECK(was_served);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kCancelled);
  CHECK(outcome.result->records_in == 0);
  CHECK(outcome.record->emitted == 0);
}

TEST_CASE("embedded: a job that was asked to stop before it started stops") {
  ToyOptions options;
  options.numbers = -1;
  JobSettings settings;
  settings.serve = [](ClusterClient& client, const Note&) {
    // Nobody hears when it has stopped: it must start first.
    CHECK(client.stop("toy", {}, Duration(1)).status().code() == StatusCode::kDeadlineExceeded);
    return std::shared_ptr<void>();
  };
  const Outcome outcome = run_toy(options, settings);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFinished);
}

TEST_CASE("embedded: a source that floods a slow sink is held back by credit") {
  ToyOptions options;
  options.numbers = 200'000;
  options.sink_is_slow = true;
  JobSettings settings;
  settings.options.put(options::kTaskInputMemory, 16 << 10);
  settings.options.put(options::kTaskOutputMemory, 16 << 10);
  const Outcome outcome = run_toy(options, settings);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFinished);
  CHECK(outcome.record->taken == 200'000);
  // 4 channels of 2 batches of 8 KiB, what both ends hold, and the batches being built.
  CHECK(outcome.record->in_flight_max < 40'000);
}

TEST_CASE("embedded: a task that may block has its own thread and the same results") {
  ToyOptions options;
  options.may_block = true;
  options.parallelism = 4;
  std::mutex mutex;
  std::condition_variable another_came;
  std::set<std::thread::id> threads;
  bool is_alone = false;
  options.on_number = [&](int64_t /*number*/) {
    std::unique_lock lock(mutex);
    if (threads.insert(std::this_thread::get_id()).second) another_came.notify_all();
    // On a busy machine the first one would have read everything before the second has begun.
    is_alone = is_alone || !another_came.wait_for(lock, std::chrono::seconds(30),
                                                  [&] { return threads.size() > 1 || is_alone; });
  };
  JobSettings settings;
  settings.options.put(options::kSchedulerThreads, 1);
  const Outcome outcome = run_toy(options, settings);
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFinished);
  CHECK(sorted(outcome.record->committed) == expected_numbers(1000));
  CHECK(threads.size() > 1);
}

TEST_CASE("embedded: a task that never leaves user code is given up and named") {
  // Shared with the thread that is left behind.
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool entered = false;
    bool open = false;
  };
  auto gate = std::make_shared<Gate>();
  ToyOptions options;
  options.parallelism = 1;
  options.on_number = [gate](int64_t /*number*/) {
    std::unique_lock lock(gate->mutex);
    gate->entered = true;
    gate->changed.notify_all();
    gate->changed.wait(lock, [&] { return gate->open; });
  };
  JobControl control;
  JobSettings settings;
  settings.control = &control;
  // Long enough for all other tasks to end, also on a busy machine.
  settings.options.put(options::kTaskCancellationTimeout, Duration(2000));
  std::thread canceller([&] {
    std::unique_lock lock(gate->mutex);
    gate->changed.wait(lock, [&] { return gate->entered; });
    control.request_cancel();
  });
  const Outcome outcome = run_toy(options, settings);
  canceller.join();
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kFailed);
  CHECK(outcome.result->tasks_left_behind);
  CHECK(outcome.result->error.message() ==
        "tasks that were told to end are still in user code after 2s: numbers -> add (1/1)");
  CHECK(outcome.record->commits == 0);
  const std::lock_guard lock(gate->mutex);
  gate->open = true;
  gate->changed.notify_all();
}

TEST_CASE("embedded: a cancel reaches tasks that are busy within a moment") {
  // More busy tasks than threads: each step is short, so control mail never waits for long.
  ToyOptions options;
  options.numbers = -1;
  options.parallelism = 6;
  // Every subtask has a split without end, so none ends before it is asked to.
  options.splits = 6;
  JobControl control;
  JobSettings settings;
  settings.control = &control;
  settings.options.put(options::kSchedulerThreads, 2);
  settings.progress_interval = Duration(1);
  int64_t asked_ns = 0;
  settings.on_progress = [&](const JobProgress& progress) {
    if (asked_ns != 0 || progress.records_out < 100'000) return;
    asked_ns = system_clock().steady_ns();
    control.request_cancel();
  };
  const Outcome outcome = run_toy(options, settings);
  const auto since_ms = [&](int64_t ns) { return static_cast<double>(ns - asked_ns) / 1e6; };
  const double first_ms = since_ms(outcome.record->first_close_ns);
  const double waited_ms = since_ms(system_clock().steady_ns());
  REQUIRE(outcome.result.is_ok());
  CHECK(outcome.result->status == JobStatus::kCancelled);
  CHECK(first_ms >= 0);
  MESSAGE("first task ended after " << first_ms << " ms, all torn down after " << waited_ms);
  // A guard against tasks that keep their thread, not a measurement: machines may be overloaded.
  CHECK(waited_ms < 20'000);
}

TEST_CASE("embedded: a job without a sink is refused") {
  LogicalGraph graph;
  const auto result = run_embedded(std::move(graph), {});
  REQUIRE_FALSE(result.is_ok());
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice
