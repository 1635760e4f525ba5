// Which files one operator's next snapshot may build on.
//
// A delta holds what changed since the freeze before it, so it is allowed only when that freeze
// became a confirmed checkpoint (semantics rule 27). After anything else - a restore, an aborted or
// still unconfirmed checkpoint, a savepoint in between - the next snapshot is a new base. So it is
// when the deltas have outgrown the base or there are too many files to merge at restore.
//
// Used by one thread; one object per operator and attempt.
#pragma once

#include <map>
#include <optional>

#include "core/ids.h"
#include "state/checkpoint_metadata.h"

namespace sluice {

class SnapshotLineage {
 public:
  static constexpr size_t kChainFilesMax = 12;

  /// The operator's state was frozen for `id`. Returns the chain that a delta extends, or nothing
  /// when the snapshot has to be a base.
  std::optional<SnapshotChain> frozen(CheckpointId id, SnapshotPurpose purpose);
  /// The frozen state of `id` is written; `chain` is all it consists of.
  void written(CheckpointId id, SnapshotChain chain);
  /// Checkpoint `id` is complete.
  void confirmed(CheckpointId id);

 private:
  static bool is_worth_a_delta(const SnapshotChain& chain);

  CheckpointId last_frozen_;
  CheckpointId confirmed_;
  SnapshotChain chain_;  // Of confirmed_.
  std::map<CheckpointId, SnapshotChain> unconfirmed_;
};

}  // namespace sluice
