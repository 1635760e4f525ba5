// A source that floods a sink taking one millisecond per batch: resident memory must stay flat.
//
//   bazel run //tests/bench:flood_bench [-- SECONDS]
//
// Looks at the resident set every 100 ms from the second second on and prints one JSON line with
// its smallest and largest value. Exit status 1 when it grew by more than 8 MiB.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "api/execute.h"
#include "connectors/generator.h"
#include "core/clock.h"
#include "core/process_memory.h"

namespace sluice {
namespace {

struct Row {
  int64_t id = 0;
  std::array<int64_t, 7> payload{};
};
SLUICE_RECORD(Row, id, payload);

// Takes a batch only when a millisecond has passed since the last one.
class SlowSink final : public Sink<Row> {
 public:
  std::string name() const override { return "slow"; }
  std::unique_ptr<SinkWriter<Row>> create_writer() const override {
    return std::make_unique<Writer>();
  }

 private:
  class Writer final : public SinkWriter<Row> {
   public:
    Status open(SinkContext& /*context*/) override { return Status::ok(); }
    Result<WriteState> write(const TypedBatch<Row>& batch, uint32_t& row) override {
      const int64_t until = system_clock().steady_ns() + 1'000'000;
      while (system_clock().steady_ns() < until) {
      }
      row = batch.rows();
      return WriteState::kDone;
    }
    Result<std::vector<std::string>> prepare_commit(CheckpointId /*id*/) override {
      return std::vector<std::string>();
    }
  };
};

double resident_mib() { return static_cast<double>(resident_memory_bytes()) / (1 << 20); }

int run(int64_t seconds) {
  double smallest = 1e9;
  double largest = 0;
  StreamEnvironment env;
  env.set_parallelism(2);
  env.from_source(generate({.run_for = Duration(seconds * 1000)},
                           [](int64_t i) {
                             return Row{i, {}};
                           }))
      .key_by(&Row::id)
      .sink_to(SlowSink());
  JobSettings settings;
  settings.name = "flood";
  settings.options = env.options();
  settings.progress_interval = Duration(100);
  settings.on_progress = [&](const JobProgress& progress) {
    if (progress.seconds < 2) return;
    smallest = std::min(smallest, resident_mib());
    largest = std::max(largest, resident_mib());
  };
  const auto result = run_embedded(std::move(env.graph()), settings);
  SLUICE_CHECK_MSG(result.is_ok() && result->status == JobStatus::kFinished, "the job failed");
  std::printf(
      "{\"benchmark\":\"flood\",\"seconds\":%.0f,\"records\":%lld,\"rss_min_mib\":%.1f,"
      "\"rss_max_mib\":%.1f}\n",
      result->seconds, static_cast<long long>(result->records_out), smallest, largest);
  return largest - smallest > 8 ? 1 : 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::run(argc > 1 ? std::atoll(argv[1]) : 60); }
