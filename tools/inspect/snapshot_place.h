// Finds the snapshot that a user's path means.
//
// A path is that of a savepoint, of a checkpoint (or the `_metadata` of either), or a directory of
// checkpoints, which means the newest complete one there: that of one job, or the parent of one
// job's. Takes no lock and writes nothing, so it works beside a running job, whose checkpoints may
// go at any moment.
#pragma once

#include <string>
#include <vector>

#include "core/file_system.h"
#include "state/checkpoint_metadata.h"

namespace sluice {

struct FoundSnapshot {
  CheckpointMetadata metadata;
  /// Of its `_metadata`.
  std::string directory;
  /// It was looked for, not named: another one is the newest a moment later.
  bool is_newest = false;
  /// Newer ones that cannot be used, and why.
  std::vector<std::string> notes;
};

/// kNotFound and kInvalidArgument for a path that means no snapshot.
Result<FoundSnapshot> find_snapshot(FileSystem& files, const std::string& path);

/// The directory of a job's checkpoints that `path` means: itself, or the only one in it.
Result<std::string> find_job_directory(FileSystem& files, const std::string& path);

}  // namespace sluice
