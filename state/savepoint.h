// Savepoints: self-contained directories that belong to the user.
//
//   TARGET/_metadata     TARGET/state-...   (paths in the metadata are names in TARGET)
//
// A savepoint is canonical: full, in the one file format of all backends, so it can be moved, kept,
// and restored at any parallelism up to the max parallelism and on any backend. The engine never
// deletes one unless it was told to (claim, dispose).
#pragma once

#include <string>
#include <string_view>

#include "core/file_system.h"
#include "state/checkpoint_metadata.h"
#include "state/checkpoint_storage.h"

namespace sluice {

/// Makes `directory` for a new savepoint; kAlreadyExists when there is anything in it.
Status create_savepoint_directory(FileSystem& files, const std::string& directory);

/// Where a subtask writes its state.
std::string savepoint_state_path(const std::string& directory, std::string_view uid, int subtask,
                                 int attempt);

/// Deletes a savepoint, the metadata first. Refuses a directory that is none, and leaves files that
/// the savepoint does not name.
Status dispose_savepoint(FileSystem& files, const std::string& directory);

/// Makes a savepoint of any snapshot: chains of deltas become one file each.
Result<CheckpointMetadata> copy_as_savepoint(FileSystem& files, const CheckpointMetadata& from,
                                             const std::string& directory);

}  // namespace sluice
