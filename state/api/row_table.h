// The keyed state of one operator instance: one row per key, whatever the number of states.
//
// Per key group (only those of the subtask, made when first used) there is an index, 8-byte entries
// {low 32 bits of the key hash, row number} with linear probing, and pages of rows. The index uses
// the low bits of the hash because key groups come from the high ones. The operator sets the
// current key once per record, then every state handle reads and writes its cell of that row: no
// hash, no virtual call. A row is made by the first write and freed at the end of the record in
// which its last cell becomes empty.
//
//   group → index:  [tag|row][tag|row][ free  ]...          pages: [header key cell cell][header
//   ...
//                         └───────────────────────────────────────▲
//
// Freezing (a snapshot) shares all pages and costs O(pages); the first write to a shared page
// copies it, or, for a view that is written as a delta, the row (state/api/row_layout.h). Each row
// knows in which epoch, between two freezes, it changed last, and keys and map entries deleted
// since the last freeze are remembered, so a frozen view can be written in full or as a delta.
//
// With a cold store (the RocksDB backend) the table is a write-back cache: settle() evicts rows
// that were not used lately when the budget is passed, many at a time and sorted (row_eviction.cc),
// and load_rows() or KeyedRows::load() bring back all rows of a batch at once. Between two settle()
// calls rows stay where they are.
//
// Owned and used by one task; frozen views are read and destroyed on other threads. KeyedRows<K>
// (state/api/keyed_rows.h) adds what depends on the key type.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/key_group.h"
#include "core/snapshot.h"
#include "core/status.h"
#include "state/api/cold_rows.h"
#include "state/api/row_layout.h"

namespace sluice {

/// How far visit_rows() has come.
struct RowCursor : RowAddress {
  size_t next = 0;  // Among the rows that were loaded last.
};

class RowTable {
 public:
  struct Options {
    KeyGroupRange key_groups{0, kDefaultMaxParallelism - 1};
    int max_parallelism = kDefaultMaxParallelism;
    const Clock* clock = nullptr;
    /// 0 = no limit. Without a cold store passing it is an error.
    size_t memory_bytes_max = 0;
    /// Where rows beyond the limit go; null: nowhere.
    std::shared_ptr<ColdStore> cold_store;
    /// Deltas will be asked for: changed rows that are evicted are remembered.
    bool tracks_changes = true;
    /// Named in errors, e.g. "window-op (2/4)".
    std::string owner;
  };

  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  // -- states --

  /// Adds a state; the same name with the same type gives the same cell again. Only before seal().
  Result<CellRef> add_cell(const std::string& name, const CellType* type, StateTtl ttl,
                           const CellSchema& schema);
  /// Fixes the layout: all states are registered. Called by the operator at the end of open().
  void seal();
  bool is_sealed() const { return sealed_; }

  // -- the current row --

  bool has_current_row() const { return current_ != nullptr; }
  RowAddress current_address() const { return {current_group_, current_row_}; }
  /// The current key's cell, or null when it is empty.
  const char* read_cell(const CellRef& cell) const {
    if (current_ == nullptr || (load_header(current_) & cell.bit) == 0) return nullptr;
    return current_ + cell.offset;
  }
  /// The current key's cell for writing, and whether it held a value. The caller must leave a value
  /// in it. The bytes of a cell that held none are zero or those of an earlier value.
  char* write_cell(const CellRef& cell, bool& was_present) {
    char* row = writable_row();
    const uint64_t header = load_header(row);
    was_present = (header & cell.bit) != 0;
    store_header(row, header | cell.bit);
    return row + cell.offset;
  }
  /// Empties the current key's cell and releases what it refers to.
  void clear_cell(const CellRef& cell, const CellType& type) {
    if (read_cell(cell) == nullptr) return;
    char* row = writable_row();
    if (type.destroy != nullptr) type.destroy(row + cell.offset);
    store_header(row, load_header(row) & ~cell.bit);
  }
  /// The caller has released what the present cell refers to.
  void mark_empty(const CellRef& cell) {
    char* row = writable_row();
    store_header(row, load_header(row) & ~cell.bit);
  }
  /// An entry of a cell with suffixes was removed: deltas must say so.
  void note_removed(const CellRef& cell, std::string_view suffix);
  /// Whether note_removed() has to be called for the current row.
  bool must_note_removals() const {
    // No row of a shared page was made since the freeze.
    return current_ != nullptr &&
           ((current_bits_ & kShared) != 0 || !is_fresh(load_header(current_)));
  }

  /// Ends the record or timer: frees the row when nothing is left in it.
  void clear_current_key() {
    if (current_ != nullptr && (load_header(current_) & kPresenceMask) == 0) free_current_row();
    current_ = nullptr;
    has_key_ = false;
    writable_ = false;
  }
  /// Makes the row at `address` the current one; false when the row is free or does not exist.
  bool set_current_row(RowAddress address);
  /// The bytes of a cell of any row, or null when there is no such row; `is_present` tells whether
  /// it holds a value.
  const char* peek_cell(RowAddress address, const CellRef& cell, bool& is_present) const;

  /// Calls f(RowAddress) for every row; f may change or clear states of the current row only.
  template <class F>
  void for_each_row(F&& f) {
    if (cold_ && !cold_->is_empty()) {
      ColdVisit visit;
      while (next_cold_rows(visit)) {
        for (const RowAddress row : visit.rows) {
          if (!set_current_row(row)) continue;
          f(row);
          clear_current_key();
        }
      }
      return;
    }
    for_each_row_in_memory(f);
  }
  /// The same for the rows that are in memory.
  template <class F>
  void for_each_row_in_memory(F&& f) {
    clear_current_key();
    for (uint32_t group = 0; group < groups_.size(); ++group) {
      for (uint32_t page = 0; page < groups_[group].pages.size(); ++page) {
        for (uint32_t slot = 0; slot < page_of(groups_[group].pages[page])->used; ++slot) {
          const RowAddress row{group, page << page_shift_ | slot};
          if (!set_current_row(row)) continue;
          f(row);
          clear_current_key();
        }
      }
    }
  }

  /// Calls f() with each row from `cursor` on current, until it returns false; true at the end.
  /// Rows must not be added or removed between the calls that share a cursor.
  template <class F>
  bool visit_rows(RowCursor& cursor, F&& f) {
    if (cold_ && !cold_->is_empty()) return visit_cold_rows(cursor, f);
    clear_current_key();
    for (; cursor.group < groups_.size(); ++cursor.group, cursor.row = 0) {
      const Group& group = groups_[cursor.group];
      while (cursor.row >> page_shift_ < group.pages.size()) {
        if (!has_row(group, cursor.row)) {
          cursor.row = ((cursor.row >> page_shift_) + 1) << page_shift_;  // The next page.
          continue;
        }
        const bool found = set_current_row(cursor);
        const bool go_on = !found || f();
        clear_current_key();
        if (!go_on) return false;
        ++cursor.row;
      }
    }
    return true;
  }

  // -- time --

  int64_t now_ms() const { return now_ms_; }
  /// Reads the clock (for TTL) and cleans up a few rows. Called once per batch, without current
  /// key.
  void refresh_time();
  /// Drops expired entries of the next `rows` rows in memory.
  void expire_some(uint32_t rows);

  // -- size --

  size_t row_count() const { return row_count_; }
  /// Pages (also those that only snapshots hold), index and values outside of pages.
  size_t bytes() const {
    return static_cast<size_t>(layout_->page_bytes.load(std::memory_order_relaxed)) + index_bytes_ +
           static_cast<size_t>(box_bytes_ > 0 ? box_bytes_ : 0);
  }
  /// Handles report what their values take outside of the pages.
  void add_box_bytes(int64_t bytes) { box_bytes_ += bytes; }
  /// Resource exhausted, naming the owner and the option, when the limit is passed.
  Status check_memory() const;

  // -- beyond the memory --

  /// Ends a batch or a round of timers: evicts what is over the budget, or says that it is passed.
  /// No current key.
  Status settle() { return cold_ ? make_room() : check_memory(); }
  bool has_cold_rows() const { return cold_ != nullptr && !cold_->is_empty(); }
  bool has_cold_store() const { return cold_ != nullptr; }
  /// Whether the rows of a batch have to be loaded before it: some are in the store, or will be
  /// soon, so that it counts which ones are used. Else a cold store costs nothing.
  bool needs_load() const {
    return cold_ != nullptr &&
           (!cold_->is_empty() || live_bytes() > options_.memory_bytes_max / 4 * 3);
  }
  /// Changes whenever rows were evicted: what was loaded before may be gone.
  uint64_t evictions() const { return cold_ ? cold_->evictions : 0; }
  /// While on nothing is evicted: somebody holds addresses between two calls.
  void keep_rows(bool on) {
    if (cold_) cold_->keeps_rows = on;
  }
  /// Brings rows into memory that are only stored; `row_keys` as in the store
  /// (state/api/cold_rows.h). `addresses` (may be null) gets where those that exist are.
  Status load_rows(const std::vector<std::string>& row_keys, std::vector<RowAddress>* addresses);
  void set_observer(RowObserver* observer) {
    if (cold_) cold_->observer = observer;
  }
  const std::shared_ptr<ColdStore>& cold_store() const { return options_.cold_store; }
  /// A present cell of a row in memory, to write to without counting as a change; null when it is
  /// empty.
  char* cell_in_place(RowAddress address, const CellRef& cell);

  // -- snapshots --

  /// The state as it is now; no current key. Restarts the tracking of changes. Throws when the cold
  /// store fails.
  std::unique_ptr<FrozenState> freeze();

  const RowLayout& layout() const { return *layout_; }
  const Options& options() const { return options_; }

 protected:
  struct IndexEntry {
    uint32_t tag;
    uint32_t row;  // Plus one; 0 = free.
  };
  /// One line of the cache.
  struct alignas(64) Group {
    IndexEntry* index = nullptr;
    uint32_t index_mask = 0;
    uint32_t rows = 0;
    // Page pointers with kSlotBits.
    std::vector<uintptr_t> pages;
    std::vector<uint32_t> free_rows;
  };
  /// Shared with a frozen view, i.e. not written since the last freeze.
  static constexpr uintptr_t kShared = 1;
  /// Written since, in place, while the view of the last freeze holds it.
  static constexpr uintptr_t kGuarded = 2;
  static constexpr uintptr_t kSlotBits = kShared | kGuarded;
  static constexpr uint32_t kNoRow = UINT32_MAX;

  RowTable(Options options, const KeyType* key);
  virtual ~RowTable();

  static RowPage* page_of(uintptr_t slot) { return reinterpret_cast<RowPage*>(slot & ~kSlotBits); }
  /// Key group of a hash relative to the first group; the caller checks the range.
  uint32_t group_of(uint64_t hash) const {
    const auto mixed = static_cast<uint32_t>(murmur_mix(fold_key_hash(hash)));
    const uint32_t group = group_mask_ != 0
                               ? mixed & group_mask_
                               : mixed % static_cast<uint32_t>(options_.max_parallelism);
    return group - first_group_;
  }
  /// Whether the number is one of a row that was handed out once.
  bool has_row(const Group& group, uint32_t row) const {
    const uint32_t page = row >> page_shift_;
    return page < group.pages.size() && (row & slot_mask_) < page_of(group.pages[page])->used;
  }
  char* row_at(const Group& group, uint32_t row) const {
    return page_of(group.pages[row >> page_shift_])->rows() + size_t{row & slot_mask_} * row_bytes_;
  }
  char* writable_row() {
    if (!writable_) make_writable();
    return current_;
  }
  /// Whether a row of a page that is not shared was made since the last freeze.
  bool is_fresh(uint64_t header) const {
    return (header & kRowFresh) != 0 && is_row_changed(header, epoch_bits_);
  }
  void make_writable() {
    if (current_ == nullptr) {
      create_current_row();
    } else {
      if (current_bits_ != 0) {
        Group& group = groups_[current_group_];
        current_ = own_row(group, current_row_);
        current_bits_ = group.pages[current_row_ >> page_shift_] & kSlotBits;
      }
      store_header(current_, changed_row(load_header(current_), epoch_bits_));
    }
    writable_ = true;
  }
  /// Makes a row one that may be written to; it may move.
  char* own_row(Group& group, uint32_t row);
  /// Appends a zeroed row in use; the caller constructs the key.
  uint32_t allocate_row(Group& group);
  void insert_index(Group& group, uint32_t tag, uint32_t row);
  /// Makes the row of the current key; implemented by KeyedRows.
  virtual void create_current_row() = 0;
  /// How a state was stored, when that differs from how it is written now.
  struct StoredSchema {
    bool differs = false;
    TypeSchema suffix;
    TypeSchema value;
  };
  /// Whether entries stored under `stored` (empty: unknown) can become this state.
  Status check_schema(const RowCell& cell, const std::string& stored, StoredSchema& result) const;
  /// Restored rows are known to the snapshot they came from.
  void mark_all_stored();
  /// From here on no row has changed.
  void begin_epoch() { epoch_bits_ = row_epoch_bits(++epoch_); }
  /// While rows are restored in the order of their keys: moves all of them to the cold store when
  /// they have passed the budget.
  Status spill_restored();
  /// Reads the rows that cold_ wants into memory.
  Status load_wanted();
  void throw_if_failed(const Status& status) const;
  void require_key() const;
  CellContext cell_context(const RowCell& cell) {
    return {.ttl = cell.ttl, .now_ms = now_ms_, .box_bytes = &box_bytes_};
  }

  Options options_;
  std::unique_ptr<ColdRows> cold_;  // Null without cold store.
  std::shared_ptr<RowLayout> layout_;
  std::vector<Group> groups_;
  // What was deleted since the last freeze, by group (state/api/frozen_rows.h).
  std::vector<std::string> tombstones_;
  // Copies of layout_ for the record path.
  uint32_t row_bytes_ = 0;
  uint32_t page_shift_ = 0;
  uint32_t slot_mask_ = 0;
  uint32_t group_mask_ = 0;
  uint32_t first_group_ = 0;
  // Counts freezes (state/api/row_layout.h).
  uint64_t epoch_ = 0;
  uint64_t epoch_bits_ = row_epoch_bits(0);

  /// Makes a row of the current group the current one.
  void make_current(const Group& group, uint32_t row) {
    const uintptr_t slot = group.pages[row >> page_shift_];
    current_ = page_of(slot)->rows() + size_t{row & slot_mask_} * row_bytes_;
    current_bits_ = slot & kSlotBits;
    current_row_ = row;
  }

  char* current_ = nullptr;
  uint32_t current_group_ = 0;
  uint32_t current_row_ = 0;
  uintptr_t current_bits_ = 0;
  bool has_key_ = false;
  bool writable_ = false;
  bool sealed_ = false;

 private:
  /// Rows of the store, a few at a time in memory.
  struct ColdVisit {
    std::unique_ptr<ColdScan> scan;
    std::shared_ptr<const ColdView> view;
    std::vector<RowAddress> rows;
  };
  /// Brings the next rows into visit.rows; false at the end. All rows were stored before the first.
  bool next_cold_rows(ColdVisit& visit);
  template <class F>
  bool visit_cold_rows(RowCursor& cursor, F& f) {
    if (!cold_visit_) cold_visit_ = std::make_unique<ColdVisit>();
    for (;;) {
      for (; cursor.next < cold_visit_->rows.size(); ++cursor.next) {
        const bool found = set_current_row(cold_visit_->rows[cursor.next]);
        const bool go_on = !found || f();
        clear_current_key();
        // The addresses are needed in the next call.
        keep_rows(!go_on);
        if (!go_on) return false;
      }
      cursor.next = 0;
      if (!next_cold_rows(*cold_visit_)) break;
    }
    cold_visit_.reset();
    return true;
  }

  Status make_room();
  enum class Victims { kUnused, kAll };
  /// Takes at most `rows_max` rows out of memory, their writes into cold_->buffer; stops when
  /// live_bytes() is down to `bytes_wanted`. Returns how many.
  size_t evict(Victims victims, size_t rows_max, size_t bytes_wanted);
  size_t evict_from(uint32_t group_index, Victims victims, size_t rows_max, size_t bytes_wanted);
  void evict_row(uint32_t group_index, uint32_t row);
  /// Adds a row to the writes and releases what its cells refer to.
  void empty_row(uint32_t group_index, uint32_t row);
  Status evict_all();
  Status ingest_all();
  Status insert_loaded(std::string_view row_key, std::string_view blob);
  /// Where the row with these bytes is in memory; false when it is not.
  bool find_encoded(std::string_view row_key, RowAddress& address);
  void append_row_key(uint32_t group_index, const char* row, std::string& out) const;
  /// What evicting can make smaller, and the index.
  size_t live_bytes() const {
    return row_count_ * row_bytes_ + index_bytes_ +
           static_cast<size_t>(box_bytes_ > 0 ? box_bytes_ : 0);
  }

  /// Gives the memory of a group without rows back.
  void release_group(uint32_t group_index);
  uint32_t page_bytes_wanted() const;
  /// Makes a page one whose rows of the present epoch may be written to.
  void own_page(uintptr_t& slot);
  void replace_by_copy(uintptr_t& slot);
  uint32_t append_row(Group& group);
  void free_current_row();
  void free_row(uint32_t group_index, uint32_t row);
  /// Gives up a row whose cells are destroyed or empty.
  void release_row(Group& group, uint32_t row);
  void erase_index(Group& group, uint32_t tag, uint32_t row);
  void grow_index(Group& group);
  static void release_index(const Group& group);
  void expire_row(uint32_t group_index, uint32_t row);

  size_t row_count_ = 0;
  size_t index_bytes_ = 0;
  int64_t box_bytes_ = 0;
  int64_t now_ms_ = 0;
  RowAddress expire_cursor_;
  std::unique_ptr<ColdVisit> cold_visit_;
};

}  // namespace sluice
