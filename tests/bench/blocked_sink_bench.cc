// How long unaligned checkpoints take while the sink answers kFull, and while it takes 100 ms for
// each batch.
//
//   bazel run //tests/bench:blocked_sink_bench [-- SECONDS]
//
// Prints one JSON object; each figure stands beside its aim. SECONDS (60) is for each sink.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/blocked_sink.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

constexpr int64_t kLongestMsMax = 1000;

void measure(const std::string& sink, BlockedSinkOptions options, bool is_last) {
  const ScratchDirectory scratch;
  options.checkpoint_directory = scratch / "checkpoints";
  const auto outcome = run_blocked(options);
  SLUICE_CHECK_MSG(outcome.is_ok(), outcome.status().to_string().c_str());
  const bool met =
      outcome->complete > 0 && outcome->failed == 0 && outcome->longest_ms <= kLongestMsMax;
  std::printf(
      "    {\"name\": \"unaligned_checkpoint_longest_ms_%s\", \"value\": %lld, \"at_most\": %lld, "
      "\"met\": %s},\n"
      "    {\"name\": \"unaligned_checkpoints_complete_%s\", \"value\": %d}%s\n",
      sink.c_str(), static_cast<long long>(outcome->longest_ms),
      static_cast<long long>(kLongestMsMax), met ? "true" : "false", sink.c_str(),
      outcome->complete, is_last ? "" : ",");
}

int run(int64_t seconds) {
  const Duration time(seconds * 1000);
  std::printf("{\n  \"seconds\": %lld,\n  \"figures\": [\n", static_cast<long long>(seconds));
  measure("sink_full", {.run_for = time}, false);
  measure("sink_100_ms_a_batch", {.batch_time = Duration(100), .run_for = time}, true);
  std::printf("  ]\n}\n");
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::run(argc > 1 ? std::atoll(argv[1]) : 60); }
