// How soon a task that is flooded by its own results does what it is told, and what latency markers
// measure. Tasks without actors, connected in one thread.
#include <algorithm>
#include <ctime>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "operators/fused_pipeline.h"
#include "operators/generator.h"
#include "operators/partitioner.h"
#include "operators/process_operator.h"
#include "operators/sink_operator.h"
#include "operators/source_operator.h"
#include "tests/support/task_world.h"

namespace sluice {
namespace {

constexpr int64_t kMany = 1'000'000;
constexpr size_t kCreditBytes = 2048;

/// The numbers 0..count-1 in one split; the time of each is 1.
class Numbers final : public Source<int64_t> {
 public:
  explicit Numbers(int64_t count) : count_(count) {}
  bool is_bounded() const override { return true; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override { return nullptr; }
  std::unique_ptr<SourceReader<int64_t>> create_reader() const override {
    return std::make_unique<Reader>(count_);
  }
  std::string name() const override { return "numbers"; }

 private:
  class Reader final : public SourceReader<int64_t> {
   public:
    explicit Reader(int64_t count) : count_(count) {}
    Status open(SourceContext& /*context*/) override { return Status::ok(); }
    Status add_split(const SourceSplit& /*split*/) override {
      has_split_ = true;
      return Status::ok();
    }
    Result<PollResult> poll(TypedBatch<int64_t>& batch, uint32_t rows_max) override {
      if (!has_split_ || next_ == count_) return PollResult{PollState::kNeedSplit};
      for (uint32_t i = 0; i < rows_max && next_ < count_; ++i) batch.push(next_++);
      return PollResult{PollState::kMore, 0, next_ == count_};
    }
    std::vector<SourceSplit> snapshot() const override { return {}; }

   private:
    int64_t count_;
    int64_t next_ = 0;
    bool has_split_ = false;
  };
  int64_t count_;
};

/// Counts rows, and sums them up.
struct Counted {
  int64_t rows = 0;
  int64_t sum = 0;
};
class CountSink final : public Sink<int64_t> {
 public:
  explicit CountSink(Counted* counted) : counted_(counted) {}
  std::string name() const override { return "count"; }
  std::unique_ptr<SinkWriter<int64_t>> create_writer() const override {
    return std::make_unique<Writer>(counted_);
  }

 private:
  class Writer final : public SinkWriter<int64_t> {
   public:
    explicit Writer(Counted* counted) : counted_(counted) {}
    Status open(SinkContext& /*context*/) override { return Status::ok(); }
    Result<WriteState> write(const TypedBatch<int64_t>& batch, uint32_t& row) override {
      for (; row < batch.rows(); ++row) {
        ++counted_->rows;
        counted_->sum += batch[row];
      }
      return WriteState::kDone;
    }
    Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
      return std::vector<std::string>();
    }

   private:
    Counted* counted_;
  };
  Counted* counted_;
};

StageSpec stage(std::string name, OperatorFactory factory) {
  StageSpec spec;
  spec.name = std::move(name);
  spec.factory = std::move(factory);
  return spec;
}

TaskLimits small_limits() {
  TaskLimits limits;
  limits.output_budget_bytes = kCreditBytes;
  limits.input_budget_bytes = kCreditBytes;
  return limits;
}

/// Numbers → `flood` → one channel → a sink that counts.
struct Flood {
  TaskWorld world;
  Counted counted;
  int64_t longest_step_ns = 0;

  Flood(int64_t numbers, OperatorFactory flood, const TaskLimits& limits) {
    TaskSpec spec;
    spec.limits = limits;
    spec.is_source = true;
    spec.stages.push_back(stage(
        "numbers", make_source_operator<int64_t>(std::make_shared<Numbers>(numbers),
                                                 WatermarkStrategy<int64_t>::none().with_timestamp(
                                                     [](int64_t) { return EventTime{1}; }))));
    spec.stages.push_back(stage("flood", std::move(flood)));
    spec.links.push_back({0, 0, 1});
    OutputEdgeSpec edge;
    edge.from_stage = 1;
    edge.partitioning = Partitioning::kRebalance;
    edge.type = &record_type<int64_t>();
    spec.edges.push_back(edge);
    world.add(std::move(spec));

    TaskSpec sink;
    sink.limits = limits;
    sink.stages.push_back(
        stage("count", make_sink_operator<int64_t>(std::make_shared<CountSink>(&counted))));
    sink.input_channels.resize(1);
    sink.input_count = 1;
    world.add(std::move(sink));
    world.connect(0, 0, 1, 0, 2);
    world.on_request_split = [this, given = false](int task) mutable {
      const bool first = !std::exchange(given, true);
      world.task(task).add_splits(
          first ? std::vector<SourceSplit>{{"all", ""}} : std::vector<SourceSplit>{}, !first);
    };
    REQUIRE(world.task(0).open().is_ok());
    REQUIRE(world.task(1).open().is_ok());
  }
  ~Flood() {
    world.task(0).close();
    world.task(1).close();
  }
  /// CPU time of this thread: what others run on the machine does not count.
  static int64_t cpu_ns() {
    timespec now{};
    // tidy:allow(clock): no Clock knows how much of it a thread had.
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
  }
  bool step() {
    const int64_t start = cpu_ns();
    const bool more = world.step();
    longest_step_ns = std::max(longest_step_ns, cpu_ns() - start);
    return more;
  }
  void run() {
    while (step()) {
    }
    CHECK(world.state(0) == RunState::kFinished);
    CHECK(world.state(1) == RunState::kFinished);
  }
};

// A stop, a cancel or a barrier is handled between two steps of a task.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int64_t kAnsweredWithinNs = 500'000'000;
#else
constexpr int64_t kAnsweredWithinNs = 5'000'000;
#endif

/// Runs `flood` until its longest step is short enough, at most five times: other programs may
/// have had the caches and the memory in one run, not in all of them.
template <class Run>
void check_steps_are_short(Run flood) {
  int64_t longest_step_ns = 0;
  for (int run = 0; run < 5; ++run) {
    longest_step_ns = flood();
    if (longest_step_ns < kAnsweredWithinNs) break;
  }
  MESSAGE("longest step: " << longest_step_ns / 1000 << " us");
  CHECK(longest_step_ns < kAnsweredWithinNs);
}

OperatorFactory one_to_many() {
  const auto many = [](const int64_t& n) -> Generator<int64_t> {
    for (int64_t i = n; i < n + kMany; ++i) co_yield i;
  };
  return make_fused_operator(std::tuple(LazyRangeStage<int64_t, int64_t, decltype(many)>(many)));
}

TEST_CASE(
    "resumability: a stop is answered between two short steps of a row that becomes a million") {
  check_steps_are_short([] {
    Flood flood(3, one_to_many(), small_limits());
    while (flood.counted.rows < 100'000) REQUIRE(flood.step());
    flood.world.task(0).stop(true);
    flood.run();
    // What was read before the stop is not lost.
    CHECK(flood.counted.rows == 3 * kMany);
    // Two batches with credit and their grants, whatever comes of a row.
    CHECK(flood.world.mail_max() <= 6);
    return flood.longest_step_ns;
  });
}

/// Every number sets a timer for the end of event time, which gives it back.
class GiveBack : public KeyedProcessFunction<int64_t, int64_t, int64_t> {
 public:
  void process_element(const int64_t&, Context& context, Collector<int64_t>&) override {
    context.timer_service().register_event_time_timer(EventTime{1000});
  }
  void on_timer(EventTime, OnTimerContext& context, Collector<int64_t>& out) override {
    out.collect(context.current_key());
  }
};

TEST_CASE("resumability: a million timers on one watermark with 2 KiB of credit, nothing lost") {
  check_steps_are_short([] {
    Flood flood(kMany,
                make_keyed_process_operator<int64_t, int64_t, int64_t>(GiveBack{},
                                                                       [](int64_t n) { return n; }),
                small_limits());
    flood.run();
    CHECK(flood.counted.rows == kMany);
    CHECK(flood.counted.sum == kMany * (kMany - 1) / 2);
    CHECK(flood.world.mail_max() <= 6);
    return flood.longest_step_ns;
  });
}

/// What happened in a job whose timers are all due at once, in its order.
struct Turns {
  ManualClock* clock = nullptr;
  int64_t elements = 0;
  int64_t fired = 0;
  int64_t fired_since_element = 0;
  int64_t fired_in_a_row_max = 0;
};

/// The first `kKeysWithTimer` numbers set a timer for the same time of the wall clock, which then
/// passes. From then on 64 elements or timers take a millisecond.
class FireTogether : public KeyedProcessFunction<int64_t, int64_t, int64_t> {
 public:
  static constexpr int64_t kKeysWithTimer = 20'000;
  static constexpr int64_t kDueMs = 1000;

  explicit FireTogether(Turns* turns) : turns_(turns) {}
  void process_element(const int64_t&, Context& context, Collector<int64_t>&) override {
    turns_->fired_since_element = 0;
    if (++turns_->elements <= kKeysWithTimer) {
      context.timer_service().register_processing_time_timer(EventTime{kDueMs});
    }
    if (turns_->elements == kKeysWithTimer) turns_->clock->set_ms(kDueMs + 1);
    if (turns_->elements > kKeysWithTimer && turns_->elements % 64 == 0) pass_time();
  }
  void on_timer(EventTime, OnTimerContext&, Collector<int64_t>&) override {
    turns_->fired_in_a_row_max =
        std::max(turns_->fired_in_a_row_max, ++turns_->fired_since_element);
    if (++turns_->fired % 64 == 0) pass_time();
  }

 private:
  void pass_time() { turns_->clock->advance(Duration(1)); }
  Turns* turns_;
};

OperatorFactory fire_together(Turns* turns) {
  return make_keyed_process_operator<int64_t, int64_t, int64_t>(FireTogether{turns},
                                                                [](int64_t n) { return n; });
}

TEST_CASE("processing timers: those of all keys and input take turns, and none is left behind") {
  constexpr int64_t kInput = 200'000;
  Turns turns;
  Flood flood(kInput, fire_together(&turns), small_limits());
  turns.clock = &flood.world.clock();
  while (turns.elements < kInput) REQUIRE(flood.world.step());
  const int64_t before_the_end = turns.fired;
  CHECK(before_the_end > 64 * 10);
  CHECK(turns.fired_in_a_row_max <= 2 * 64);
  flood.run();
  CHECK(turns.elements == kInput);
  CHECK(turns.fired == FireTogether::kKeysWithTimer);
}

TEST_CASE("processing timers: all that were due when the input ended fire before the end") {
  Turns turns;
  Flood flood(FireTogether::kKeysWithTimer + 64, fire_together(&turns), small_limits());
  turns.clock = &flood.world.clock();
  flood.run();
  CHECK(turns.fired == FireTogether::kKeysWithTimer);
}

TEST_CASE("rule 30: after the barrier of a stop with savepoint no processing timer fires") {
  Turns turns;
  Flood flood(200'000, fire_together(&turns), small_limits());
  turns.clock = &flood.world.clock();
  while (turns.fired < 640) REQUIRE(flood.world.step());
  Barrier barrier{.checkpoint = CheckpointId{1}};
  barrier.terminal = true;
  flood.world.task(0).trigger_checkpoint(barrier);
  flood.world.make_runnable(0);
  while (flood.world.snapshots().empty()) REQUIRE(flood.world.step());
  const int64_t in_snapshot = turns.fired;
  CHECK(in_snapshot < FireTogether::kKeysWithTimer);
  flood.run();
  CHECK(turns.fired == in_snapshot);
}

TEST_CASE("latency markers: sinks record how long the way from the source took") {
  TaskLimits limits;
  limits.latency_marker_interval = Duration(5);
  const auto same = [](const int64_t& n) { return n; };
  Flood flood(100'000,
              make_fused_operator(std::tuple(MapStage<int64_t, int64_t, decltype(same)>{same})),
              limits);
  while (flood.step()) flood.world.clock().advance(Duration(1));
  Histogram& latency = flood.world.metrics(1, 0).histogram("latency.us");
  CHECK(latency.count() > 1);
  // At least the step that took the marker out and the one that took it in.
  CHECK(latency.quantile(0.5) >= 1000);
  CHECK(flood.counted.rows == 100'000);
}

}  // namespace
}  // namespace sluice
