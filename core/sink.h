// Sinks: writers that take batches and committers that make them visible.
//
// A writer never blocks: it answers kFull and calls SinkContext::wake when it can go on. With
// checkpoints a sink is two-phase (semantics rule 32): prepare_commit() at the barrier gives opaque
// committables, stored in the checkpoint; commit() makes them visible once the checkpoint is
// complete. Without checkpoints a bounded job commits once, after every task has finished; nothing
// becomes visible when the job fails.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/operator.h"
#include "core/snapshot.h"
#include "core/status.h"

namespace sluice {

enum class WriteState { kDone, kFull };

/// What became of a committable.
enum class CommitOutcome {
  kCommitted,
  kAlreadyCommitted,  // A repeat after recovery: success.
  kRetry,             // Try again later.
  kFailedKnown,       // Certainly not committed and never will be.
  kFailedUnknown,     // The reply was lost.
};

struct SinkContext {
  TaskInfo task;
  const Clock* clock = nullptr;
  MetricGroup* metrics = nullptr;
  IoRunner* io = nullptr;
  std::function<void()> wake;
  /// Asks for a checkpoint before its time, because much has come together since `after`. Nothing
  /// may come of it: they may be off, or one is under way. Null without checkpoints.
  std::function<void(CheckpointId after)> request_checkpoint;
  /// Writer state of the last checkpoint (items of snapshot_state), empty on a fresh start.
  std::vector<std::string> restored;
  /// The checkpoint or savepoint that the job started from; nothing on a fresh start.
  std::optional<CheckpointId> restored_checkpoint;
};

template <class T>
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  virtual Status open(SinkContext& context) = 0;
  /// Discards what is not committed when the task failed.
  virtual void close() {}
  /// Takes rows from `row` on, advancing it.
  virtual Result<WriteState> write(const TypedBatch<T>& batch, uint32_t& row) = 0;
  /// No more input is at hand now: what is buffered may be pushed out (low latency).
  virtual Status flush() { return Status::ok(); }
  /// Before a barrier and at the end of input (`checkpoint` = the one that will contain it): ends
  /// the current transaction and starts a new one.
  virtual Result<std::vector<std::string>> prepare_commit(CheckpointId checkpoint) = 0;
  /// Bytes of a committable that is committed, whose memory may serve again.
  virtual void recycle(std::string /*data*/) {}
  /// State of the open transaction, after prepare_commit.
  virtual Result<std::vector<std::string>> snapshot_state(CheckpointId /*checkpoint*/) {
    return std::vector<std::string>();
  }
  /// Who gets the items of snapshot_state back: each to one subtask, or all to all (kUnion).
  virtual Redistribution state_redistribution() const { return Redistribution::kSplit; }
};

/// Makes committables visible. Idempotent: a repeat is kAlreadyCommitted.
class Committer {
 public:
  virtual ~Committer() = default;
  virtual CommitOutcome commit(const Committable& committable, std::string& error) = 0;
  /// Commits what a snapshot held when the job started from it: written by an earlier run, and
  /// perhaps visible already. Before any commit() of this run.
  virtual CommitOutcome recommit(const Committable& committable, std::string& error) {
    return commit(committable, error);
  }
  /// After recovery, when all restored committables were committed: removes leftovers that no
  /// checkpoint knows.
  virtual Status abort_unknown(const std::vector<Committable>& /*known*/) { return Status::ok(); }
};

/// What a job author passes to stream.sink_to(). Copied into factories: cheap and thread-safe.
template <class T>
class Sink {
 public:
  virtual ~Sink() = default;
  virtual std::string name() const = 0;
  /// Checked before anything runs: unwritable or non-empty output. `fresh_start` is false when the
  /// job starts from a snapshot.
  virtual Status validate(bool /*fresh_start*/) const { return Status::ok(); }
  virtual std::unique_ptr<SinkWriter<T>> create_writer() const = 0;
  /// Null when written data is visible at once.
  virtual std::unique_ptr<Committer> create_committer() const { return nullptr; }
  /// Opening, writing or committing may wait for others: the task gets a thread of its own.
  virtual bool may_block() const { return false; }
};

}  // namespace sluice
