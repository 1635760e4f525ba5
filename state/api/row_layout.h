// The shape of the rows of one table, and pages of such rows.
//
// A row is [header][key][cells...]: the header has one presence bit per cell and five flags, the
// key and the cells stand at fixed offsets. Rows live in pages of up to 64 KiB that are reference
// counted: a frozen view holds the pages it saw, and the table copies a page before it first writes
// to one that is held by others too. The layout is shared by the table and all frozen views; counts
// are thread-safe, everything else is written by the table's task only.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/api/cell_type.h"

namespace sluice {

/// Presence bits of a row are the low bits of its header; the flags are the highest. Those of
/// changes begin anew with every freeze, those of the cold store do not.
inline constexpr uint64_t kRowInUse = uint64_t{1} << 63;
/// Changed since the last freeze.
inline constexpr uint64_t kRowDirty = uint64_t{1} << 62;
/// Made since the last freeze: no snapshot knows the key.
inline constexpr uint64_t kRowFresh = uint64_t{1} << 61;
/// The cold store has no copy of the row as it is now.
inline constexpr uint64_t kRowUnsaved = uint64_t{1} << 60;
/// The cold store has a copy of the row, perhaps an older one.
inline constexpr uint64_t kRowStored = uint64_t{1} << 59;
inline constexpr uint32_t kCellsMax = 56;
inline constexpr uint64_t kPresenceMask = (uint64_t{1} << kCellsMax) - 1;

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
  std::atomic<uint32_t> references{1};
  uint32_t capacity = 0;
  uint32_t used = 0;  // Rows handed out so far, free ones included.

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

  RowPage* make_page(uint32_t capacity) const;
  /// A copy whose rows count as unchanged since the last freeze.
  RowPage* copy_page(RowPage* page) const;
  /// Moves the rows of an unshared page into a larger one.
  RowPage* grow_page(RowPage* page, uint32_t capacity) const;
  /// Marks all rows as unchanged and known since the last freeze.
  void clear_change_flags(RowPage* page) const;
  void release_page(RowPage* page) const;

 private:
  void free_page_memory(RowPage* page) const;
};

inline uint64_t load_header(const char* row) {
  uint64_t header = 0;
  std::memcpy(&header, row, sizeof(header));
  return header;
}
inline void store_header(char* row, uint64_t header) { std::memcpy(row, &header, sizeof(header)); }

}  // namespace sluice
