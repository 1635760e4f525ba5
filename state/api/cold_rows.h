// What a table of rows keeps about the part of it that stands in a cold store.
//
// Row keys in the store are [u16 key group, big endian][encoded key], so that groups lie together
// (semantics rule 41). Which rows were used lately is one bit per row beside the pages: reading a
// row must not write to a page that a frozen view holds.
//
// Epochs count the freezes. A changed row that is evicted is also stored under the epoch, and so is
// the deletion of a stored row: the delta of that epoch consists of these and of the changed rows
// in memory, which are newer. Invariant: a removal that waits here is written before anything is
// read.
//
// Used by the table's task only; frozen parts (state/api/frozen_cold.h) are used by other threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/key_group.h"
#include "state/api/cold_store.h"
#include "state/api/row_layout.h"

namespace sluice {

/// Where one row is; stays valid while the row is in memory.
struct RowAddress {
  uint32_t group = 0;  // Relative to the first key group of the table.
  uint32_t row = 0;
};

/// Writes on their way to the store; keys and values stand in one block of bytes.
class ColdWriteBuffer {
 public:
  void clear() {
    bytes_.clear();
    entries_.clear();
  }
  bool is_empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  /// Bytes that are appended here are named by their place afterwards.
  std::string& bytes() { return bytes_; }
  struct Range {
    size_t at = 0;
    size_t size = 0;
  };
  void add(ColdFamily family, Range key, Range value, bool is_removal = false) {
    entries_.push_back({family, is_removal, key, value});
  }
  void add(ColdFamily family, std::string_view key, std::string_view value,
           bool is_removal = false) {
    const Range key_range{bytes_.size(), key.size()};
    bytes_.append(key);
    const Range value_range{bytes_.size(), value.size()};
    bytes_.append(value);
    add(family, key_range, value_range, is_removal);
  }
  /// Sorted by family and key; valid until the next change.
  std::span<const ColdWrite> sorted_writes();

 private:
  struct Entry {
    ColdFamily family;
    bool is_removal;
    Range key;
    Range value;
  };
  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<ColdWrite> writes_;
};

/// Told when rows come and go; implemented by whoever refers to rows by their address.
class RowObserver {
 public:
  virtual ~RowObserver() = default;
  /// The row was read from the cold store.
  virtual void row_loaded(RowAddress address) = 0;
  /// The row leaves the memory; may add to what is written with it. The key as in the store.
  virtual void row_leaves(const char* row, std::string_view row_key, ColdWriteBuffer& writes) = 0;
};

class ColdRows {
 public:
  static constexpr size_t kGroupBytes = 2;
  static constexpr size_t kEpochBytes = 4;

  ColdRows(std::shared_ptr<ColdStore> store, KeyGroupRange groups, bool tracks_changes);

  // -- keys --

  void append_group(uint32_t group, std::string& out) const;
  /// Relative to the table's first group; past the last one when the key is none of the table's.
  uint32_t group_of(std::string_view row_key) const;
  static std::string_view key_of(std::string_view row_key) { return row_key.substr(kGroupBytes); }
  static void append_epoch(uint32_t epoch, std::string& out);

  // -- use --

  void mark_used(uint32_t group, uint32_t row) {
    std::vector<uint64_t>& used = used_[group];
    const size_t word = row >> 6;
    if (word >= used.size()) used.resize(word + word / 2 + 16);
    used[word] |= uint64_t{1} << (row & 63);
  }
  /// Whether the row was used since the last question.
  bool take_used(uint32_t group, uint32_t row) {
    std::vector<uint64_t>& used = used_[group];
    const size_t word = row >> 6;
    if (word >= used.size()) return false;
    const uint64_t bit = uint64_t{1} << (row & 63);
    const bool was_used = (used[word] & bit) != 0;
    used[word] &= ~bit;
    return was_used;
  }

  // -- reading --

  /// Whether no row was ever written: nothing to look for.
  bool is_empty() const { return !has_rows_; }
  /// Notes a key to be read; `encode(std::string&)` appends the key's bytes.
  template <class Encode>
  void want(uint32_t group, Encode&& encode) {
    wanted_at_.push_back(wanted_.size());
    append_group(group, wanted_);
    encode(wanted_);
  }
  bool wants_any() const { return !wanted_at_.empty(); }
  /// Reads what is wanted: found(row key, row). Forgets what was wanted.
  Status read_wanted(const std::function<Status(std::string_view, std::string_view)>& found);

  // -- writing --

  /// The row with this key was deleted, and the store has a copy of it.
  void remove(std::string_view row_key);
  size_t waiting_removals() const { return removals_.size(); }
  Status flush_removals();
  /// Adds a row that leaves the memory to `writes`, whose last bytes are [epoch][row key][row].
  void add_row(ColdWriteBuffer& writes, size_t epoch_at, size_t key_size, bool is_changed);
  Status write(ColdWriteBuffer& writes);
  /// The same for rows that the store does not have, all keys above those of the calls before.
  Status ingest(ColdWriteBuffer& writes);

  // -- snapshots --

  uint32_t epoch() const { return epoch_; }
  bool has_changes() const { return has_changes_; }
  bool tracks_changes() const { return tracks_changes_; }
  /// While a table is restored nothing counts as changed.
  void set_restoring(bool restoring) { restoring_ = restoring; }
  void next_epoch() {
    ++epoch_;
    has_changes_ = false;
  }

  const std::shared_ptr<ColdStore>& store() const { return store_; }

  // What the table needs while it evicts.
  ColdWriteBuffer buffer;
  uint32_t hand_group = 0;
  std::vector<uint32_t> hands;  // By group: the row to look at next.
  RowObserver* observer = nullptr;
  uint64_t evictions = 0;
  /// Addresses are held by somebody: nothing may be evicted.
  bool keeps_rows = false;

 private:
  bool notes_changes() const { return tracks_changes_ && !restoring_; }

  const std::shared_ptr<ColdStore> store_;
  const uint32_t first_group_;
  const uint32_t group_count_;
  const bool tracks_changes_;
  bool restoring_ = false;
  bool has_rows_ = false;
  bool has_changes_ = false;
  uint32_t epoch_ = 1;
  std::vector<std::vector<uint64_t>> used_;
  std::string wanted_;
  std::vector<size_t> wanted_at_;
  std::vector<std::string_view> wanted_keys_;
  std::vector<std::string> removals_;
  ColdWriteBuffer removal_writes_;
};

}  // namespace sluice
