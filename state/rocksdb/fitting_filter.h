// Bloom filters as far as they fit in memory.
//
// A filter saves reading a block for a key that is not there. The filters of the lowest level,
// which has nine tenths of all keys, are by far the largest; when they do not fit in the cache they
// are read from the disk for nearly every lookup, and cost far more than the blocks that they save.
// So tables of the lowest level get one only while all of them fit.
//
// Thread-safe: tables are built on RocksDB's threads, set_keys() is called by the store's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <rocksdb/filter_policy.h>

namespace sluice {

class FittingFilter final : public rocksdb::FilterPolicy {
 public:
  static constexpr int kBitsPerKey = 10;

  /// `bytes_max`: of all filters of the lowest level together.
  explicit FittingFilter(uint64_t bytes_max)
      : bytes_max_(bytes_max), bloom_(rocksdb::NewBloomFilterPolicy(kBitsPerKey)) {}

  /// How many keys the store has, more or less.
  void set_keys(uint64_t keys) { keys_.store(keys, std::memory_order_relaxed); }
  bool fits() const {
    return keys_.load(std::memory_order_relaxed) * kBitsPerKey / 8 <= bytes_max_;
  }

  const char* Name() const override { return "sluice.fitting_filter"; }
  const char* CompatibilityName() const override { return bloom_->CompatibilityName(); }
  rocksdb::FilterBitsBuilder* GetBuilderWithContext(
      const rocksdb::FilterBuildingContext& context) const override {
    // Files that are ingested go to the lowest level without saying so.
    const bool is_lowest =
        context.is_bottommost || context.reason == rocksdb::TableFileCreationReason::kMisc;
    return is_lowest && !fits() ? nullptr : bloom_->GetBuilderWithContext(context);
  }
  rocksdb::FilterBitsReader* GetFilterBitsReader(const rocksdb::Slice& contents) const override {
    return bloom_->GetFilterBitsReader(contents);
  }

 private:
  const uint64_t bytes_max_;
  std::atomic<uint64_t> keys_{0};
  const std::unique_ptr<const rocksdb::FilterPolicy> bloom_;
};

}  // namespace sluice
