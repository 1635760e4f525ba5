// Sliding windows: the cost per (input record + result row) must not depend on width and slide.
//
//   bazel run //tests/bench:window_bench [-- ROWS]
//
// 10 M records, 1,000 keys, one hour of event time, one subtask, a sink that only counts: 10 s
// every 2 s against 10 min every 1 s. Prints one JSON line with ns per unit and their ratio.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "api/execute.h"
#include "core/random.h"
#include "tests/bench/count_sink.h"

namespace sluice {
namespace {

struct Event {
  EventTime at;
  int64_t key = 0;
  int64_t value = 0;
};
SLUICE_RECORD(Event, at, key, value);

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kKeys = 1000;

struct CountEvents {
  int64_t create_accumulator() const { return 0; }
  void add(const Event& /*event*/, int64_t& count) const { ++count; }
  int64_t get_result(const int64_t& count) const { return count; }
  void merge(int64_t& into, const int64_t& other) const { into += other; }
};

double ns_per_unit(int64_t rows, Duration size, Duration slide) {
  StreamEnvironment env;
  env.set_parallelism(1);
  const auto make = [rows](int64_t i) {
    const uint64_t mixed = splitmix64(static_cast<uint64_t>(i));
    return Event{EventTime{i * kHourMs / rows}, static_cast<int64_t>(mixed % kKeys), i};
  };
  env.generator(rows, make, WatermarkStrategy<Event>::monotonous().with_timestamp(&Event::at))
      .key_by(&Event::key)
      .window(SlidingEventTimeWindows::of(size, slide))
      .aggregate(CountEvents{})
      .sink_to(CountSink<int64_t>());
  const int64_t start = system_clock().steady_ns();
  const auto result = env.execute("sliding");
  const auto elapsed = static_cast<double>(system_clock().steady_ns() - start);
  SLUICE_CHECK_MSG(result.is_ok() && result->status == JobStatus::kFinished, "the job failed");
  SLUICE_CHECK(result->late == 0 && result->records_in == rows);
  return elapsed / static_cast<double>(rows + result->records_out);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using sluice::Duration;
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 10'000'000;
  std::vector<double> narrow;
  std::vector<double> wide;
  for (int i = 0; i < 3; ++i) {
    narrow.push_back(sluice::ns_per_unit(rows, Duration(10'000), Duration(2000)));
    wide.push_back(sluice::ns_per_unit(rows, Duration(600'000), Duration(1000)));
  }
  const double a = sluice::median(narrow);
  const double b = sluice::median(wide);
  std::printf(
      "{\"benchmark\":\"sliding_windows\",\"rows\":%lld,\"ns_10s_2s\":%.1f,\"ns_10min_1s\":%.1f,"
      "\"ratio\":%.2f}\n",
      static_cast<long long>(rows), a, b, std::max(a, b) / std::min(a, b));
  return 0;
}
