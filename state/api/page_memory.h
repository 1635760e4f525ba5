// Memory for pages and indexes of state tables, in huge pages of the operating system.
//
// State is read at random places; with 4 KiB pages nearly every access to a large table misses the
// processor's address cache, which costs more than the data (measured: 2 to 3 times slower). Blocks
// of 64 KiB to 1 MiB are cut from slabs of 2 MiB that ask for huge pages; smaller ones come from
// the heap, larger ones are slabs of their own. Slabs without a block in use go back to the system
// but for a quarter of what is in use: each checkpoint copies pages that the task changes while it
// is written, and for new memory the system would write zeros first, which costs as much as the
// copy. Thread-safe: frozen views release their pages on I/O threads.
#pragma once

#include <cstddef>

namespace sluice {

class PageMemory {
 public:
  static constexpr size_t kSlabBytes = 2 * 1024 * 1024;
  static constexpr size_t kBlockBytesMin = 64 * 1024;
  static constexpr size_t kAlignment = 64;

  /// Uninitialised, aligned to kAlignment.
  static void* allocate(size_t size);
  /// `size` as given to allocate().
  static void release(void* memory, size_t size);
};

}  // namespace sluice
