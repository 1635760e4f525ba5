// A value per id, as somebody would write it for one loop: open addressing, nothing is ever
// removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/random.h"

namespace sluice::nexmark {

/// Ids are above 0.
template <class V>
class IdTable {
 public:
  /// The value of `id`, made when it is not there.
  V& at(int64_t id) {
    if (used_ * 2 > slots_.size()) grow();
    Slot& slot = slot_of(id);
    if (slot.id == 0) {
      slot.id = id;
      ++used_;
    }
    return slot.value;
  }
  /// Null when it is not there.
  V* find(int64_t id) {
    Slot& slot = slot_of(id);
    return slot.id == 0 ? nullptr : &slot.value;
  }
  template <class F>
  void for_each(F&& f) const {
    for (const Slot& slot : slots_) {
      if (slot.id != 0) f(slot.id, slot.value);
    }
  }
  void clear() {
    slots_.assign(slots_.size(), Slot());
    used_ = 0;
  }

 private:
  struct Slot {
    int64_t id = 0;
    V value{};
  };
  Slot& slot_of(int64_t id) {
    size_t place = splitmix64(static_cast<uint64_t>(id)) & (slots_.size() - 1);
    while (slots_[place].id != id && slots_[place].id != 0) {
      place = (place + 1) & (slots_.size() - 1);
    }
    return slots_[place];
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.id != 0) slot_of(slot.id) = std::move(slot);
    }
  }
  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  size_t used_ = 0;
};

}  // namespace sluice::nexmark
