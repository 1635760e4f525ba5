// What is known about one checkpoint: for the log, the savepoint tool, the CLI and REST.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/ids.h"
#include "state/checkpoint_metadata.h"

namespace sluice {

enum class CheckpointOutcome { kPending, kComplete, kFailed };
/// "pending", "complete", "failed".
const char* checkpoint_outcome_name(CheckpointOutcome outcome);

/// How one subtask fared.
struct SubtaskCheckpointStats {
  TaskId task;
  bool acknowledged = false;
  int64_t acknowledged_ms = 0;  // Wall time.
  int64_t alignment_ms = 0;     // From the trigger until the last barrier was there.
  int64_t sync_ms = 0;          // The task stood still.
  int64_t async_ms = 0;         // Writing the state.
  uint64_t full_bytes = 0;      // All state that the checkpoint names.
  uint64_t incremental_bytes = 0;
};

struct CheckpointStats {
  CheckpointId id;
  SnapshotPurpose purpose = SnapshotPurpose::kCheckpoint;
  CheckpointOutcome outcome = CheckpointOutcome::kPending;
  int64_t triggered_ms = 0;
  int64_t ended_ms = 0;
  std::string failure;
  std::vector<SubtaskCheckpointStats> subtasks;

  int acknowledged() const;
  int64_t duration_ms() const { return ended_ms - triggered_ms; }
  /// The slowest subtask counts.
  int64_t alignment_ms() const;
  int64_t sync_ms() const;
  int64_t async_ms() const;
  uint64_t full_bytes() const;
  uint64_t incremental_bytes() const;
  /// "checkpoint 7 complete after 12 ms: 4/4 subtasks, alignment 3 ms, sync 0 ms, async 8 ms,
  /// 1.20 MiB (0.10 MiB new)".
  std::string to_line() const;
};

}  // namespace sluice
