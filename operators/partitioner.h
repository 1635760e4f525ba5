// Row selectors: which downstream subtask gets which row.
//
// Hash partitioning computes the stable key hash once; it travels with the row, so the receiver
// need not hash again. Rebalance, rescale, broadcast and global move whole batches and need no
// selector.
#pragma once

#include <bit>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "core/key_group.h"
#include "core/partitioning.h"
#include "core/random.h"
#include "core/stable_hash.h"

namespace sluice {

/// The type of key that `KeyFn` (a callable or member pointer) gives for a T.
template <class KeyFn, class T>
using KeyOf = std::remove_cvref_t<std::invoke_result_t<const KeyFn&, const T&>>;

template <class T, class KeyFn>
class KeyGroupSelector final : public RowSelector {
 public:
  explicit KeyGroupSelector(KeyFn key) : key_(std::move(key)) {}

  void select(const Batch& batch, uint32_t from, uint32_t to, int channels, int max_parallelism,
              uint16_t* targets, uint64_t* hashes) override {
    const auto& rows = batch_cast<T>(batch);
    if ((max_parallelism & (max_parallelism - 1)) == 0) {
      const auto mask = static_cast<uint32_t>(max_parallelism - 1);
      const int shift = std::countr_zero(static_cast<uint32_t>(max_parallelism));
      for (uint32_t row = from; row < to; ++row) {
        const uint64_t hash = stable_hash<KeyOf<KeyFn, T>>(std::invoke(key_, rows[row]));
        const auto group = static_cast<uint32_t>(murmur_mix(fold_key_hash(hash))) & mask;
        hashes[row - from] = hash;
        targets[row - from] =
            static_cast<uint16_t>((group * static_cast<uint32_t>(channels)) >> shift);
      }
      return;
    }
    for (uint32_t row = from; row < to; ++row) {
      const uint64_t hash = stable_hash<KeyOf<KeyFn, T>>(std::invoke(key_, rows[row]));
      hashes[row - from] = hash;
      targets[row - from] = static_cast<uint16_t>(
          subtask_of_key_group(key_group_of(hash, max_parallelism), channels, max_parallelism));
    }
  }
  bool hashes_keys() const override { return true; }

 private:
  KeyFn key_;
};

/// Selector of a keyed edge: every sender gets its own copy of `key`.
template <class T, class KeyFn>
RowSelectorFactory make_key_selector_partitioner(KeyFn key) {
  static_assert(std::is_invocable_v<const KeyFn&, const T&>,
                "the key selector cannot be called with the stream's record type");
  return [key]() -> std::unique_ptr<RowSelector> {
    return std::make_unique<KeyGroupSelector<T, KeyFn>>(key);
  };
}

/// partition_custom: `partition(key, channels)` gives the subtask.
template <class T, class PartitionFn, class KeyFn>
class CustomSelector final : public RowSelector {
 public:
  CustomSelector(PartitionFn partition, KeyFn key)
      : partition_(std::move(partition)), key_(std::move(key)) {}

  void select(const Batch& batch, uint32_t from, uint32_t to, int channels, int /*max_parallelism*/,
              uint16_t* targets, uint64_t* /*hashes*/) override {
    const auto& rows = batch_cast<T>(batch);
    for (uint32_t row = from; row < to; ++row) {
      const int target = static_cast<int>(partition_(std::invoke(key_, rows[row]), channels));
      if (target < 0 || target >= channels) out_of_range(target, channels);
      targets[row - from] = static_cast<uint16_t>(target);
    }
  }

 private:
  [[noreturn]] static void out_of_range(int target, int channels) {
    throw std::out_of_range("the custom partitioner returned subtask " + std::to_string(target) +
                            " of " + std::to_string(channels));
  }
  PartitionFn partition_;
  KeyFn key_;
};

template <class T, class PartitionFn, class KeyFn>
RowSelectorFactory make_custom_partitioner(PartitionFn partition, KeyFn key) {
  return [partition, key]() -> std::unique_ptr<RowSelector> {
    return std::make_unique<CustomSelector<T, PartitionFn, KeyFn>>(partition, key);
  };
}

/// Uniform pseudo-random targets from a seed.
class ShuffleSelector final : public RowSelector {
 public:
  explicit ShuffleSelector(uint64_t seed) : random_(seed) {}
  void select(const Batch& /*batch*/, uint32_t from, uint32_t to, int channels,
              int /*max_parallelism*/, uint16_t* targets, uint64_t* /*hashes*/) override {
    for (uint32_t row = from; row < to; ++row) {
      targets[row - from] = static_cast<uint16_t>(random_.below(static_cast<uint64_t>(channels)));
    }
  }

 private:
  Random random_;
};

}  // namespace sluice
