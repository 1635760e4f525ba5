// Rows as they were when the table was frozen, to be written into a snapshot by an I/O thread.
//
// Holds references to the pages; the table copies a page before it writes to it, or saves the rows
// that are needed here, so nothing of what the view shows changes (semantics rule 42). A delta
// holds the entries of rows changed since the freeze before, and erasures of what was deleted
// since. With a cold store the rows that stand there are written too: rows in memory are newer than
// their stored copies, and those are newer than tombstones.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.h"
#include "state/api/frozen_cold.h"
#include "state/api/row_layout.h"

namespace sluice {

/// Tombstones: what was deleted since the last freeze, as {u32 cell, u32 length, key bytes} in a
/// row. This cell number stands for all cells without suffix (the whole row was freed).
inline constexpr uint32_t kAllPlainCells = UINT32_MAX;
void append_tombstone(std::string& tombstones, uint32_t cell, std::string_view key);

struct FrozenPage {
  RowPage* page = nullptr;
  uint32_t used = 0;       // Rows at the freeze: the table may append to an open page.
  bool is_changed = true;  // False: not written since the freeze before.
  bool is_open = false;    // The table may write to it meanwhile (state/api/row_layout.h).
};

struct FrozenGroup {
  int group = 0;
  std::vector<FrozenPage> pages;
  std::string tombstones;
};

class FrozenRows final : public FrozenState {
 public:
  /// `epoch`: that of rows that changed since the freeze before.
  FrozenRows(std::shared_ptr<const RowLayout> layout, int64_t now_ms, uint64_t epoch);
  ~FrozenRows() override;
  FrozenRows(const FrozenRows&) = delete;
  FrozenRows& operator=(const FrozenRows&) = delete;

  /// Takes over the references in `group`.
  void add_group(FrozenGroup group, uint32_t rows);
  void set_cold(std::unique_ptr<FrozenCold> cold) { cold_ = std::move(cold); }

  Status write(SnapshotWriter& writer, bool incremental) override;
  void will_write_once(bool incremental) override;
  size_t size_hint() const override { return rows_ * layout_->row_bytes; }

 private:
  class RowWriter;

  Status write_group(const RowCell& cell, const FrozenGroup& group, FrozenCold::Walk& cold,
                     SnapshotWriter& writer, bool incremental) const;
  Status write_cold(const RowCell& cell, const FrozenGroup& group, FrozenCold::Walk& cold,
                    RowWriter& row_writer, KeySet& deleted, bool incremental) const;
  Status write_pages(const RowCell& cell, const FrozenGroup& group, RowWriter& row_writer,
                     bool incremental) const;
  Status write_page(const RowCell& cell, const FrozenPage& frozen, RowWriter& row_writer,
                    bool incremental) const;
  Status write_rows(const RowCell& cell, RowPage& page, uint32_t used, RowWriter& row_writer,
                    bool incremental) const;
  void release_pages(FrozenGroup& group);
  void open_pages();
  void release_unchanged_pages();
  /// Keys of rows in memory that hide what the cold store has.
  KeySet keys_in_memory(const FrozenGroup& group, bool changed_only) const;

  std::shared_ptr<const RowLayout> layout_;
  int64_t now_ms_;
  uint64_t epoch_;
  uint64_t epoch_bits_;
  size_t rows_ = 0;
  bool writes_once_ = false;
  bool is_delta_only_ = false;       // Rows that no delta has may have changed.
  std::vector<FrozenGroup> groups_;  // In rising order.
  std::unique_ptr<FrozenCold> cold_;
};

}  // namespace sluice
