// The shape of the rows of one table, and pages of such rows.
//
// A row is [header][key][cells...]: the header has one presence bit per cell, flags, and the epoch
// in which the row last changed; the key and the cells stand at fixed offsets. Rows live in pages
// of up to 64 KiB that are reference counted: a frozen view holds the pages it saw, and the table
// copies a page before it first writes to one that is held by others too. The layout is shared by
// the table and all frozen views; counts are thread-safe, everything else but what is said of open
// pages is written by the table's task only.
//
// Each freeze begins an epoch. A row has changed since the last freeze when its header has the tag
// of the present epoch: nothing has to be cleared when a page is written to for the first time in
// an epoch. There are few tags, so that they come round: a page is cleared before a tag in it could
// be taken for a later one, about once in ten epochs in which it is written to.
//
// A view that is written as a delta reads nothing but headers and the rows with its tag. So the
// table need not copy its pages: while a page is open for such a view, a row with its tag is saved
// before the table first changes it, and loses the tag (save_row). The view finds each of its rows
// in its place or among the saved ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/api/cell_type.h"
#include "state/api/view_lock.h"

namespace sluice {

/// Presence bits of a row are the low bits of its header.
inline constexpr uint32_t kCellsMax = 56;
inline constexpr uint64_t kPresenceMask = (uint64_t{1} << kCellsMax) - 1;
/// The tag of the epoch in which the row last changed; 0: not since the page was cleared. Has a
/// meaning in pages only that were written to in the epoch one asks for.
inline constexpr uint32_t kRowEpochShift = kCellsMax;
inline constexpr uint64_t kRowEpochs = 15;
inline constexpr uint64_t kRowEpochMask = uint64_t{15} << kRowEpochShift;
/// The cold store has a copy of the row, perhaps an older one.
inline constexpr uint64_t kRowStored = uint64_t{1} << 60;
/// The cold store has no copy of the row as it is now.
inline constexpr uint64_t kRowUnsaved = uint64_t{1} << 61;
/// Made in the epoch of its tag: no earlier snapshot knows the key.
inline constexpr uint64_t kRowFresh = uint64_t{1} << 62;
inline constexpr uint64_t kRowInUse = uint64_t{1} << 63;

/// The bits with which the header of a row that changes in this epoch is marked.
constexpr uint64_t row_epoch_bits(uint64_t epoch) {
  return (epoch % kRowEpochs + 1) << kRowEpochShift;
}
/// Whether the row changed in the epoch with these bits.
constexpr bool is_row_changed(uint64_t header, uint64_t epoch_bits) {
  return (header & kRowEpochMask) == epoch_bits;
}
/// The header once the row has changed in the epoch with these bits.
constexpr uint64_t changed_row(uint64_t header, uint64_t epoch_bits) {
  if (!is_row_changed(header, epoch_bits)) header &= ~(kRowEpochMask | kRowFresh);
  return header | epoch_bits | kRowUnsaved;
}

/// What the table must know about its key type.
struct KeyType {
  uint32_t bytes = 0;
  uint32_t alignment = 1;
  void (*share)(char* key) = nullptr;  // As in CellType.
  void (*destroy)(char* key) = nullptr;
  /// Equal keys get equal bytes.
  void (*encode)(const char* key, std::string& out) = nullptr;
  /// The inverse; false when the bytes are damaged. Needs a current arena for texts.
  bool (*construct)(char* key, std::string_view encoded) = nullptr;
  uint64_t (*hash)(const char* key) = nullptr;
  uint64_t (*hash_encoded)(std::string_view encoded) = nullptr;
  std::string schema;
};

struct RowCell {
  std::string name;
  /// "(key,value)" or "((key,suffix),value)": encodings of tuples are concatenations.
  std::string schema;
  const CellType* type = nullptr;
  StateTtl ttl;
  CellRef ref;
};

/// `capacity` rows follow the struct.
struct alignas(64) RowPage {
  static constexpr uint64_t kNoEpoch = UINT64_MAX - 1;

  std::atomic<uint32_t> references{1};
  ViewLock view_lock;
  uint32_t capacity = 0;
  uint32_t used = 0;  // Rows handed out so far, free ones included.
  /// From this epoch on it must not be written to before its tags are cleared.
  uint64_t clear_epoch = 0;
  /// Of the last view for which the page was opened.
  uint64_t view_epoch = kNoEpoch;
  /// Rows as that view has to see them; under the lock.
  RowPage* saved = nullptr;

  char* rows() { return reinterpret_cast<char*>(this + 1); }
};

struct RowLayout {
  static constexpr uint32_t kPageBytes = 64 * 1024;
  static constexpr uint32_t kHeaderBytes = sizeof(uint64_t);

  const KeyType* key = nullptr;
  uint32_t key_offset = kHeaderBytes;
  uint32_t row_bytes = 0;
  uint32_t rows_per_page = 0;
  // A row's number is page << page_shift | slot; numbers of slots that no page has are not used.
  uint32_t page_shift = 0;
  std::vector<RowCell> cells;
  bool any_ttl = false;
  /// Bytes of all pages alive, those held by frozen views only included.
  mutable std::atomic<int64_t> page_bytes{0};

  uint32_t slot_mask() const { return (1U << page_shift) - 1; }

  /// Of rows that are written from `epoch` on.
  RowPage* make_page(uint32_t capacity, uint64_t epoch) const;
  RowPage* copy_page(RowPage* page) const;
  /// Moves the rows of an unshared page into a larger one.
  RowPage* grow_page(RowPage* page, uint32_t capacity) const;
  /// Makes sure that what an unshared page has of `epoch` is not of an earlier one.
  void begin_epoch(RowPage* page, uint64_t epoch) const {
    if (epoch >= page->clear_epoch) clear_epochs(page, epoch);
  }
  void release_page(RowPage* page) const;
  /// Lets the table write to a page that only it and the view frozen in `epoch` hold; the task does
  /// it, right after the freeze.
  void open_page(RowPage* page, uint64_t epoch) const {
    page->view_epoch = epoch;
    page->view_lock.open();
  }
  /// The view needs an open page no more.
  void close_page(RowPage* page) const;
  /// Sees to it that the table may change a row of a page that was opened; false when the page has
  /// to be copied instead: the view is reading it, or so many rows were saved that copying all of
  /// them would have been cheaper.
  bool save_row(RowPage* page, char* row) const;

 private:
  RowPage* allocate_page(uint32_t capacity) const;
  void clear_epochs(RowPage* page, uint64_t epoch) const;
  uint64_t next_clear_epoch(uint64_t epoch) const;
  bool has_shares() const;
  /// Whoever copied the bytes of a row holds what it refers to as well.
  void share_row(char* row) const;
  void free_page_memory(RowPage* page) const;

  mutable uint32_t pages_made_ = 0;
};

// Atomic, as a view reads the headers of rows that the table writes to.
inline uint64_t load_header(const char* row) {
  return __atomic_load_n(reinterpret_cast<const uint64_t*>(row), __ATOMIC_RELAXED);
}
inline void store_header(char* row, uint64_t header) {
  __atomic_store_n(reinterpret_cast<uint64_t*>(row), header, __ATOMIC_RELAXED);
}

}  // namespace sluice
