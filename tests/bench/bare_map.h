// The hash map that one would write by hand to count per key: key and counter side by side in one
// array, linear probing, room for a known number of keys. What keyed state is compared with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

class BareMap {
 public:
  /// For at most `keys` keys, none of them negative.
  explicit BareMap(size_t keys) {
    size_t size = 16;
    while (size * 3 < keys * 4) size *= 2;
    slots_.resize(size, Slot{-1, 0});
    mask_ = size - 1;
  }
  /// Counts one more of `key`.
  void add(int64_t key, uint64_t hash) {
    size_t i = hash & mask_;
    while (slots_[i].key != key) {
      if (slots_[i].key == -1) {
        slots_[i].key = key;
        break;
      }
      i = (i + 1) & mask_;
    }
    ++slots_[i].count;
  }
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }

 private:
  struct Slot {
    int64_t key;
    int64_t count;
  };
  std::vector<Slot> slots_;
  size_t mask_;
};

}  // namespace sluice
