// What one task costs per record, without actors: a chain against the same work in one loop, and
// the scatter of a keyed edge. Ratios are what counts; both sides run in one process.
//
//   bazel run //tests/bench:task_bench
#include <map>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/random.h"
#include "operators/fused_pipeline.h"
#include "operators/partitioner.h"
#include "operators/sink_operator.h"
#include "operators/source_operator.h"
#include "operators/task.h"
#include "tests/support/operator_harness.h"
#include "tests/support/quiet_link.h"

namespace sluice {
namespace {

// 64 bytes, like a small event.
struct Row {
  int64_t id = 0;
  int64_t key = 0;
  EventTime at;
  std::array<int64_t, 5> payload{};
};

Row make_row(int64_t i) {
  Row row;
  row.id = i;
  row.key = static_cast<int64_t>(splitmix64(static_cast<uint64_t>(i)) & 0xFFFF);
  row.at = EventTime{i / 1000};
  row.payload[0] = i;
  return row;
}

// One dependent multiplication and addition per round. The processor overlaps the rounds of
// neighbouring records, so a round costs less than its latency: 1 round in each
// map is a loop of 1.5 ns a record, 20 are one of 20 ns (the bench prints what the loop took).
template <int kRounds>
int64_t work(int64_t x) {
  for (int i = 0; i < kRounds; ++i) x = x * 0x5851F42D4C957F2DLL + 0x14057B7EF767814FLL;
  return x;
}

class RowReader final : public SourceReader<Row> {
 public:
  explicit RowReader(int64_t count) : count_(count) {}
  Status open(SourceContext& /*context*/) override { return Status::ok(); }
  Status add_split(const SourceSplit& /*split*/) override { return Status::ok(); }
  Result<PollResult> poll(TypedBatch<Row>& batch, uint32_t rows_max) override {
    if (next_ == count_) return PollResult{PollState::kNeedSplit, -1, false};
    const int64_t end = std::min<int64_t>(count_, next_ + rows_max);
    for (; next_ < end; ++next_) batch.push_made([this] { return make_row(next_); });
    return PollResult{PollState::kMore, 0, next_ == count_};
  }
  std::vector<SourceSplit> snapshot() const override { return {}; }

 private:
  int64_t count_;
  int64_t next_ = 0;
};

class RowSource final : public Source<Row> {
 public:
  explicit RowSource(int64_t count) : count_(count) {}
  bool is_bounded() const override { return true; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override { return nullptr; }
  std::unique_ptr<SourceReader<Row>> create_reader() const override {
    return std::make_unique<RowReader>(count_);
  }
  std::string name() const override { return "rows"; }

 private:
  int64_t count_;
};

class SumWriter final : public SinkWriter<Row> {
 public:
  explicit SumWriter(int64_t* sum) : sum_(sum) {}
  Status open(SinkContext& /*context*/) override { return Status::ok(); }
  Result<WriteState> write(const TypedBatch<Row>& batch, uint32_t& row) override {
    int64_t sum = 0;
    for (; row < batch.rows(); ++row) sum += batch[row].payload[0];
    *sum_ += sum;
    return WriteState::kDone;
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*id*/) override {
    return std::vector<std::string>();
  }

 private:
  int64_t* sum_;
};

class SumSink final : public Sink<Row> {
 public:
  explicit SumSink(int64_t* sum) : sum_(sum) {}
  std::string name() const override { return "sum"; }
  std::unique_ptr<SinkWriter<Row>> create_writer() const override {
    return std::make_unique<SumWriter>(sum_);
  }

 private:
  int64_t* sum_;
};

// Swallows what a task sends and gives the credit back at once.
class EchoLink final : public QuietLink {
 public:
  void send(int channel, StreamElement element) override {
    if (element.kind != ElementKind::kBatch) return;
    BatchPtr batch = std::move(element.data.batch);
    task->add_credit(channel, 1, std::move(batch));
  }
  void request_split() override { task->add_splits({}, true); }
  Task* task = nullptr;
};

StageSpec stage(std::string name, OperatorFactory factory) {
  StageSpec spec;
  spec.name = std::move(name);
  spec.factory = std::move(factory);
  return spec;
}

void run_task(TaskSpec spec) {
  MetricGroup metrics;
  InlineIoRunner io;
  TaskServices services;
  services.clock = &system_clock();
  services.io = &io;
  services.wake = [] {};
  services.metrics.assign(spec.stages.size(), &metrics);
  const int channels = spec.output_channel_count();
  EchoLink link;
  Task task(std::move(spec), std::move(services), link);
  link.task = &task;
  SLUICE_CHECK(task.open().is_ok());
  task.add_splits({{"all", ""}}, false);
  for (int i = 0; i < channels; ++i) task.add_credit(i, 4, BatchPtr());
  while (task.run(50'000) != RunState::kFinished) {
  }
  task.close();
}

constexpr int64_t kRows = 2'000'000;

template <int kRounds>
auto map_one() {
  return [](const Row& row) {
    Row out = row;
    out.payload[0] = work<kRounds>(out.payload[0]);
    return out;
  };
}

template <int kRounds>
TaskSpec chain_spec(int64_t* sum, bool fused, bool watermarks) {
  TaskSpec spec;
  spec.is_source = true;
  auto strategy = watermarks ? WatermarkStrategy<Row>::monotonous().with_timestamp(&Row::at)
                             : WatermarkStrategy<Row>::none();
  spec.stages.push_back(
      stage("source", make_source_operator<Row>(std::make_shared<RowSource>(kRows), strategy)));
  const auto keep = [](const Row& row) { return (row.payload[0] & 7) != 0; };
  using Map = MapStage<Row, Row, decltype(map_one<kRounds>())>;
  using Filter = FilterStage<Row, std::decay_t<decltype(keep)>>;
  const Map map{map_one<kRounds>()};
  const Filter filter{keep};
  if (fused) {
    spec.stages.push_back(
        stage("fused", make_fused_operator(std::tuple<Map, Filter, Map>(map, filter, map))));
  } else {
    spec.stages.push_back(stage("map", make_fused_operator(std::tuple<Map>(map))));
    spec.stages.push_back(stage("filter", make_fused_operator(std::tuple<Filter>(filter))));
    spec.stages.push_back(stage("map", make_fused_operator(std::tuple<Map>(map))));
  }
  spec.stages.push_back(stage("sink", make_sink_operator<Row>(std::make_shared<SumSink>(sum))));
  for (int i = 0; i + 1 < static_cast<int>(spec.stages.size()); ++i) {
    spec.links.push_back({i, 0, i + 1});
  }
  return spec;
}

template <int kRounds>
void hand_written_loop(benchmark::State& state) {
  for (auto _ : state) {
    int64_t sum = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      Row row = make_row(i);
      benchmark::DoNotOptimize(row);
      row.payload[0] = work<kRounds>(row.payload[0]);
      if ((row.payload[0] & 7) == 0) continue;
      row.payload[0] = work<kRounds>(row.payload[0]);
      sum += row.payload[0];
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}

template <int kRounds, bool kFused, bool kWatermarks>
void chain(benchmark::State& state) {
  for (auto _ : state) {
    int64_t sum = 0;
    run_task(chain_spec<kRounds>(&sum, kFused, kWatermarks));
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}

template <bool kWatermarks>
void keyed_scatter(benchmark::State& state) {
  for (auto _ : state) {
    TaskSpec spec;
    spec.is_source = true;
    auto strategy = kWatermarks ? WatermarkStrategy<Row>::monotonous().with_timestamp(&Row::at)
                                : WatermarkStrategy<Row>::none();
    spec.stages.push_back(
        stage("source", make_source_operator<Row>(std::make_shared<RowSource>(kRows), strategy)));
    OutputEdgeSpec edge;
    edge.partitioning = Partitioning::kHash;
    edge.selector = make_key_selector_partitioner<Row>(&Row::key);
    edge.type = &record_type<Row>();
    edge.channels = static_cast<int>(state.range(0));
    spec.edges.push_back(edge);
    run_task(std::move(spec));
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}

BENCHMARK(hand_written_loop<1>)->Unit(benchmark::kMillisecond);
BENCHMARK(chain<1, true, false>)->Unit(benchmark::kMillisecond);
BENCHMARK(chain<1, false, false>)->Unit(benchmark::kMillisecond);
BENCHMARK(chain<1, true, true>)->Unit(benchmark::kMillisecond);
BENCHMARK(hand_written_loop<20>)->Unit(benchmark::kMillisecond);
BENCHMARK(chain<20, true, false>)->Unit(benchmark::kMillisecond);
BENCHMARK(chain<20, false, false>)->Unit(benchmark::kMillisecond);
BENCHMARK(keyed_scatter<false>)->Arg(1)->Arg(2)->Arg(8)->Unit(benchmark::kMillisecond);
BENCHMARK(keyed_scatter<true>)->Arg(2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
