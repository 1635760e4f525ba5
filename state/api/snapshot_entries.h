// How much a frozen state would write, for the choice between a delta and the whole.
//
// Implemented by frozen states that know it without looking at every entry, beside FrozenState.
#pragma once

#include <cstddef>

namespace sluice {

class SnapshotEntries {
 public:
  virtual ~SnapshotEntries() = default;
  /// What a snapshot of everything would put.
  virtual size_t full_entries() const = 0;
  /// What a delta would put and erase.
  virtual size_t delta_entries() const = 0;
};

}  // namespace sluice
