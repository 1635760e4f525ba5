// Every setting of the engine, in one table.
//
// Flags, `-D key=value`, the config file, docs/options.md and the code that uses a setting all go
// through this table, so that none can be spelled in two ways or documented with another default.
// Keys are Flink's where the meaning is the same. An Options object holds only what was set; all
// else has the table's default. A value is checked when it is set, so reading one cannot fail.
//
// Not thread-safe; copied into each job before it starts and not changed afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "core/time.h"

namespace sluice {

enum class OptionType { kBool, kCount, kBytes, kDuration, kText, kChoice };

/// One row of the table.
struct OptionSpec {
  const char* key;
  OptionType type;
  const char* default_value;
  /// Bounds of counts, bytes and durations (ms), both inclusive.
  int64_t min;
  int64_t max;
  /// kChoice: the words allowed, separated by '|'. kCount: a word that stands for 0, or "".
  const char* words;
  /// Whether a running job must be restarted to see a change.
  bool needs_restart;
  const char* text;
};

/// All options, sorted by key.
std::span<const OptionSpec> option_table();
/// The row of `key`, or null.
const OptionSpec* find_option(std::string_view key);
/// "count", "bytes", ... as documents print it.
const char* option_type_name(OptionType type);

/// Parses "4096", "64kb", "1mib", "2g" (all powers of 1024, as in Flink).
Result<int64_t> parse_bytes(std::string_view text);

/// Name of an option with the type its value has in code.
template <class T>
struct OptionKey {
  const char* name;
};

class Options {
 public:
  /// Unknown keys are refused with the nearest known one, bad values with the bounds.
  Status set(std::string_view key, std::string_view value);
  /// "key=value", as after -D.
  Status set_assignment(std::string_view assignment);
  bool is_set(std::string_view key) const { return values_.count(std::string(key)) > 0; }
  void clear(std::string_view key) { values_.erase(std::string(key)); }

  bool get(OptionKey<bool> key) const;
  /// Counts and bytes.
  int64_t get(OptionKey<int64_t> key) const;
  Duration get(OptionKey<Duration> key) const;
  /// Texts and choices.
  std::string get(OptionKey<std::string> key) const;

  /// For code: the key exists and the value is in bounds, or it is our mistake.
  void put(OptionKey<bool> key, bool value) { must_set(key.name, value ? "true" : "false"); }
  void put(OptionKey<int64_t> key, int64_t value) { must_set(key.name, std::to_string(value)); }
  void put(OptionKey<Duration> key, Duration value) {
    must_set(key.name, std::to_string(value.count()) + "ms");
  }
  void put(OptionKey<std::string> key, const std::string& value) { must_set(key.name, value); }

  /// What was set, by key.
  const std::map<std::string, std::string>& values() const { return values_; }
  /// Takes everything `other` has set.
  void merge(const Options& other);

 private:
  std::string text_of(const char* key, OptionType type, OptionType other) const;
  void must_set(const char* key, const std::string& value);

  std::map<std::string, std::string> values_;
};

/// Keys as constants; a test holds that each names a row of the table with its type.
namespace options {

inline constexpr OptionKey<int64_t> kParallelism{"parallelism.default"};  // 0 = one per core
inline constexpr OptionKey<int64_t> kMaxParallelism{"pipeline.max-parallelism"};  // 0 = by rule
inline constexpr OptionKey<bool> kOperatorChaining{"pipeline.operator-chaining.enabled"};
inline constexpr OptionKey<Duration> kBufferTimeout{"execution.buffer-timeout"};
inline constexpr OptionKey<int64_t> kBatchRows{"execution.batch-rows"};  // 0 = by bytes
inline constexpr OptionKey<std::string> kRuntimeMode{"execution.runtime-mode"};
inline constexpr OptionKey<int64_t> kTaskInputMemory{"task.input-memory"};
inline constexpr OptionKey<int64_t> kTaskOutputMemory{"task.output-memory"};
inline constexpr OptionKey<Duration> kTaskCancellationTimeout{"task.cancellation.timeout"};
inline constexpr OptionKey<Duration> kTaskStuckTimeout{"task.stuck-timeout"};
inline constexpr OptionKey<int64_t> kSchedulerThreads{"scheduler.threads"};  // 0 = one per core
inline constexpr OptionKey<int64_t> kIoThreads{"scheduler.io-threads"};
inline constexpr OptionKey<bool> kRestEnabled{"rest.enabled"};
inline constexpr OptionKey<std::string> kRestBindAddress{"rest.bind-address"};
inline constexpr OptionKey<int64_t> kRestPort{"rest.port"};  // 0 = any free one
inline constexpr OptionKey<Duration> kLatencyInterval{"metrics.latency.interval"};
inline constexpr OptionKey<std::string> kOnBadRecord{"on-bad-record"};
inline constexpr OptionKey<std::string> kStateBackend{"state.backend"};
inline constexpr OptionKey<int64_t> kStateMemory{"state.backend.memory"};
inline constexpr OptionKey<std::string> kStateDirectory{"state.backend.directory"};
inline constexpr OptionKey<std::string> kCheckpointDir{"execution.checkpointing.dir"};
inline constexpr OptionKey<Duration> kCheckpointInterval{"execution.checkpointing.interval"};
inline constexpr OptionKey<std::string> kCheckpointLog{"execution.checkpointing.log"};
inline constexpr OptionKey<std::string> kCheckpointMode{"execution.checkpointing.mode"};
inline constexpr OptionKey<Duration> kCheckpointTimeout{"execution.checkpointing.timeout"};
inline constexpr OptionKey<Duration> kCheckpointMinPause{"execution.checkpointing.min-pause"};
inline constexpr OptionKey<int64_t> kCheckpointMaxConcurrent{
    "execution.checkpointing.max-concurrent-checkpoints"};
inline constexpr OptionKey<int64_t> kCheckpointTolerableFailures{
    "execution.checkpointing.tolerable-failed-checkpoints"};
inline constexpr OptionKey<bool> kCheckpointUnaligned{"execution.checkpointing.unaligned.enabled"};
inline constexpr OptionKey<Duration> kCheckpointAlignedTimeout{
    "execution.checkpointing.aligned-checkpoint-timeout"};
inline constexpr OptionKey<std::string> kSavepointDir{"execution.checkpointing.savepoint-dir"};
inline constexpr OptionKey<int64_t> kCheckpointRetained{"execution.checkpointing.num-retained"};
inline constexpr OptionKey<std::string> kRestartStrategy{"restart-strategy.type"};
inline constexpr OptionKey<int64_t> kRestartFixedAttempts{"restart-strategy.fixed-delay.attempts"};
inline constexpr OptionKey<Duration> kRestartFixedDelay{"restart-strategy.fixed-delay.delay"};
inline constexpr OptionKey<int64_t> kRestartRateFailures{
    "restart-strategy.failure-rate.max-failures-per-interval"};
inline constexpr OptionKey<Duration> kRestartRateInterval{
    "restart-strategy.failure-rate.failure-rate-interval"};
inline constexpr OptionKey<Duration> kRestartRateDelay{"restart-strategy.failure-rate.delay"};
inline constexpr OptionKey<Duration> kRestartBackoffInitial{
    "restart-strategy.exponential-delay.initial-backoff"};
inline constexpr OptionKey<Duration> kRestartBackoffMax{
    "restart-strategy.exponential-delay.max-backoff"};
inline constexpr OptionKey<Duration> kRestartBackoffReset{
    "restart-strategy.exponential-delay.reset-backoff-threshold"};
inline constexpr OptionKey<int64_t> kRestartBackoffAttempts{
    "restart-strategy.exponential-delay.attempts-before-reset-backoff"};

}  // namespace options

}  // namespace sluice
