// What a run needs to know about checkpoints before it starts: where they go, and what to start
// from.
//
// Made once per run on the client's thread, with blocking I/O, before the plan: the stored max
// parallelism decides the plan's. Afterwards the storage is used on one I/O strand only (its
// state_path() on any thread); everything else is read by all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/restore_request.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "core/options.h"
#include "graph/execution_graph.h"
#include "graph/logical_graph.h"
#include "state/checkpoint_storage.h"

namespace sluice {

struct CheckpointSetup {
  FileSystem* files = nullptr;
  /// Null when the job takes no checkpoints.
  std::shared_ptr<CheckpointStorage> storage;
  /// Null for a fresh start.
  std::shared_ptr<const CheckpointMetadata> restore;
  /// What lies in the job's output cannot be its own.
  bool fresh_start = true;
  /// Path of the metadata of `restore`, for other processes.
  std::string restored_path;
  /// Where `restore` came from, for the log.
  std::string restored_from;
  bool allow_non_restored = false;
  /// A savepoint to delete when the run does not need it any more; else empty.
  std::string claimed;
  /// Parent of savepoints without a place of their own.
  std::string savepoint_directory;
  std::string job_id;
  /// For the user: damaged checkpoints that were passed over, and the like.
  std::vector<std::string> notes;
};

/// Never null; fails when what was asked for is not there, is damaged, or in use by another run.
Result<std::shared_ptr<const CheckpointSetup>> prepare_checkpoints(const std::string& job_name,
                                                                   const Options& options,
                                                                   const RestoreRequest& request,
                                                                   FileSystem& files,
                                                                   const Clock& clock);

/// Gives every operator a uid. Those without one get it from their name and place among equals;
/// returns the names of these.
std::vector<std::string> assign_uids(LogicalGraph& graph);

/// The stored max parallelism becomes that of operators which do not set it (semantics rule 37);
/// refuses one that is set differently. Uids must be there.
Status adopt_max_parallelism(LogicalGraph& graph, const Options& options,
                             const CheckpointMetadata& restore);

/// Whether the job can take the stored state: every stored operator is there (unless
/// `allow_non_restored`), with the same max parallelism (semantics rules 37 and 40).
Status check_restorable(const ChainedGraph& graph, const CheckpointSetup& setup);

/// A job's name as a directory.
std::string job_directory_name(const std::string& job_name);

}  // namespace sluice
