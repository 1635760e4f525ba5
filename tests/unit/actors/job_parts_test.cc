// The plain parts around the actors: slots, commits, I/O threads, alignment, plans, texts.
#include <atomic>
#include <condition_variable>
#include <mutex>

#include <doctest/doctest.h>

#include "actors/io_runner.h"
#include "actors/job_metrics.h"
#include "actors/job_plan.h"
#include "actors/sink_commit.h"
#include "actors/slot_pool.h"
#include "actors/source_alignment.h"
#include "tests/support/toy_job.h"

namespace sluice {
namespace {

std::shared_ptr<const JobPlan> toy_plan(const ToyOptions& toy, const Options& options = {},
                                        std::shared_ptr<ToyRecord> record = nullptr) {
  if (!record) record = std::make_shared<ToyRecord>();
  auto plan = make_job_plan(make_toy_graph(toy, record), "toy", options, 2);
  REQUIRE_MESSAGE(plan.is_ok(), plan.status().to_string());
  return *plan;
}

TEST_CASE("slot pool: a job gets all it needs, spread over TaskManagers, or nothing") {
  SlotPool pool;
  pool.add_task_manager(1, 2);
  pool.add_task_manager(2, 3);
  const auto slots = pool.allocate(7, 4);
  REQUIRE(slots.is_ok());
  CHECK(std::count(slots->begin(), slots->end(), 1) == 2);
  CHECK(std::count(slots->begin(), slots->end(), 2) == 2);
  const auto refused = pool.allocate(8, 2);
  REQUIRE_FALSE(refused.is_ok());
  CHECK(refused.status().message() == "the job needs 2 slots, 1 of 5 are free");
  CHECK(pool.free_slots() == 1);
  pool.release(7);
  CHECK(pool.free_slots() == 5);
  REQUIRE(pool.allocate(9, 5).is_ok());
  CHECK(pool.remove_task_manager(1) == std::vector<SlotPool::JobId>{9});
  CHECK(pool.total_slots() == 3);
}

TEST_CASE("sink commit: retries what is unsettled, reports what is refused, discards on failure") {
  auto record = std::make_shared<ToyRecord>();
  ToyOptions toy;
  toy.commit_retries = 1;
  const auto plan = toy_plan(toy, {}, record);
  SinkCommit commit(plan);
  commit.add(NodeId{3}, {{"1 2 ", {}, 0}, {"3 ", {}, 1}});
  commit.add(NodeId{1}, {{"not a sink", {}, 0}});
  auto round = commit.run_round();
  CHECK(round.status.is_ok());
  CHECK(round.unsettled == 1);
  CHECK(round.last_error == "operator collect: commit: busy");
  round = commit.run_round();
  CHECK(round.unsettled == 0);
  CHECK(record->committed == std::vector<int64_t>{3, 1, 2});
  CHECK(commit.run_round().unsettled == 0);
  CHECK(record->commits == 2);
  CHECK(commit.discard().is_ok());
  CHECK(record->discards == 1);

  ToyOptions refusing;
  refusing.commit_fails = true;
  SinkCommit refused(toy_plan(refusing));
  refused.add(NodeId{3}, {{"1 ", {}, 0}});
  CHECK(refused.run_round().status.message() == "operator collect: commit: no permission");
}

TEST_CASE("io runner: runs everything, on at most its threads, also work that starts work") {
  std::atomic<int> done{0};
  std::atomic<int> at_once{0};
  std::atomic<int> at_once_max{0};
  {
    ThreadPoolIoRunner io(3);
    for (int i = 0; i < 3000; ++i) {
      io.run([&] {
        const int now = ++at_once;
        int seen = at_once_max.load();
        while (now > seen && !at_once_max.compare_exchange_weak(seen, now)) {
        }
        io.run([&] { ++done; });
        ++done;
        --at_once;
      });
    }
  }
  CHECK(done == 6000);
  CHECK(at_once_max <= 3);
}

TEST_CASE("io runner: a full queue makes callers wait instead of growing") {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  std::atomic<int> queued{0};
  ThreadPoolIoRunner io(1);
  io.run([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open; });
  });
  std::thread caller([&] {
    for (size_t i = 0; i < ThreadPoolIoRunner::kQueuedMax + 100; ++i) {
      io.run([] {});
      ++queued;
    }
  });
  while (queued < static_cast<int>(ThreadPoolIoRunner::kQueuedMax) - 1) std::this_thread::yield();
  CHECK(queued <= static_cast<int>(ThreadPoolIoRunner::kQueuedMax) + 1);
  {
    const std::lock_guard lock(mutex);
    open = true;
  }
  changed.notify_all();
  caller.join();
  io.stop();
  CHECK(queued == static_cast<int>(ThreadPoolIoRunner::kQueuedMax) + 100);
}

TEST_CASE("semantics rule 16: sources of a group may lead the slowest by the drift") {
  LogicalGraph graph = make_toy_graph({}, std::make_shared<ToyRecord>());
  graph.node(NodeId{0}).alignment_group = "g";
  graph.node(NodeId{0}).alignment_drift_max = Duration(50);
  const auto plan = *make_job_plan(std::move(graph), "toy", {}, 2);
  SourceAlignment alignment(*plan);
  REQUIRE(alignment.is_used());
  REQUIRE(alignment.tasks().size() == 2);
  const TaskId first{VertexId{0}, 0};
  const TaskId second{VertexId{0}, 1};
  alignment.report(first, EventTime{100});
  CHECK(alignment.limit_of(first) == saturating_add(kMinTime, Duration(50)));
  alignment.report(second, EventTime{1000});
  CHECK(alignment.limit_of(second) == EventTime{150});
  // The slowest may lead the next one, and is not held back by itself.
  CHECK(alignment.limit_of(first) == EventTime{1050});
  alignment.report(first, kMaxTime);  // Finished or idle: holds nobody back.
  CHECK(alignment.limit_of(second) == kMaxTime);
  alignment.report(second, kMaxTime);
  CHECK(alignment.limit_of(first) == kMaxTime);
  CHECK(alignment.limit_of({VertexId{1}, 0}) == kMaxTime);
}

TEST_CASE("job plan: specs, credits and limits agree on both ends") {
  Options options;
  options.put(options::kTaskInputMemory, 64 << 10);
  options.put(options::kTaskOutputMemory, 32 << 10);
  options.put(options::kBatchRows, 5);
  ToyOptions toy;
  toy.parallelism = 3;
  const auto plan = toy_plan(toy, options);
  CHECK(plan->graph.chained().task_count() == 6);
  const TaskSpec source = make_task_spec(*plan, {VertexId{0}, 1}, AttemptId{2});
  CHECK(source.is_source);
  CHECK(source.info.operator_name == "numbers -> add");
  CHECK(source.info.attempt == 2);
  CHECK(source.info.subtask == 1);
  CHECK(source.limits.batch_rows == 5);
  CHECK(source.output_channel_count() == 3);
  const TaskSpec reader = make_task_spec(*plan, {VertexId{1}, 2}, AttemptId{2});
  CHECK(reader.input_count == 1);
  REQUIRE(reader.input_channels.size() == 3);
  for (const uint32_t credit : initial_credits(*plan, {VertexId{0}, 1})) {
    CHECK(credit == reader.input_channels[0].initial_credit);
  }
  CHECK(initial_credits(*plan, {VertexId{1}, 2}).empty());
}

TEST_CASE("job plan: batch mode refuses sources that never end") {
  Options options;
  options.put(options::kRuntimeMode, std::string("batch"));
  ToyOptions toy;
  toy.numbers = -1;
  const auto plan =
      make_job_plan(make_toy_graph(toy, std::make_shared<ToyRecord>()), "toy", options, 2);
  REQUIRE_FALSE(plan.is_ok());
  CHECK(plan.status().message().find("'numbers' never ends") != std::string::npos);
}

TEST_CASE("job metrics: live and last numbers, accumulators, main sinks only") {
  LogicalGraph graph = make_toy_graph({}, std::make_shared<ToyRecord>());
  // A second sink on a side output does not count as output.
  graph.node(NodeId{1}).side_outputs.push_back({5, "late", nullptr});
  LogicalNode late;
  late.kind = NodeKind::kSink;
  late.name = "late sink";
  LogicalEdge edge;
  edge.from = NodeId{1};
  edge.from_output = 1;
  late.inputs.push_back(edge);
  graph.add_node(std::move(late));
  const auto plan = *make_job_plan(std::move(graph), "toy", {}, 2);
  JobMetrics metrics(plan);

  const TaskId source{VertexId{0}, 0};
  const TaskId sink{VertexId{1}, 1};
  const auto& place = plan->graph.chained().places.at(NodeId{4});
  metrics.groups_of(source)[0]->counter("records_in").add(10);
  metrics.groups_of(source)[0]->counter("dead_letter").add(2);
  metrics.groups_of({place.vertex, 0})[static_cast<size_t>(place.stage)]
      ->counter("records_out")
      .add(99);
  metrics.groups_of(sink)[1]->counter("records_out").add(7);
  metrics.groups_of(sink)[0]->counter("late").add(1);
  metrics.groups_of(sink)[0]->counter("accumulator.bids").add(4);
  metrics.groups_of({VertexId{1}, 0})[0]->counter("accumulator.bids").add(3);
  metrics.add_checkpoint(4);
  metrics.add_checkpoint(5);
  for (int i = 0; i < 100; ++i) {
    metrics.groups_of(sink)[1]->histogram("latency.us").record(10);
    metrics.groups_of(source)[0]->histogram("other.us").record(1);
  }
  metrics.groups_of({VertexId{1}, 0})[1]->histogram("latency.us").record(5000);
  JobResult result;
  metrics.summarize(result);
  CHECK(result.checkpoints == 2);
  CHECK(result.checkpoint_ms == 4.5);
  CHECK(result.latency.markers == 101);
  CHECK(result.latency.p50_us == 10);
  CHECK(result.latency.max_us == 5000);
  CHECK(result.latency.p9999_us == 5000);
  CHECK(result.records_in == 10);
  CHECK(result.records_out == 7);
  CHECK(result.dead_letter == 2);
  CHECK(result.late == 1);
  CHECK(result.accumulators == std::map<std::string, int64_t>{{"bids", 7}});

  TaskProgress progress;
  progress.rows_in = 5;
  progress.watermark_ms = 1234;
  progress.state_bytes = 30;
  progress.state_bytes_max = 70;
  metrics.attach(sink, &progress);
  CHECK(metrics.progress().vertices[1].rows_in == 5);
  progress.rows_in = 6;
  metrics.detach(sink, true);
  progress.rows_in = 1000;
  CHECK(metrics.progress().vertices[1].rows_in == 6);
  CHECK(metrics.progress().vertices[1].finished == 1);
  CHECK(metrics.progress().records_in == 10);
  JobResult last;
  metrics.summarize(last);
  CHECK(last.state_bytes == 70);
  for (int i = 0; i < 10; ++i) metrics.keep_dead_letter("file:1", "bad");
  CHECK(metrics.dead_letters() == std::vector<std::string>(3, "file:1: bad"));
}

TEST_CASE("job metrics: inspection names channels, and does not wait for a task that is stuck") {
  ToyOptions toy;
  const auto plan = toy_plan(toy);
  JobMetrics metrics(plan);
  ManualClock clock(5000);
  const TaskId source{VertexId{0}, 1};
  TaskProgress progress;
  int woken = 0;
  metrics.attach(source, &progress, [&] {
    ++woken;
    // The task answers in its next turn; this one is quick.
    TaskDetails details;
    details.looked = 1;
    details.outputs.resize(2);
    details.outputs[1].credit = 3;
    progress.details->answer(std::move(details));
  });
  TaskProgress stuck;
  metrics.attach({VertexId{1}, 0}, &stuck, [&] { ++woken; });
  auto looks = metrics.inspect(clock, true);
  REQUIRE(looks.size() == 4);
  CHECK(woken == 2);
  CHECK(looks[1].name == "numbers -> add (2/2)");
  CHECK(looks[1].state == "OPEN");
  REQUIRE(looks[1].details.outputs.size() == 2);
  CHECK(looks[1].details.outputs[1].to_vertex == 1);
  CHECK(looks[1].details.outputs[1].to_subtask == 1);
  const int64_t granted = initial_credits(*plan, source)[1];
  CHECK(looks[1].details.outputs[1].in_flight == granted - 3);
  CHECK(looks[2].details.looked == 0);
  CHECK(looks[0].state == "CREATED");
  CHECK_FALSE(metrics.has_finished(source));
  metrics.detach(source, true);
  CHECK(metrics.has_finished(source));
  looks = metrics.inspect(clock, false);
  CHECK(woken == 2);
  CHECK(looks[1].state == "FINISHED");
}

TEST_CASE("actor directory: living actors only, in order of their ids") {
  ManualClock clock(1000);
  ActorDirectory directory(clock);
  auto one = directory.add(7);
  auto two = directory.add(3);
  directory.describe(*one, "task", "job", "map (1/2)");
  one->mailbox = 5;
  one->active_ns = clock.steady_ns();
  clock.advance(Duration(200));
  auto looks = directory.actors();
  REQUIRE(looks.size() == 2);
  CHECK(looks[0].id == 3);
  CHECK(looks[1].kind == "task");
  CHECK(looks[1].label == "map (1/2)");
  CHECK(looks[1].mailbox == 5);
  CHECK(looks[1].active == 1000);
  two.reset();
  CHECK(directory.actors().size() == 1);
}

TEST_CASE("job result: one line, one JSON object, quotes escaped") {
  JobResult result;
  result.job = "flight_delays";
  result.status = JobStatus::kFinished;
  result.records_in = 20000;
  result.records_out = 4321;
  result.late = 124;
  result.seconds = 0.214;
  result.accumulators["a\"b"] = 3;
  CHECK(result.to_line() ==
        "flight_delays FINISHED: 20000 records in, 4321 out, 124 late, 0 dead letters, 0.21 s");
  CHECK(result.to_json() ==
        "{\"job\":\"flight_delays\",\"status\":\"FINISHED\",\"records_in\":20000,"
        "\"records_out\":4321,\"late\":124,\"dead_letter\":0,\"seconds\":0.214000,"
        "\"restarts\":0,\"state_bytes\":0,\"accumulators\":{\"a\\\"b\":3}}");
  result.state_bytes = 4096;
  result.checkpoints = 3;
  result.checkpoint_ms = 1.25;
  result.latency = {5, 1, 2, 3, 4};
  CHECK(result.to_json().find("\"state_bytes\":4096,\"checkpoints\":3,\"checkpoint_ms\":1.250,"
                              "\"latency_us\":{\"markers\":5,\"p50\":1,\"p99\":2,\"p9999\":3,"
                              "\"max\":4}") != std::string::npos);
  result.status = JobStatus::kFailed;
  result.error = Status::user_function("operator map (1/2): \"x\"\nis bad");
  CHECK(result.to_json().find("\"error\":\"operator map (1/2): \\\"x\\\"\\nis bad\"") !=
        std::string::npos);
}

}  // namespace
}  // namespace sluice
