// Rows per second and core through the file connectors: the bundled flights, fifty times over, read
// and written as CSV and JSON lines. Files are in memory, so what is measured is the work per row.
//
//   bazel run //tests/bench:file_bench
#include <benchmark/benchmark.h>

#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"
#include "core/memory_file_system.h"

namespace sluice {

struct BenchFlight {
  EventTime scheduled;
  int32_t delay_min = 0;
  int32_t distance_mi = 0;
  Text origin;
  Text destination;
};
SLUICE_RECORD(BenchFlight, scheduled, delay_min, distance_mi, origin, destination);

namespace {

constexpr int kCopies = 50;
constexpr uint32_t kBatchRows = 1024;

// Calls f(batch) for every batch of the source; returns the rows.
template <class F>
int64_t for_each_batch(const Source<BenchFlight>& source, F&& f) {
  auto enumerator = source.create_enumerator();
  auto reader = source.create_reader();
  SourceContext context;
  context.clock = &system_clock();
  context.bad_record = [](auto, auto, auto) { SLUICE_CHECK(false); };
  SLUICE_CHECK(enumerator->open(1).is_ok() && reader->open(context).is_ok());
  auto batch = TypedBatch<BenchFlight>::make(kBatchRows);
  int64_t rows = 0;
  while (true) {
    const auto result = reader->poll(*batch, kBatchRows);
    SLUICE_CHECK(result.is_ok());
    rows += batch->rows();
    f(*batch);
    batch->reset(kBatchRows);
    if (result->state != PollState::kNeedSplit) continue;
    const auto assignment = enumerator->next(0);
    if (assignment.no_more) return rows;
    for (const auto& split : assignment.splits) SLUICE_CHECK(reader->add_split(split).is_ok());
  }
}

template <class SinkType>
void write_all(const SinkType& sink, const std::vector<Ref<TypedBatch<BenchFlight>>>& batches) {
  SinkContext context;
  context.clock = &system_clock();
  auto writer = sink.create_writer();
  SLUICE_CHECK(writer->open(context).is_ok());
  for (const auto& batch : batches) {
    uint32_t row = 0;
    SLUICE_CHECK(writer->write(*batch, row).is_ok());
  }
  writer->close();
}

// The inputs, made once.
struct Inputs {
  MemoryFileSystem files;
  std::vector<Ref<TypedBatch<BenchFlight>>> batches;

  Inputs() {
    const auto once = local_file_system().read_file("jobs/data/us_flights_2001q1.csv");
    SLUICE_CHECK_MSG(once.is_ok(), "run it by bazel, which brings the data along");
    const size_t header_end = once->find('\n') + 1;
    std::string csv = *once;
    for (int i = 1; i < kCopies; ++i) csv.append(*once, header_end);
    files.put("flights.csv", csv);
    std::string json;
    JsonLinesFormat<BenchFlight>::Writer writer{JsonLinesFormat<BenchFlight>()};
    for_each_batch(csv_file<BenchFlight>("flights.csv").file_system(files), [&](const auto& batch) {
      auto copy = TypedBatch<BenchFlight>::make(kBatchRows);
      for (const auto& flight : batch.values()) {
        writer.append(flight, json);
        copy->push_copy(flight);
      }
      batches.push_back(std::move(copy));
    });
    files.put("flights.jsonl", json);
  }
};

Inputs& inputs() {
  static Inputs instance;
  return instance;
}

template <class SourceType>
void read_rows(benchmark::State& state, const SourceType& source) {
  const SourceType from_memory = source.file_system(inputs().files);
  int64_t rows = 0;
  for (auto _ : state) {
    rows += for_each_batch(from_memory,
                           [](const auto& batch) { benchmark::DoNotOptimize(batch.rows()); });
  }
  state.SetItemsProcessed(rows);
}

template <class SinkType>
void write_rows(benchmark::State& state, const SinkType& sink) {
  const SinkType to_memory = sink.file_system(inputs().files);
  int64_t rows = 0;
  for (auto _ : state) {
    write_all(to_memory, inputs().batches);
    for (const auto& batch : inputs().batches) rows += batch->rows();
  }
  state.SetItemsProcessed(rows);
}

void read_csv(benchmark::State& state) { read_rows(state, csv_file<BenchFlight>("flights.csv")); }
void read_json_lines(benchmark::State& state) {
  read_rows(state, json_lines_file<BenchFlight>("flights.jsonl"));
}
void write_csv(benchmark::State& state) { write_rows(state, csv_files<BenchFlight>("csv")); }
void write_json_lines(benchmark::State& state) {
  write_rows(state, json_lines_files<BenchFlight>("json"));
}

BENCHMARK(read_csv)->Unit(benchmark::kMillisecond);
BENCHMARK(read_json_lines)->Unit(benchmark::kMillisecond);
BENCHMARK(write_csv)->Unit(benchmark::kMillisecond);
BENCHMARK(write_json_lines)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
