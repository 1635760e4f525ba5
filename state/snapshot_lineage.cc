#include "state/snapshot_lineage.h"

#include <utility>

namespace sluice {

std::optional<SnapshotChain> SnapshotLineage::frozen(CheckpointId id, SnapshotPurpose purpose) {
  const bool follows_confirmed = confirmed_ != CheckpointId{} && last_frozen_ == confirmed_;
  last_frozen_ = id;
  if (purpose == SnapshotPurpose::kSavepoint) return std::nullopt;
  if (!follows_confirmed || !is_worth_a_delta(chain_)) return std::nullopt;
  return chain_;
}

void SnapshotLineage::written(CheckpointId id, SnapshotChain chain) {
  if (id > confirmed_) unconfirmed_[id] = std::move(chain);
}

void SnapshotLineage::confirmed(CheckpointId id) {
  if (id <= confirmed_) return;
  confirmed_ = id;
  const auto found = unconfirmed_.find(id);
  chain_ = found == unconfirmed_.end() ? SnapshotChain() : std::move(found->second);
  unconfirmed_.erase(unconfirmed_.begin(), unconfirmed_.upper_bound(id));
}

bool SnapshotLineage::is_worth_a_delta(const SnapshotChain& chain) {
  if (chain.files.empty() || chain.files.size() >= kChainFilesMax) return false;
  uint64_t entries = 0;
  uint64_t delta_bytes = 0;
  for (const SnapshotFile& file : chain.files) {
    entries += file.entries;
    if (file.identity.is_delta) delta_bytes += file.size;
  }
  // Operator state is written whole each time, so without keyed entries a chain saves nothing.
  return entries > 0 && delta_bytes <= chain.files.front().size;
}

}  // namespace sluice
