// The keyed state of an operator whose key type is K: lookup, creation and restore of rows.
//
//   rows.set_current_key(key, stable_hash(key));   // once per record; finds the row
//   count.get_or_create() += 1;                    // any number of state handles, no lookup
//   rows.clear_current_key();                      // frees the row if nothing is left
//
// With a cold store load() brings all rows of a batch into memory at once; after it the operator
// uses the call with a hint, which looks in memory only. The call with the key alone reads the
// store for that one key when the row is not in memory.
//
// See state/api/row_table.h for layout, snapshots and ownership.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "core/codec.h"
#include "core/stable_hash.h"
#include "state/api/key_order.h"
#include "state/api/row_table.h"
#include "state/api/stored_value.h"

namespace sluice {

/// The bytes of a key in snapshots and stores; equal keys have equal bytes.
template <class K>
void append_key(const K& key, std::string& out) {
  ByteWriter writer(out);
  if constexpr (contains_floating<K>()) {
    K canonical(key);
    make_canonical(canonical);
    Codec<K>::encode(canonical, writer);
  } else {
    Codec<K>::encode(key, writer);
  }
}

template <class K>
const KeyType* key_type() {
  using Stored = StoredValue<K>;
  static const KeyType kType = [] {
    KeyType type;
    type.bytes = Stored::kBytes;
    type.alignment = Stored::kAlignment;
    if constexpr (Stored::kHasReferences) {
      type.share = [](char* key) { Stored::share(key); };
      type.destroy = [](char* key) { Stored::destroy(key); };
    }
    type.encode = [](const char* key, std::string& out) { append_key(Stored::get(key), out); };
    type.construct = [](char* key, std::string_view encoded) {
      ByteReader reader(encoded);
      Stored::construct(key, decode<K>(reader));
      return !reader.failed() && reader.at_end();
    };
    type.hash_encoded = [](std::string_view encoded) {
      ByteReader reader(encoded);
      return stable_hash(decode<K>(reader));
    };
    type.schema = schema_text<K>();
    type.hash = [](const char* key) { return stable_hash(Stored::get(key)); };
    return type;
  }();
  return &kType;
}

template <class K>
class KeyedRows final : public RowTable {
 public:
  explicit KeyedRows(Options options) : RowTable(std::move(options), key_type<K>()) {
    key_offset_ = layout_->key_offset;
    group_count_ = static_cast<uint32_t>(groups_.size());
  }

  /// Where a hash belongs: the key group relative to the table's first one. Computed for a whole
  /// batch at once it costs next to nothing.
  using RowTable::group_of;

  /// Makes `key` current: all handles now read and write its row. `key` and texts in it must live
  /// until clear_current_key() or the next key; `hash` = stable_hash(key). The key must belong to
  /// one of the table's key groups.
  void set_current_key(const K& key, uint64_t hash) {
    set_current_key(key, hash, group_of(hash), kNoHint);
    if (current_ == nullptr && has_cold_rows()) load_current_key();
  }
  /// `hint` is what prefetch_row() answered for the key, however long ago.
  void set_current_key(const K& key, uint64_t hash, uint32_t group, uint32_t hint) {
    clear_current_key();
    SLUICE_CHECK(group < group_count_);
    key_ = &key;
    key_hash_ = hash;
    has_key_ = true;
    current_group_ = group;
    const Group& in = groups_[group];
    if (hint != kNoHint) {
      make_current(in, hint);
      if (is_row_of(current_, key)) return;
      current_ = nullptr;
    }
    find_row(in, key, static_cast<uint32_t>(hash));
  }
  /// "Not known where the row is."
  static constexpr uint32_t kNoHint = UINT32_MAX;

  /// The current key; valid like the argument of set_current_key, or while the row lives.
  const K& current_key() const {
    require_key();
    return current_ != nullptr ? Stored::get(current_ + key_offset_) : *key_;
  }

  /// Asks the processor for the index line, and later for the row, of a key that comes soon: the
  /// misses of several keys overlap. Worth it when the table is larger than the caches. Always
  /// inlined: GCC takes a function that only prefetches for one without effect and drops the calls.
  [[gnu::always_inline]] inline void prefetch_index(uint64_t hash, uint32_t group) const {
    if (group >= group_count_) return;
    const Group& in = groups_[group];
    __builtin_prefetch(in.index + (static_cast<uint32_t>(hash) & in.index_mask));
  }
  /// The row's probable number, as a hint for set_current_key().
  [[gnu::always_inline]] inline uint32_t prefetch_row(uint64_t hash, uint32_t group) const {
    if (group >= group_count_) return kNoHint;
    const Group& in = groups_[group];
    if (in.index == nullptr) return kNoHint;
    const auto tag = static_cast<uint32_t>(hash);
    for (uint32_t i = tag & in.index_mask; in.index[i].row != 0; i = (i + 1) & in.index_mask) {
      if (in.index[i].tag != tag) continue;
      const uint32_t row = in.index[i].row - 1;
      const char* at = row_at(in, row);
      // Most rows are shorter than a line of the cache, and some of them lie in two.
      __builtin_prefetch(at, 1);
      __builtin_prefetch(at + row_bytes_ - 1, 1);
      return row;
    }
    return kNoHint;
  }
  /// Whether prefetching pays: the table does not fit the near caches.
  bool wants_prefetch() const { return row_count() * row_bytes_ > kNearCacheBytes; }

  /// Makes sure that the rows of a batch are in memory as far as they exist, until evictions()
  /// changes. `key_of(i)` is the key with hashes[i] in groups[i], for i in [from, to); hints[i]
  /// gets where its row is. No current key.
  template <class KeyOf>
  Status load(uint32_t from, uint32_t to, KeyOf&& key_of, const uint64_t* hashes,
              const uint32_t* groups, uint32_t* hints);

  /// What to do with states in the snapshot that nobody registered. The default refuses them; an
  /// operator that keeps some of its state elsewhere accepts their names, a job that runs with
  /// --allow-non-restored-state accepts all.
  using AcceptsUnknown = std::function<bool(const std::string& state_name)>;

  /// Reads the registered states back. Layout sealed, table empty.
  Status restore(SnapshotReader& reader, const AcceptsUnknown& accepts_unknown = nullptr);

 private:
  using Stored = StoredValue<K>;
  static constexpr size_t kNearCacheBytes = 512 * 1024;

  bool is_row_of(const char* row, const K& key) const {
    return (load_header(row) & kRowInUse) != 0 && keys_equal(Stored::get(row + key_offset_), key);
  }
  void find_row(const Group& group, const K& key, uint32_t tag) {
    const uint32_t row = number_of(group, key, tag);
    if (row != kNoRow) make_current(group, row);
  }
  uint32_t number_of(const Group& group, const K& key, uint32_t tag) const {
    if (group.index == nullptr) return kNoRow;
    uint32_t i = tag & group.index_mask;
    while (group.index[i].row != 0) {
      if (group.index[i].tag == tag) {
        const uint32_t row = group.index[i].row - 1;
        if (is_row_of(row_at(group, row), key)) return row;
      }
      i = (i + 1) & group.index_mask;
    }
    return kNoRow;
  }
  void load_current_key();
  void create_current_row() override {
    require_key();
    Group& group = groups_[current_group_];
    make_current(group, allocate_row(group));
    Stored::construct(current_ + key_offset_, *key_);
    insert_index(group, static_cast<uint32_t>(key_hash_), current_row_);
  }
  /// A state of the snapshot that is registered.
  struct RestoredState {
    const RowCell* cell = nullptr;
    StoredSchema schema;
  };
  Status find_restored_states(SnapshotReader& reader, const AcceptsUnknown& accepts_unknown,
                              std::vector<std::string>& names,
                              std::vector<RestoredState>& states) const;
  /// Makes the row of a stored key current; what follows the key is its suffix.
  Status begin_restored_row(int key_group, std::string_view key_bytes, std::string& row_key);
  Status restore_entry(const RestoredState& state, std::string_view suffix, std::string_view value);

  uint32_t key_offset_ = 0;
  uint32_t group_count_ = 0;
  std::optional<K> restored_key_;  // While restoring.
  const K* key_ = nullptr;
  uint64_t key_hash_ = 0;
};

// ---- implementation -----------------------------------------------------------------------------

template <class K>
template <class KeyOf>
Status KeyedRows<K>::load(uint32_t from, uint32_t to, KeyOf&& key_of, const uint64_t* hashes,
                          const uint32_t* groups, uint32_t* hints) {
  constexpr uint32_t kIndexAhead = 16;
  constexpr uint32_t kRowAhead = 8;
  clear_current_key();
  const bool reads_store = has_cold_rows();
  for (uint32_t i = from; i < std::min(to, from + kIndexAhead); ++i) {
    prefetch_index(hashes[i], groups[i]);
  }
  for (uint32_t i = from; i < std::min(to, from + kRowAhead); ++i) {
    hints[i] = prefetch_row(hashes[i], groups[i]);
  }
  for (uint32_t i = from; i < to; ++i) {
    if (i + kIndexAhead < to) prefetch_index(hashes[i + kIndexAhead], groups[i + kIndexAhead]);
    if (const uint32_t next = i + kRowAhead; next < to) {
      hints[next] = prefetch_row(hashes[next], groups[next]);
    }
    // Asking for a key of another subtask is reported when it becomes the current one.
    if (groups[i] >= group_count_ || (!reads_store && hints[i] == kNoHint)) continue;
    const Group& in = groups_[groups[i]];
    const K& key = key_of(i);
    if (hints[i] == kNoHint || !is_row_of(row_at(in, hints[i]), key)) {
      hints[i] = number_of(in, key, static_cast<uint32_t>(hashes[i]));
    }
    if (hints[i] != kNoHint) {
      cold_->mark_used(groups[i], hints[i]);
    } else if (reads_store) {
      cold_->want(groups[i], [&](std::string& out) { append_key(key, out); });
    }
  }
  return load_wanted();
}

template <class K>
void KeyedRows<K>::load_current_key() {
  const K& key = *key_;
  const uint64_t hash = key_hash_;
  const uint32_t group = current_group_;
  cold_->want(group, [&](std::string& out) { append_key(key, out); });
  throw_if_failed(load_wanted());
  set_current_key(key, hash, group, kNoHint);
}

template <class K>
Status KeyedRows<K>::restore(SnapshotReader& reader, const AcceptsUnknown& accepts_unknown) {
  SLUICE_CHECK(is_sealed() && row_count() == 0);
  std::vector<std::string> names;
  std::vector<RestoredState> states;
  SLUICE_RETURN_IF_ERROR(find_restored_states(reader, accepts_unknown, names, states));
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  std::string row_key;
  int row_group = -1;
  if (cold_) cold_->set_restoring(true);
  SLUICE_RETURN_IF_ERROR(reader.visit_keyed_states(
      names, [&](size_t state, int key_group, std::string_view key_bytes, std::string_view value) {
        // Keys are self-delimiting: none is the beginning of another one.
        if (key_group != row_group || !key_bytes.starts_with(row_key)) {
          // Nothing restored points into the arena: state owns its texts.
          clear_current_key();
          if (cold_) SLUICE_RETURN_IF_ERROR(spill_restored());
          arena->clear();
          SLUICE_RETURN_IF_ERROR(begin_restored_row(key_group, key_bytes, row_key));
          row_group = key_group;
        }
        return restore_entry(states[state], key_bytes.substr(row_key.size()), value);
      }));
  clear_current_key();
  mark_all_stored();
  if (cold_) {
    SLUICE_RETURN_IF_ERROR(spill_restored());
    cold_->set_restoring(false);
  }
  return Status::ok();
}

template <class K>
Status KeyedRows<K>::find_restored_states(SnapshotReader& reader,
                                          const AcceptsUnknown& accepts_unknown,
                                          std::vector<std::string>& names,
                                          std::vector<RestoredState>& states) const {
  for (const std::string& name : reader.keyed_state_names()) {
    RestoredState state;
    for (const RowCell& cell : layout_->cells) {
      if (cell.name == name) state.cell = &cell;
    }
    if (state.cell == nullptr) {
      if (accepts_unknown && accepts_unknown(name)) continue;
      return Status::failed_precondition(
          "the snapshot holds state '" + name +
          "', which the operator does not register; allow non-restored state to drop it");
    }
    SLUICE_RETURN_IF_ERROR(check_schema(*state.cell, reader.schema_of(name), state.schema));
    names.push_back(name);
    states.push_back(std::move(state));
  }
  return Status::ok();
}

template <class K>
Status KeyedRows<K>::begin_restored_row(int key_group, std::string_view key_bytes,
                                        std::string& row_key) {
  ByteReader key_reader(key_bytes);
  restored_key_.emplace(decode<K>(key_reader));
  if (key_reader.failed()) return Status::corruption("a key of the snapshot cannot be decoded");
  const uint64_t hash = stable_hash(*restored_key_);
  if (key_group_of(hash, options_.max_parallelism) != key_group) {
    return Status::corruption("a key stands in another key group than its hash says");
  }
  if (!options_.key_groups.contains(key_group)) {
    return Status::corruption("a key of another subtask was given to this one");
  }
  row_key.assign(key_bytes.substr(0, key_bytes.size() - key_reader.remaining()));
  // Rows that were spilled already have other keys.
  set_current_key(*restored_key_, hash, group_of(hash), kNoHint);
  return Status::ok();
}

template <class K>
Status KeyedRows<K>::restore_entry(const RestoredState& state, std::string_view suffix,
                                   std::string_view value) {
  const RowCell& cell = *state.cell;
  char* row = writable_row();
  const uint64_t header = load_header(row);
  bool present = (header & cell.ref.bit) != 0;
  CellContext context = cell_context(cell);
  if (state.schema.differs) {
    context.stored_value = &state.schema.value;
    context.stored_suffix = &state.schema.suffix;
  }
  const Status status = cell.type->read(row + cell.ref.offset, present, context, suffix, value);
  if (!status.is_ok()) return status.with_prefix("state '" + cell.name + "': ");
  store_header(row, present ? header | cell.ref.bit : header & ~cell.ref.bit);
  return Status::ok();
}

}  // namespace sluice
