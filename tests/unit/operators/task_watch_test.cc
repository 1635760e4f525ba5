// What a task tells about its channels and splits, and when it noticed (operators/task_watch.h).
#include "operators/task_watch.h"

#include <optional>
#include <thread>

#include <doctest/doctest.h>

#include "operators/source_operator.h"
#include "tests/support/operator_harness.h"
#include "tests/support/quiet_link.h"

namespace sluice {
namespace {

struct Reading {
  int64_t at = 0;
};
SLUICE_RECORD(Reading, at);

class Swallow final : public Operator {
 public:
  Status open(OperatorContext& /*context*/) override { return Status::ok(); }
  Progress process(int /*input*/, StreamBatch& /*in*/, Cursor& /*cursor*/) override {
    return Progress::kDone;
  }
  int output_count() const override { return 0; }
  OutputBase& output(int /*index*/) override { throw std::logic_error("no output"); }
};

// Emits for each split the times it was told to, one row per poll.
struct Script {
  std::deque<std::pair<int, int64_t>> rows;
};
class ScriptReader final : public SourceReader<Reading> {
 public:
  explicit ScriptReader(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  Status open(SourceContext& /*context*/) override { return Status::ok(); }
  Status add_split(const SourceSplit& /*split*/) override { return Status::ok(); }
  Result<PollResult> poll(TypedBatch<Reading>& batch, uint32_t /*rows_max*/) override {
    if (script_->rows.empty()) return PollResult{PollState::kNothingYet, -1, false};
    const auto [split, at] = script_->rows.front();
    script_->rows.pop_front();
    batch.push(Reading{at}, EventTime{at});
    return PollResult{PollState::kMore, split, false};
  }
  std::vector<SourceSplit> snapshot() const override { return {}; }

 private:
  std::shared_ptr<Script> script_;
};
class ScriptSource final : public Source<Reading> {
 public:
  explicit ScriptSource(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  bool is_bounded() const override { return false; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override { return nullptr; }
  std::unique_ptr<SourceReader<Reading>> create_reader() const override {
    return std::make_unique<ScriptReader>(script_);
  }
  std::string name() const override { return "script"; }

 private:
  std::shared_ptr<Script> script_;
};

class World {
 public:
  explicit World(TaskSpec spec) {
    TaskServices services;
    services.clock = &clock;
    services.io = &io_;
    services.wake = [] {};
    for (size_t i = 0; i < spec.stages.size(); ++i) services.metrics.push_back(&metrics_);
    task.emplace(std::move(spec), std::move(services), link_);
    REQUIRE(task->open().is_ok());
  }
  TaskDetails look() {
    TaskDetailsCell& cell = *task->progress().details;
    const uint64_t seen = cell.ask();
    (void)task->run(1'000'000);
    return cell.wait(seen, Duration(0));
  }
  void receive_watermark(int channel, int64_t watermark) {
    StreamBatch batch;
    batch.marks.push_back({0, EventTime{watermark}});
    task->receive(channel, StreamElement::of_batch(std::move(batch)));
  }

  ManualClock clock{1'000'000};
  std::optional<Task> task;

 private:
  MetricGroup metrics_;
  InlineIoRunner io_;
  QuietLink link_;
};

TaskSpec reader_of(int channels) {
  TaskSpec spec;
  StageSpec stage;
  stage.name = "swallow";
  stage.factory = [] { return std::make_unique<Swallow>(); };
  spec.stages.push_back(std::move(stage));
  spec.input_channels.resize(static_cast<size_t>(channels));
  spec.input_count = 1;
  return spec;
}

TaskSpec script_task(const std::shared_ptr<Script>& script) {
  TaskSpec spec;
  spec.is_source = true;
  StageSpec source;
  source.name = "script";
  source.factory = make_source_operator<Reading>(
      std::make_shared<ScriptSource>(script),
      WatermarkStrategy<Reading>::monotonous()
          .with_timestamp([](const Reading& reading) { return EventTime{reading.at}; })
          .with_idleness(Duration(2000)));
  spec.stages.push_back(std::move(source));
  StageSpec sink;
  sink.name = "swallow";
  sink.factory = [] { return std::make_unique<Swallow>(); };
  spec.stages.push_back(std::move(sink));
  spec.links.push_back({0, 0, 1});
  return spec;
}

TEST_CASE("task watch: a channel is without data, active, idle, unaligned, finished") {
  World world(reader_of(2));
  TaskDetails look = world.look();
  REQUIRE(look.inputs.size() == 2);
  CHECK(look.inputs[0].state == TimeState::kNoData);
  CHECK(look.inputs[0].since == 0);
  world.receive_watermark(0, 70);
  (void)world.task->run(1'000'000);
  look = world.look();
  CHECK(look.inputs[0].state == TimeState::kActive);
  CHECK(look.inputs[0].watermark == 70);
  CHECK(look.inputs[1].state == TimeState::kNoData);
  world.task->receive(1, StreamElement::of_kind(ElementKind::kIdle));
  (void)world.task->run(1'000'000);
  CHECK(world.look().inputs[1].state == TimeState::kIdle);
  world.task->receive(1, StreamElement::of_kind(ElementKind::kActive));
  (void)world.task->run(1'000'000);
  CHECK(world.look().inputs[1].state == TimeState::kUnaligned);
  world.task->receive(0, StreamElement::of_kind(ElementKind::kEndOfData));
  (void)world.task->run(1'000'000);
  CHECK(world.look().inputs[0].state == TimeState::kFinished);
}

TEST_CASE("task watch: since is when the watermark rose, not when somebody looked") {
  World world(reader_of(1));
  (void)world.task->run(1'000'000);
  world.clock.advance(Duration(1000));
  world.receive_watermark(0, 70);
  (void)world.task->run(1'000'000);
  const int64_t rose = world.clock.wall_ms();
  // Nobody looks, and the task has nothing to do, for a minute.
  world.clock.advance(Duration(60'000));
  TaskDetails look = world.look();
  CHECK(look.inputs[0].since == rose);
  CHECK(look.looked == rose + 60'000);
  world.clock.advance(Duration(5'000));
  look = world.look();
  CHECK(look.inputs[0].since == rose);
}

TEST_CASE("task watch: splits with their watermark, records, and the last time records came") {
  auto script = std::make_shared<Script>();
  World world(script_task(script));
  CHECK(world.look().waits_for_split);
  world.task->add_splits({{"first", ""}, {"second", ""}}, false);
  script->rows = {{0, 10}, {0, 30}};
  (void)world.task->run(1'000'000);
  const int64_t read = world.clock.wall_ms();
  world.clock.advance(Duration(1000));
  TaskDetails look = world.look();
  CHECK_FALSE(look.waits_for_split);
  REQUIRE(look.splits.size() == 2);
  CHECK(look.splits[0].id == "first");
  CHECK(look.splits[0].records == 2);
  CHECK(look.splits[0].watermark == 29);
  CHECK(look.splits[0].state == TimeState::kActive);
  CHECK(look.splits[0].last_record == read);
  CHECK(look.splits[1].state == TimeState::kNoData);
  CHECK(look.splits[1].records == 0);
  // Past the idle timeout the quiet splits count no more.
  world.clock.advance(Duration(2500));
  (void)world.task->run(1'000'000);
  look = world.look();
  CHECK(look.splits[0].state == TimeState::kIdle);
  CHECK(look.splits[1].state == TimeState::kIdle);
  CHECK(look.splits[0].last_record == read);
}

TEST_CASE("task watch: whoever waits for a task that has gone is not kept waiting") {
  auto world = std::make_unique<World>(reader_of(1));
  const std::shared_ptr<TaskDetailsCell> cell = world->task->progress().details;
  (void)world->look();
  const uint64_t seen = cell->ask();
  std::thread waiter([&] { CHECK(cell->wait(seen, Duration(60'000)).looked > 0); });
  world->task.reset();
  waiter.join();
}

TEST_CASE("task times: the time since the last turn belongs to what the task waits for") {
  World world(reader_of(1));
  (void)world.task->run(1'000'000);
  world.clock.advance(Duration(3000));
  const TaskProgress& progress = world.task->progress();
  const TaskTimes times = times_of(progress, world.clock.steady_ns());
  CHECK(times.activity == TaskActivity::kIdle);
  CHECK(times.idle_ns == 3'000'000'000);
  CHECK(times.busy_ns == 0);
  (void)world.task->run(1'000'000);
  CHECK(times_of(progress, world.clock.steady_ns()).idle_ns == 3'000'000'000);
}

TEST_CASE("task times: a source at its end is idle while it waits for the last checkpoint") {
  auto script = std::make_shared<Script>();
  World world(script_task(script));
  world.task->add_splits({{"only", ""}}, true);
  script->rows = {{0, 10}, {0, 30}};
  const TaskProgress& progress = world.task->progress();
  CHECK(world.task->run(0) == RunState::kMore);
  CHECK(times_of(progress, world.clock.steady_ns()).activity == TaskActivity::kBusy);
  world.task->stop(true);
  RunState state = RunState::kMore;
  while (state == RunState::kMore) state = world.task->run(0);
  CHECK(state == RunState::kFinished);
  CHECK(times_of(progress, world.clock.steady_ns()).activity == TaskActivity::kIdle);
}

}  // namespace
}  // namespace sluice
