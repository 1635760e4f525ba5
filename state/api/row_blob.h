// A row as bytes, the way the cold store keeps it.
//
//   [u8 expires?][int64 ms, if it expires] { [u8 cell][u32 suffix size, if any][suffix]
//                                            [u32 value size][value] }...
//
// The entries are those the cells write into snapshots; a cell with suffixes has one per suffix.
// `expires` is there when everything in the row has a time to live: after that moment nothing of it
// is left. Bytes of this kind never leave the process that wrote them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "state/api/row_layout.h"

namespace sluice {

/// Appends the row to `out`; expired entries are left out.
void append_row_blob(const RowLayout& layout, const char* row, int64_t now_ms, std::string& out);

/// When nothing of the row is left; nothing when it stays.
std::optional<int64_t> expiry_of_row_blob(std::string_view blob);

/// Goes through the entries of a row.
class RowBlobReader {
 public:
  RowBlobReader(const RowLayout& layout, std::string_view blob);

  /// False at the end or when the bytes are damaged.
  bool next();
  bool is_damaged() const { return damaged_; }
  const RowCell& cell() const { return *cell_; }
  std::string_view suffix() const { return suffix_; }
  std::string_view value() const { return value_; }
  /// Whether the entry had expired by then; lists are asked item by item when they are read.
  bool is_expired(int64_t now_ms) const;

 private:
  const RowLayout& layout_;
  std::string_view left_;
  bool damaged_ = false;
  const RowCell* cell_ = nullptr;
  std::string_view suffix_;
  std::string_view value_;
};

}  // namespace sluice
