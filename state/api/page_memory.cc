#include "state/api/page_memory.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/check.h"

namespace sluice {
namespace {

constexpr size_t kClasses = 5;  // 64 KiB << class, up to 1 MiB.
// One block is kept for so many in use.
constexpr size_t kKeptShare = 4;

void* map_slabs(size_t bytes) {
  // Mapped with room to cut out an aligned part.
  const size_t mapped = bytes + PageMemory::kSlabBytes;
  void* raw = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = (start + PageMemory::kSlabBytes - 1) & ~(PageMemory::kSlabBytes - 1);
  if (aligned > start) munmap(raw, aligned - start);
  const uintptr_t end = start + mapped;
  if (end > aligned + bytes) {
    munmap(reinterpret_cast<void*>(aligned + bytes), end - aligned - bytes);
  }
  // Advice only: without huge pages everything works, more slowly.
  (void)madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
}

uintptr_t slab_of(void* block) {
  return reinterpret_cast<uintptr_t>(block) & ~(PageMemory::kSlabBytes - 1);
}

/// Slabs of one block size.
class BlockPool {
 public:
  void* allocate(size_t block_bytes) {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      auto* slab = static_cast<char*>(map_slabs(PageMemory::kSlabBytes));
      used_[slab_of(slab)] = 0;
      empty_.insert(slab_of(slab));
      for (size_t at = PageMemory::kSlabBytes; at > 0; at -= block_bytes) {
        free_.push_back(slab + at - block_bytes);
      }
    }
    void* block = free_.back();
    free_.pop_back();
    if (used_[slab_of(block)]++ == 0) empty_.erase(slab_of(block));
    ++blocks_used_;
    return block;
  }
  void release(void* block, size_t block_bytes) {
    const std::lock_guard lock(mutex_);
    free_.push_back(block);
    const auto slab = used_.find(slab_of(block));
    SLUICE_CHECK(slab != used_.end() && slab->second > 0);
    --blocks_used_;
    if (--slab->second == 0) empty_.insert(slab->first);
    // One slab's worth in any case, so that a table at the edge of a slab does not map and unmap it
    // all the time.
    const size_t blocks_of_slab = PageMemory::kSlabBytes / block_bytes;
    const size_t kept_max = blocks_of_slab + blocks_used_ / kKeptShare;
    if (free_.size() > kept_max && !empty_.empty()) unmap_empty(kept_max, blocks_of_slab);
  }

 private:
  // Until at most `kept_max` blocks are free, or none but between others that are in use.
  void unmap_empty(size_t kept_max, size_t blocks_of_slab) {
    std::unordered_set<uintptr_t> unmapped;
    for (size_t left = free_.size(); left > kept_max && !empty_.empty(); left -= blocks_of_slab) {
      unmapped.insert(empty_.extract(empty_.begin()).value());
    }
    std::erase_if(free_, [&](void* block) { return unmapped.contains(slab_of(block)); });
    for (const uintptr_t base : unmapped) {
      used_.erase(base);
      munmap(reinterpret_cast<void*>(base), PageMemory::kSlabBytes);
    }
  }

  std::mutex mutex_;
  std::vector<void*> free_;
  size_t blocks_used_ = 0;
  std::unordered_map<uintptr_t, size_t> used_;  // Blocks in use by slab.
  std::unordered_set<uintptr_t> empty_;         // Slabs without one.
};

BlockPool& pool_for(size_t size, size_t& block_bytes) {
  // Lives for ever: frozen views may be released while the process ends.
  static auto* pools = new BlockPool[kClasses];
  block_bytes = std::bit_ceil(size);
  return pools[std::bit_width(block_bytes / PageMemory::kBlockBytesMin) - 1];
}

size_t whole_slabs(size_t size) {
  return (size + PageMemory::kSlabBytes - 1) & ~(PageMemory::kSlabBytes - 1);
}

constexpr size_t kBlockBytesMax = PageMemory::kBlockBytesMin << (kClasses - 1);

}  // namespace

void* PageMemory::allocate(size_t size) {
  if (size <= kBlockBytesMin / 2) return ::operator new(size, std::align_val_t(kAlignment));
  if (size > kBlockBytesMax) return map_slabs(whole_slabs(size));
  size_t block_bytes = 0;
  BlockPool& pool = pool_for(std::max(size, kBlockBytesMin), block_bytes);
  return pool.allocate(block_bytes);
}

void PageMemory::release(void* memory, size_t size) {
  if (memory == nullptr) return;
  if (size <= kBlockBytesMin / 2) {
    ::operator delete(memory, std::align_val_t(kAlignment));
  } else if (size > kBlockBytesMax) {
    munmap(memory, whole_slabs(size));
  } else {
    size_t block_bytes = 0;
    BlockPool& pool = pool_for(std::max(size, kBlockBytesMin), block_bytes);
    pool.release(memory, block_bytes);
  }
}

}  // namespace sluice
