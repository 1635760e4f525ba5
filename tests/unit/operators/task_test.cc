// Whole tasks connected by channels with credit, on one thread (operators/task.h).
#include "operators/task.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include "operators/output_edge.h"
#include "operators/partitioner.h"
#include "operators/sink_operator.h"
#include "operators/source_operator.h"
#include "tests/support/quiet_link.h"
#include "tests/support/task_world.h"

namespace sluice {
namespace {

struct Item {
  int64_t id = 0;
  EventTime at;
};
SLUICE_RECORD(Item, id, at);

// Items 0..count-1 in one split per reader; time = id. With due_ns they say when they were due.
class CountingReader final : public SourceReader<Item> {
 public:
  explicit CountingReader(int64_t count, int64_t due_ns = 0) : count_(count), due_ns_(due_ns) {}
  Status open(SourceContext& /*context*/) override { return Status::ok(); }
  Status add_split(const SourceSplit& /*split*/) override {
    ++splits_;
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<Item>& batch, uint32_t rows_max) override {
    if (splits_ == 0 || next_ == count_) return PollResult{PollState::kNeedSplit, -1, false};
    for (uint32_t i = 0; i < rows_max && next_ < count_; ++i, ++next_) {
      batch.push(Item{next_, EventTime{next_}});
    }
    return PollResult{PollState::kMore, 0, next_ == count_, due_ns_};
  }
  std::vector<SourceSplit> snapshot() const override { return {}; }

 private:
  int64_t count_;
  int64_t due_ns_;
  int64_t next_ = 0;
  int splits_ = 0;
};

class CountingSource final : public Source<Item> {
 public:
  explicit CountingSource(int64_t count, int64_t due_ns = 0) : count_(count), due_ns_(due_ns) {}
  bool is_bounded() const override { return true; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override { return nullptr; }
  std::unique_ptr<SourceReader<Item>> create_reader() const override {
    return std::make_unique<CountingReader>(count_, due_ns_);
  }
  std::string name() const override { return "counting"; }

 private:
  int64_t count_;
  int64_t due_ns_;
};

// Emits each item `copies` times, stopping whenever its output is full.
class RepeatOperator final : public OperatorWithOutput<Item> {
 public:
  explicit RepeatOperator(int64_t copies) : copies_(copies) {}
  Status open(OperatorContext& /*context*/) override { return Status::ok(); }
  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    for (;;) {
      const uint32_t end = cursor.mark < in.marks.size() ? in.marks[cursor.mark].row : in.rows();
      for (; cursor.row < end; ++cursor.row, done_ = 0) {
        const Item& item = batch_cast<Item>(*in.batch)[cursor.row];
        if (item.id == fail_at_) throw std::runtime_error("item 13 is unlucky");
        for (; done_ < copies_; ++done_) {
          if (outputs_full()) return Progress::kOutputFull;
          out_.emit(item, item.at);
        }
      }
      if (cursor.mark == in.marks.size()) return Progress::kDone;
      mark_outputs(in.marks[cursor.mark++].watermark);
    }
  }
  int64_t fail_at_ = -1;

 private:
  int64_t copies_;
  int64_t done_ = 0;
};

struct Seen {
  std::vector<int64_t> ids;
  std::vector<int64_t> watermarks;
  bool late_row = false;
  EventTime watermark = kMinTime;
  int64_t rows = 0;
  bool count_only = false;
};

class RecordingOperator final : public Operator {
 public:
  explicit RecordingOperator(Seen* seen) : seen_(seen) {}
  Status open(OperatorContext& /*context*/) override { return Status::ok(); }
  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    for (; cursor.row <= in.rows(); ++cursor.row) {
      while (cursor.mark < in.marks.size() && in.marks[cursor.mark].row == cursor.row) {
        const EventTime watermark = in.marks[cursor.mark++].watermark;
        CHECK(watermark > seen_->watermark);
        seen_->watermark = watermark;
        if (!seen_->count_only) seen_->watermarks.push_back(watermark.ms);
      }
      if (cursor.row == in.rows()) break;
      const Item& item = batch_cast<Item>(*in.batch)[cursor.row];
      if (item.at <= seen_->watermark) seen_->late_row = true;
      ++seen_->rows;
      if (!seen_->count_only) seen_->ids.push_back(item.id);
    }
    return Progress::kDone;
  }
  int output_count() const override { return 0; }
  OutputBase& output(int /*index*/) override { throw std::logic_error("a sink has no output"); }

 private:
  Seen* seen_;
};

StageSpec stage(std::string name, OperatorFactory factory) {
  StageSpec spec;
  spec.name = std::move(name);
  spec.factory = std::move(factory);
  return spec;
}

OutputEdgeSpec edge(int from_stage, Partitioning partitioning, int channels) {
  OutputEdgeSpec spec;
  spec.from_stage = from_stage;
  spec.partitioning = partitioning;
  spec.type = &record_type<Item>();
  spec.channels = channels;
  if (partitioning == Partitioning::kHash) {
    spec.selector = make_key_selector_partitioner<Item>(&Item::id);
  }
  return spec;
}

TaskSpec source_task(int64_t count, int64_t copies, Partitioning partitioning, int channels,
                     const TaskLimits& limits, int64_t due_ns = 0) {
  TaskSpec spec;
  spec.limits = limits;
  spec.is_source = true;
  spec.stages.push_back(stage(
      "source",
      make_source_operator<Item>(std::make_shared<CountingSource>(count, due_ns),
                                 WatermarkStrategy<Item>::monotonous().with_timestamp(&Item::at))));
  spec.stages.push_back(
      stage("repeat", [copies] { return std::make_unique<RepeatOperator>(copies); }));
  spec.links.push_back({0, 0, 1});
  spec.edges.push_back(edge(1, partitioning, channels));
  return spec;
}

TaskSpec sink_task(Seen* seen, int inputs, const TaskLimits& limits) {
  TaskSpec spec;
  spec.limits = limits;
  spec.stages.push_back(
      stage("recorder", [seen] { return std::make_unique<RecordingOperator>(seen); }));
  spec.input_channels.resize(static_cast<size_t>(inputs));
  spec.input_count = 1;
  return spec;
}

// Sources that each read their one split and then are told that there are no more.
void answer_with_one_split(TaskWorld& world) {
  world.on_request_split = [&world, given = std::map<int, bool>()](int task) mutable {
    const bool first = !std::exchange(given[task], true);
    world.task(task).add_splits(
        first ? std::vector<SourceSplit>{{"all", ""}} : std::vector<SourceSplit>{}, !first);
  };
}

struct Run {
  std::vector<std::unique_ptr<Seen>> seen;
  bool finished = false;
  size_t mail_max = 0;
};

Run run_job(uint64_t seed, int sources, int sinks, int64_t count, int64_t copies,
            Partitioning partitioning, const TaskLimits& limits, uint32_t credit,
            bool count_only = false) {
  TaskWorld world(seed);
  answer_with_one_split(world);
  Run run;
  for (int i = 0; i < sources; ++i) {
    world.add(source_task(count, copies, partitioning, sinks, limits));
  }
  for (int i = 0; i < sinks; ++i) {
    run.seen.push_back(std::make_unique<Seen>());
    run.seen.back()->count_only = count_only;
    world.add(sink_task(run.seen.back().get(), sources, limits));
  }
  for (int from = 0; from < sources; ++from) {
    for (int to = 0; to < sinks; ++to) world.connect(from, to, sources + to, from, credit);
  }
  for (int i = 0; i < sources + sinks; ++i) REQUIRE(world.task(i).open().is_ok());
  run.finished = world.run();
  run.mail_max = world.mail_max();
  for (int i = 0; i < sources + sinks; ++i) world.task(i).close();
  return run;
}

TEST_CASE("every row arrives once and none behind its watermark, for all partitionings") {
  for (const Partitioning partitioning :
       {Partitioning::kHash, Partitioning::kRebalance, Partitioning::kShuffle,
        Partitioning::kGlobal, Partitioning::kRescale}) {
    for (uint32_t batch_rows : {1U, 2U, 7U, 1024U}) {
      for (uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(partitioning_name(partitioning));
        CAPTURE(batch_rows);
        CAPTURE(seed);
        TaskLimits limits;
        limits.batch_rows = batch_rows;
        const Run run = run_job(seed, 2, 3, 200, 2, partitioning, limits, 2);
        CHECK(run.finished);
        std::map<int64_t, int> times;
        for (const auto& seen : run.seen) {
          CHECK_FALSE(seen->late_row);
          CHECK(seen->watermark == kMaxTime);
          for (const int64_t id : seen->ids) ++times[id];
        }
        CHECK(times.size() == 200);
        CHECK(std::all_of(times.begin(), times.end(),
                          [](const auto& entry) { return entry.second == 4; }));
      }
    }
  }
}

TEST_CASE("broadcast gives every row to every subtask in order") {
  TaskLimits limits;
  limits.batch_rows = 5;
  const Run run = run_job(3, 1, 3, 50, 1, Partitioning::kBroadcast, limits, 2);
  CHECK(run.finished);
  for (const auto& seen : run.seen) {
    REQUIRE(seen->ids.size() == 50);
    CHECK(std::is_sorted(seen->ids.begin(), seen->ids.end()));
  }
}

TEST_CASE("hash partitioning keeps a key in one subtask and its order within a sender") {
  TaskLimits limits;
  limits.batch_rows = 3;
  const Run run = run_job(9, 1, 4, 300, 3, Partitioning::kHash, limits, 2);
  std::map<int64_t, int> owner;
  for (int subtask = 0; subtask < 4; ++subtask) {
    const auto& ids = run.seen[static_cast<size_t>(subtask)]->ids;
    CHECK(std::is_sorted(ids.begin(), ids.end()));
    for (const int64_t id : ids) {
      CHECK(owner.emplace(id, subtask).first->second == subtask);
    }
  }
  CHECK(owner.size() == 300);
}

// What is sent over the channels of two edges, in order: channel and rows.
class RecordingLink final : public QuietLink {
 public:
  void send(int channel, StreamElement element) override {
    sent.emplace_back(channel, element.data.rows());
  }
  std::vector<std::pair<int, uint32_t>> sent;
};

StreamBatch items(int64_t first, int64_t count) {
  auto batch = TypedBatch<Item>::make(static_cast<uint32_t>(count));
  for (int64_t id = first; id < first + count; ++id) batch->push(Item{id, EventTime{id}});
  return {std::move(batch), {}};
}

TEST_CASE("a full batch takes along what other edges have gathered for its target, in front") {
  TaskLimits limits;
  limits.batch_rows = 100;
  ManualClock clock;
  TaskProgress progress;
  RecordingLink link;
  OutputEdgeSpec seldom_spec = edge(0, Partitioning::kHash, 1);
  OutputEdgeSpec often_spec = edge(0, Partitioning::kHash, 1);
  often_spec.first_channel = 1;
  OutputEdge seldom(seldom_spec, limits, 4096, 0, link, clock, progress);
  OutputEdge often(often_spec, limits, 4096, 0, link, clock, progress);
  often.set_companions({&seldom});
  seldom.set_companions({&often});
  seldom.add_credit(0, 1, BatchPtr());
  often.add_credit(0, 8, BatchPtr());
  const auto push = [&](OutputEdge& to, int64_t first, int64_t count) {
    StreamBatch batch = items(first, count);
    Cursor cursor;
    CHECK(to.push(batch, cursor));
  };
  push(seldom, 0, 3);
  push(often, 0, 60);
  CHECK(link.sent.empty());
  push(often, 60, 60);
  CHECK(link.sent == std::vector<std::pair<int, uint32_t>>{{0, 3}, {1, 100}});
  // Without credit there it waits, and nothing here waits for it.
  push(seldom, 3, 2);
  push(often, 120, 90);
  CHECK(link.sent.size() == 3);
  CHECK(link.sent.back() == std::pair<int, uint32_t>{1, 100});
  CHECK(seldom.has_gathered());
}

TEST_CASE("one row that becomes a million keeps the memory flat with 2 KiB of credit") {
  TaskLimits limits;
  limits.output_budget_bytes = 2048;
  limits.input_budget_bytes = 2048;
  const Run run = run_job(1, 1, 1, 1, 1'000'000, Partitioning::kHash, limits, 2, true);
  CHECK(run.finished);
  CHECK(run.seen[0]->rows == 1'000'000);
  // Two batches with credit, their grants, and the end.
  CHECK(run.mail_max <= 6);
}

TEST_CASE("a failing function stops the task with operator, subtask and text") {
  TaskWorld world;
  answer_with_one_split(world);
  TaskSpec spec = source_task(100, 1, Partitioning::kHash, 1, TaskLimits());
  spec.info.parallelism = 2;
  spec.stages[1].factory = [] {
    auto op = std::make_unique<RepeatOperator>(1);
    op->fail_at_ = 13;
    return op;
  };
  Seen seen;
  world.add(std::move(spec));
  world.add(sink_task(&seen, 1, TaskLimits()));
  world.connect(0, 0, 1, 0, 2);
  REQUIRE(world.task(0).open().is_ok());
  REQUIRE(world.task(1).open().is_ok());
  CHECK_FALSE(world.run());
  CHECK(world.state(0) == RunState::kFailed);
  CHECK(world.task(0).status().message() == "operator repeat (1/2): item 13 is unlucky");
}

TEST_CASE(
    "semantics rule 21: the barrier leaves behind the rows before it and ahead of those after") {
  TaskWorld world(5);
  answer_with_one_split(world);
  TaskLimits limits;
  limits.batch_rows = 10;
  Seen seen;
  world.add(source_task(1000, 1, Partitioning::kHash, 1, limits));
  world.add(sink_task(&seen, 1, limits));
  world.connect(0, 0, 1, 0, 2);
  REQUIRE(world.task(0).open().is_ok());
  REQUIRE(world.task(1).open().is_ok());
  for (int i = 0; i < 40; ++i) world.step();
  Barrier barrier;
  barrier.checkpoint = CheckpointId{1};
  world.task(0).trigger_checkpoint(barrier);
  world.make_runnable(0);
  CHECK(world.run());
  REQUIRE(world.snapshots().size() == 2);
  CHECK(world.snapshots()[0].first == 0);
  CHECK(world.snapshots()[1].first == 1);
  CHECK(seen.ids.size() == 1000);
}

TEST_CASE("latency counts from when rows were due, in one task and over an edge") {
  constexpr int64_t kDueNs = 2'000'000;
  TaskLimits limits;
  limits.latency_marker_interval = Duration(1);
  Seen seen;
  Seen seen_in_chain;
  TaskWorld world(3);
  answer_with_one_split(world);
  world.clock().advance(Duration(10));
  world.add(source_task(100, 1, Partitioning::kHash, 1, limits, kDueNs));
  world.add(sink_task(&seen, 1, limits));
  world.connect(0, 0, 1, 0, 8);
  TaskSpec chain = source_task(100, 1, Partitioning::kHash, 1, limits, kDueNs);
  chain.stages.push_back(
      stage("recorder", [&] { return std::make_unique<RecordingOperator>(&seen_in_chain); }));
  chain.stages.erase(chain.stages.begin() + 1);
  chain.edges.clear();
  world.add(std::move(chain));
  for (int i = 0; i < 3; ++i) REQUIRE(world.task(i).open().is_ok());
  CHECK(world.run());
  for (Histogram* latency : {&world.metrics(1, 0).histogram("latency.us"),
                             &world.metrics(2, 1).histogram("latency.us")}) {
    CHECK(latency->count() > 0);
    CHECK(latency->max() == 8000);
  }
}

TEST_CASE("a stop request ends a source at once, with the MAX watermark") {
  TaskWorld world(2);
  answer_with_one_split(world);
  TaskLimits limits;
  limits.batch_rows = 10;
  Seen seen;
  world.add(source_task(1'000'000'000, 1, Partitioning::kHash, 1, limits));
  world.add(sink_task(&seen, 1, limits));
  world.connect(0, 0, 1, 0, 2);
  REQUIRE(world.task(0).open().is_ok());
  REQUIRE(world.task(1).open().is_ok());
  for (int i = 0; i < 100; ++i) world.step();
  world.task(0).stop(true);
  const size_t before = seen.ids.size();
  CHECK(world.run(1000));
  CHECK(seen.watermark == kMaxTime);
  CHECK(seen.ids.size() <= before + 100);
}

}  // namespace
}  // namespace sluice
