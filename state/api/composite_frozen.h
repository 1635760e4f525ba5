// Several frozen states of one operator as one: its rows, its tables of other shapes, its operator
// state. Written in the order of adding.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/snapshot.h"

namespace sluice {

class CompositeFrozen final : public FrozenState {
 public:
  /// Null parts are left out.
  void add(std::unique_ptr<FrozenState> part) {
    if (part) parts_.push_back(std::move(part));
  }
  Status write(SnapshotWriter& writer, bool incremental) override {
    for (const auto& part : parts_) {
      SLUICE_RETURN_IF_ERROR(part->write(writer, incremental));
    }
    return Status::ok();
  }
  void will_write_once(bool incremental) override {
    for (const auto& part : parts_) part->will_write_once(incremental);
  }
  size_t size_hint() const override {
    size_t bytes = 0;
    for (const auto& part : parts_) bytes += part->size_hint();
    return bytes;
  }

 private:
  std::vector<std::unique_ptr<FrozenState>> parts_;
};

}  // namespace sluice
