// The asynchronous part of a task's snapshots: frozen state becomes files on I/O threads.
//
// Remembers per operator which files the next snapshot may build on (state/snapshot_lineage.h). No
// actors: TaskActor calls begin() on its thread, runs the work on an I/O thread, and brings the
// outcome back to its thread for finished().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/element.h"
#include "core/file_system.h"
#include "operators/task.h"
#include "state/checkpoint_protocol.h"
#include "state/checkpoint_storage.h"
#include "state/snapshot_lineage.h"

namespace sluice {

/// What writing one snapshot came to.
struct SnapshotOutcome {
  CheckpointId id;
  Status status;
  TaskSnapshotPtr snapshot;
  SubtaskCheckpointStats stats;
};

/// One snapshot to be written; runs once, on any thread.
class SnapshotWork {
 public:
  SnapshotOutcome run();

 private:
  friend class TaskSnapshots;
  struct Part {
    std::string uid;
    std::string name;
    std::unique_ptr<FrozenState> state;
    SnapshotIdentity identity;
    SnapshotChain base;  // What a delta extends.
    bool finished = false;
  };
  Status write(Part& part, OperatorChainPart& to) const;

  std::shared_ptr<const CheckpointStorage> storage_;
  FileSystem* files_ = nullptr;
  const Clock* clock_ = nullptr;
  int attempt_ = 0;
  CheckpointId id_;
  SubtaskCheckpointStats stats_;
  std::vector<Part> parts_;
};

class TaskSnapshots {
 public:
  TaskSnapshots(const TaskSpec& spec, std::shared_ptr<const CheckpointStorage> storage,
                FileSystem* files, const Clock* clock);

  /// Takes over the frozen states. `finished`: the task has ended.
  std::shared_ptr<SnapshotWork> begin(const Barrier& barrier, std::vector<OperatorSnapshot> states,
                                      bool finished);
  void finished(const SnapshotOutcome& outcome);
  void confirmed(CheckpointId id);

 private:
  const TaskId id_;
  const TaskInfo info_;
  std::map<std::string, std::string> names_;  // By uid.
  std::shared_ptr<const CheckpointStorage> storage_;
  FileSystem* files_;
  const Clock* clock_;
  std::map<std::string, SnapshotLineage> lineages_;
};

}  // namespace sluice
