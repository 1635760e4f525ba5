// Whether and when a job starts again after a failure. Pure: no clock, no actors, no CAF.
//
// Options as in Flink: `restart-strategy.type` none | fixed-delay | failure-rate |
// exponential-delay; `auto` is exponential-delay with checkpoints and none without. Jitter comes
// from a seed, so a simulation replays. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/options.h"
#include "core/time.h"

namespace sluice {

class RestartPolicy {
 public:
  virtual ~RestartPolicy() = default;
  /// A failure at `now_ms`: how long to wait before the restart, or nothing when the job has to
  /// fail for good. Several failures of one incident are reported once.
  virtual std::optional<Duration> on_failure(int64_t now_ms) = 0;
  /// For the log: "exponential-delay (1s to 1m)".
  virtual std::string describe() const = 0;
};

/// Part of a delay by which exponential-delay varies it at random, up or down.
inline constexpr double kRestartJitter = 0.1;

std::unique_ptr<RestartPolicy> make_restart_policy(const Options& options, bool checkpointing,
                                                   uint64_t seed);

}  // namespace sluice
