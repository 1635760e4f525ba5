#include "operators/broadcast_state.h"

#include "state/api/composite_frozen.h"

namespace sluice {

BroadcastStates::BroadcastStates(const std::vector<BroadcastStateSpec>& specs) {
  for (const BroadcastStateSpec& spec : specs) {
    slots_.push_back(spec.make());
    slots_.back()->name = spec.name;
  }
}

Status BroadcastStates::restore(SnapshotReader& reader) {
  for (const auto& slot : slots_) {
    for (const std::string& item : reader.items(slot->name)) {
      SLUICE_RETURN_IF_ERROR(slot->restore(item));
    }
  }
  return Status::ok();
}

std::unique_ptr<FrozenState> BroadcastStates::freeze() const {
  if (slots_.empty()) return nullptr;
  auto all = std::make_unique<CompositeFrozen>();
  for (const auto& slot : slots_) all->add(slot->freeze());
  return all;
}

}  // namespace sluice
