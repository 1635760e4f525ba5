// The keyed state of an operator whose key type is K: lookup, creation and restore of rows.
//
//   rows.set_current_key(key, stable_hash(key));   // once per record; finds the row
//   count.get_or_create() += 1;                    // any number of state handles, no lookup
//   rows.clear_current_key();                      // frees the row if nothing is left
//
// See state/api/row_table.h for layout, snapshots and ownership.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>

#include "core/codec.h"
#include "core/stable_hash.h"
#include "state/api/key_order.h"
#include "state/api/row_table.h"
#include "state/api/stored_value.h"

namespace sluice {

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
    type.encode = [](const char* key, std::string& out) {
      ByteWriter writer(out);
      Codec<K>::encode(Stored::get(key), writer);
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
      __builtin_prefetch(row_at(in, row), 1);
      return row;
    }
    return kNoHint;
  }
  /// Whether prefetching pays: the table does not fit the near caches.
  bool wants_prefetch() const { return row_count() * row_bytes_ > kNearCacheBytes; }

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
    if (group.index == nullptr) return;
    uint32_t i = tag & group.index_mask;
    while (group.index[i].row != 0) {
      if (group.index[i].tag == tag) {
        const uint32_t row = group.index[i].row - 1;
        if (is_row_of(row_at(group, row), key)) {
          make_current(group, row);
          return;
        }
      }
      i = (i + 1) & group.index_mask;
    }
  }
  void create_current_row() override {
    require_key();
    Group& group = groups_[current_group_];
    make_current(group, allocate_row(group));
    Stored::construct(current_ + key_offset_, *key_);
    insert_index(group, static_cast<uint32_t>(key_hash_), current_row_);
  }
  Status restore_entry(const RowCell& cell, const StoredSchema& schema, int key_group,
                       std::string_view key_bytes, std::string_view value);

  uint32_t key_offset_ = 0;
  uint32_t group_count_ = 0;
  const K* key_ = nullptr;
  uint64_t key_hash_ = 0;
};

// ---- implementation -----------------------------------------------------------------------------

template <class K>
Status KeyedRows<K>::restore(SnapshotReader& reader, const AcceptsUnknown& accepts_unknown) {
  SLUICE_CHECK(is_sealed() && row_count() == 0);
  for (const std::string& name : reader.keyed_state_names()) {
    const RowCell* found = nullptr;
    for (const RowCell& cell : layout_->cells) {
      if (cell.name == name) found = &cell;
    }
    if (found == nullptr) {
      if (accepts_unknown && accepts_unknown(name)) continue;
      return Status::failed_precondition(
          "the snapshot holds state '" + name +
          "', which the operator does not register; allow non-restored state to drop it");
    }
    StoredSchema schema;
    SLUICE_RETURN_IF_ERROR(check_schema(*found, reader.schema_of(name), schema));
    const TextArenaRef arena(new TextArena());
    const ArenaScope scope(arena.get());
    SLUICE_RETURN_IF_ERROR(reader.visit_keyed_state(
        name, [&](int key_group, std::string_view key, std::string_view value) {
          // Nothing restored points into the arena: state owns its texts.
          arena->clear();
          return restore_entry(*found, schema, key_group, key, value);
        }));
  }
  clear_current_key();
  mark_all_stored();
  return Status::ok();
}

template <class K>
Status KeyedRows<K>::restore_entry(const RowCell& cell, const StoredSchema& schema, int key_group,
                                   std::string_view key_bytes, std::string_view value) {
  const auto damaged = [&](const char* what) {
    return Status::corruption("state '" + cell.name + "': " + what);
  };
  ByteReader key_reader(key_bytes);
  const K key = decode<K>(key_reader);
  if (key_reader.failed()) return damaged("a key cannot be decoded");
  const uint64_t hash = stable_hash(key);
  if (key_group_of(hash, options_.max_parallelism) != key_group) {
    return damaged("a key stands in another key group than its hash says");
  }
  if (!options_.key_groups.contains(key_group)) {
    return damaged("a key of another subtask was given to this one");
  }
  set_current_key(key, hash);
  const std::string_view suffix = key_bytes.substr(key_bytes.size() - key_reader.remaining());
  char* row = writable_row();
  const uint64_t header = load_header(row);
  bool present = (header & cell.ref.bit) != 0;
  CellContext context = cell_context(cell);
  if (schema.differs) {
    context.stored_value = &schema.value;
    context.stored_suffix = &schema.suffix;
  }
  const Status status = cell.type->read(row + cell.ref.offset, present, context, suffix, value);
  if (!status.is_ok()) {
    return status.with_prefix("state '" + cell.name + "': ");
  }
  store_header(row, present ? header | cell.ref.bit : header & ~cell.ref.bit);
  clear_current_key();
  return Status::ok();
}

}  // namespace sluice
