// The rows of the option table, sorted by key. docs/options.md is printed from here.
#include <limits>

#include "core/options.h"

namespace sluice {
namespace {

constexpr int64_t kNoMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kDayMs = 24LL * 60 * 60 * 1000;
constexpr int64_t kYearMs = 366 * kDayMs;
constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kGiB = 1024 * kMiB;

using enum OptionType;

constexpr OptionSpec kTable[] = {
    {"execution.batch-rows", kCount, "auto", 0, 1 << 20, "auto", true,
     "Rows in a batch. `auto` sizes batches by bytes, which is faster; small numbers are for "
     "tests: "
     "results do not depend on it."},
    {"execution.buffer-timeout", kDuration, "10ms", 0, kDayMs, "", true,
     "A batch that is not full leaves after this long at the latest while its task is busy. A task "
     "without input sends at once, whatever is set here."},
    {"execution.checkpointing.aligned-checkpoint-timeout", kDuration, "0ms", 0, kYearMs, "", true,
     "With unaligned checkpoints: a barrier that has waited this long for alignment goes on "
     "unaligned. 0 starts unaligned at once."},
    {"execution.checkpointing.dir", kText, "", 0, 0, "", true,
     "Directory for checkpoints; each job has a folder of its own in it."},
    {"execution.checkpointing.externalized-checkpoint-retention", kChoice, "retain", 0, 0,
     "retain|retain-on-cancellation|delete-on-cancellation|no-externalized-checkpoints", true,
     "Which ends of the job its checkpoints outlive: all; all but FINISHED; only FAILED; none. "
     "Savepoints stay in any case."},
    {"execution.checkpointing.interval", kDuration, "0ms", 0, kYearMs, "", true,
     "Time between the starts of two checkpoints. 0: no checkpoints."},
    {"execution.checkpointing.log", kChoice, "failures", 0, 0, "failures|all", true,
     "Which checkpoints are told of on stderr: those that failed, or all."},
    {"execution.checkpointing.max-concurrent-checkpoints", kCount, "1", 1, 16, "", true,
     "Checkpoints that may be under way at the same time."},
    {"execution.checkpointing.min-pause", kDuration, "0ms", 0, kYearMs, "", true,
     "Shortest time between the end of one checkpoint and the start of the next."},
    {"execution.checkpointing.mode", kChoice, "exactly-once", 0, 0, "exactly-once|at-least-once",
     true,
     "Whether barriers wait for each other (exactly-once) or state may contain records that are "
     "read again after a failure (at-least-once)."},
    {"execution.checkpointing.num-retained", kCount, "1", 1, 1000, "", true,
     "Complete checkpoints that are kept."},
    {"execution.checkpointing.savepoint-dir", kText, "", 0, 0, "", true,
     "Directory for savepoints of a stop. Empty: `savepoints` in the job's checkpoint directory."},
    {"execution.checkpointing.timeout", kDuration, "10m", 1, kYearMs, "", true,
     "A checkpoint that takes longer is given up."},
    {"execution.checkpointing.tolerable-failed-checkpoints", kCount, "0", 0, 1 << 30, "", true,
     "Checkpoints in a row that may fail before the job fails."},
    {"execution.checkpointing.unaligned.enabled", kBool, "false", 0, 0, "", true,
     "Barriers overtake data in flight, which becomes part of the checkpoint: short checkpoints "
     "under back pressure for larger snapshots."},
    {"execution.runtime-mode", kChoice, "streaming", 0, 0, "streaming|batch", true,
     "`batch` accepts bounded inputs only and gives final results."},
    {"heartbeat.interval", kDuration, "500ms", 10, kYearMs, "", true,
     "How often a TaskManager says that it is alive."},
    {"heartbeat.timeout", kDuration, "5s", 100, kYearMs, "", true,
     "A TaskManager that was silent for so long is lost. It has ended its tasks by itself after "
     "three quarters of that time. A process that dies is noticed at once, without this."},
    {"metrics.latency.interval", kDuration, "0ms", 0, kYearMs, "", true,
     "How often sources send a latency marker through the job. 0: never."},
    {"on-bad-record", kChoice, "dead-letter", 0, 0, "fail|dead-letter", true,
     "What happens to a record that a source cannot read: the job fails and says which, or the "
     "record goes to the dead-letter output and is counted."},
    {"parallelism.default", kCount, "cores", 1, 32768, "cores", true,
     "Subtasks of operators that do not say it themselves. `cores`: one per processor core."},
    {"pipeline.max-parallelism", kCount, "auto", 1, 32768, "auto", true,
     "Number of key groups: the largest parallelism the job can ever be rescaled to. `auto`: a "
     "power of two of at least 1.5 times the parallelism, 128 or more. Part of every snapshot."},
    {"pipeline.operator-chaining.enabled", kBool, "true", 0, 0, "", true,
     "Whether forward edges run inside one task. Off is for debugging."},
    {"rest.bind-address", kText, "127.0.0.1", 0, 0, "", true,
     "Address of the job's control endpoint, which `sluice` uses. Loopback only."},
    {"rest.enabled", kBool, "true", 0, 0, "", true,
     "Whether a job can be looked at and steered with `sluice` while it runs."},
    {"rest.port", kCount, "any", 1, 65535, "any", true,
     "Port of the control endpoint. `any`: a free one, which `sluice` finds by itself."},
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", kCount, "infinite", 1,
     1 << 30, "infinite", true, "Restarts in a row before the job fails for good."},
    {"restart-strategy.exponential-delay.initial-backoff", kDuration, "1s", 0, kYearMs, "", true,
     "Wait before the first restart; doubled by each failure."},
    {"restart-strategy.exponential-delay.max-backoff", kDuration, "1m", 0, kYearMs, "", true,
     "Longest wait before a restart."},
    {"restart-strategy.exponential-delay.reset-backoff-threshold", kDuration, "1h", 0, kYearMs, "",
     true, "A job that ran this long without failure starts over with the first wait."},
    {"restart-strategy.failure-rate.delay", kDuration, "1s", 0, kYearMs, "", true,
     "Wait before each restart."},
    {"restart-strategy.failure-rate.failure-rate-interval", kDuration, "1m", 1, kYearMs, "", true,
     "Window in which failures are counted."},
    {"restart-strategy.failure-rate.max-failures-per-interval", kCount, "1", 1, 1 << 30, "", true,
     "More failures than this within the window fail the job."},
    {"restart-strategy.fixed-delay.attempts", kCount, "1", 0, 1 << 30, "", true,
     "Restarts before the job fails for good."},
    {"restart-strategy.fixed-delay.delay", kDuration, "1s", 0, kYearMs, "", true,
     "Wait before each restart."},
    {"restart-strategy.type", kChoice, "auto", 0, 0,
     "auto|none|fixed-delay|failure-rate|exponential-delay", true,
     "What happens when a task fails. `auto`: exponential-delay when checkpoints are on, else "
     "none."},
    {"scheduler.io-threads", kCount, "4", 1, 256, "", true,
     "Threads that may block: files, snapshots, commits."},
    {"scheduler.threads", kCount, "cores", 1, 1024, "cores", true,
     "Threads that run tasks. `cores`: one per processor core."},
    {"state.backend", kChoice, "hashmap", 0, 0, "hashmap|rocksdb", true,
     "Where keyed state lives: in memory, or in a cache in memory in front of RocksDB."},
    {"state.backend.directory", kText, "", 0, 0, "", true,
     "Directory for local state of the RocksDB backend; every run makes its own below and removes "
     "it. "
     "Empty: one of the user's in the system's temporary directory."},
    {"state.backend.memory", kBytes, "0", 0, kNoMax, "", true,
     "Keyed state a job may hold in memory, shared evenly by its tasks. 0: no limit for hashmap, "
     "256mb for rocksdb. hashmap fails when it is passed; rocksdb moves rows to disk (a quarter is "
     "for "
     "RocksDB itself), but open windows over panes have to fit."},
    {"task.cancellation.timeout", kDuration, "30s", 1, kYearMs, "", true,
     "How long a task that was told to end may stay in user code before the job is given up "
     "without it."},
    {"task.input-memory", kBytes, "1mb", 4 * kKiB, kGiB, "", true,
     "Batches waiting in front of a task, in bytes: the credit its senders get in all."},
    {"task.output-memory", kBytes, "1mb", 4 * kKiB, kGiB, "", true,
     "Batches a task is building, in bytes; decides the size of a batch."},
    {"task.stuck-timeout", kDuration, "10m", 1, kYearMs, "", true,
     "A task that stays in one call of user code longer than this counts as stuck."},
};

}  // namespace

std::span<const OptionSpec> option_table() { return kTable; }

}  // namespace sluice
