// Latency from the source's emit to the sink over one exchange: at 1,000 records a second and at
// half of the largest rate, which is measured first.
//
//   bazel run //tests/bench:latency_bench [-- SECONDS [RATE]]
//
// Each record carries the steady time at which it was made; the sink takes the difference. Prints
// one JSON line per rate with the quantiles in microseconds.
#include <cstdio>
#include <cstdlib>

#include "api/execute.h"
#include "connectors/generator.h"
#include "core/clock.h"
#include "core/metrics.h"

namespace sluice {
namespace {

struct Tick {
  int64_t made_ns = 0;
  int64_t key = 0;
};
SLUICE_RECORD(Tick, made_ns, key);

class LatencySink final : public Sink<Tick> {
 public:
  explicit LatencySink(Histogram* latency) : latency_(latency) {}
  std::string name() const override { return "latency"; }
  std::unique_ptr<SinkWriter<Tick>> create_writer() const override {
    return std::make_unique<Writer>(latency_);
  }

 private:
  class Writer final : public SinkWriter<Tick> {
   public:
    explicit Writer(Histogram* latency) : latency_(latency) {}
    Status open(SinkContext& /*context*/) override { return Status::ok(); }
    Result<WriteState> write(const TypedBatch<Tick>& batch, uint32_t& row) override {
      const int64_t now = system_clock().steady_ns();
      for (; row < batch.rows(); ++row) latency_->record(now - batch[row].made_ns);
      return WriteState::kDone;
    }
    Result<std::vector<std::string>> prepare_commit(CheckpointId /*id*/) override {
      return std::vector<std::string>();
    }

   private:
    Histogram* latency_;
  };
  Histogram* latency_;
};

/// One sink subtask: a histogram has one writer.
JobResult run(const GeneratorOptions& options, Histogram& latency) {
  StreamEnvironment env;
  env.set_parallelism(1);
  const auto make = [](int64_t i) { return Tick{system_clock().steady_ns(), i & 1023}; };
  env.from_source(generate(options, make)).key_by(&Tick::key).sink_to(LatencySink(&latency));
  auto result = env.execute("latency");
  SLUICE_CHECK_MSG(result.is_ok() && result->status == JobStatus::kFinished, "the job failed");
  return std::move(result).value();
}

/// Records a second when nothing holds the source back.
int64_t largest_rate() {
  auto latency = std::make_unique<Histogram>();
  const JobResult result = run({.run_for = Duration(1000)}, *latency);
  return static_cast<int64_t>(static_cast<double>(result.records_out) / result.seconds);
}

void measure(int64_t rate, int64_t seconds) {
  auto latency = std::make_unique<Histogram>();
  (void)run({.count = rate * seconds, .rows_per_second = rate}, *latency);
  std::printf(
      "{\"benchmark\":\"latency\",\"rate\":%lld,\"records\":%lld,\"p50_us\":%.0f,\"p99_us\":%.0f,"
      "\"p9999_us\":%.0f,\"max_us\":%.0f}\n",
      static_cast<long long>(rate), static_cast<long long>(latency->count()),
      static_cast<double>(latency->quantile(0.5)) / 1e3,
      static_cast<double>(latency->quantile(0.99)) / 1e3,
      static_cast<double>(latency->quantile(0.9999)) / 1e3,
      static_cast<double>(latency->max()) / 1e3);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const int64_t seconds = argc > 1 ? std::atoll(argv[1]) : 5;
  if (argc > 2) {
    sluice::measure(std::atoll(argv[2]), seconds);
    return 0;
  }
  sluice::measure(1000, seconds);
  sluice::measure(sluice::largest_rate() / 2, seconds);
  return 0;
}
