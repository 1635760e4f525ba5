#include "state/api/row_table.h"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "core/check.h"
#include "state/api/frozen_rows.h"
#include "state/api/page_memory.h"

namespace sluice {
namespace {

constexpr uint32_t kIndexEntriesMin = 8;
constexpr uint32_t kFirstPageRows = 4;
constexpr uint32_t kExpireRowsPerBatch = 64;

uint32_t align_up(uint32_t offset, uint32_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

RowTable::RowTable(Options options, const KeyType* key)
    : options_(std::move(options)), layout_(std::make_shared<RowLayout>()) {
  SLUICE_CHECK(options_.key_groups.size() > 0);
  SLUICE_CHECK(key->alignment <= alignof(RowPage));
  layout_->key = key;
  layout_->key_offset = align_up(RowLayout::kHeaderBytes, key->alignment);
  layout_->row_bytes = layout_->key_offset + key->bytes;
  groups_.resize(static_cast<size_t>(options_.key_groups.size()));
  tombstones_.resize(groups_.size());
  first_group_ = static_cast<uint32_t>(options_.key_groups.first);
  const auto max_parallelism = static_cast<uint32_t>(options_.max_parallelism);
  group_mask_ = std::has_single_bit(max_parallelism) ? max_parallelism - 1 : 0;
  if (options_.clock != nullptr) now_ms_ = options_.clock->wall_ms();
  if (options_.cold_store) {
    SLUICE_CHECK(options_.memory_bytes_max > 0);
    cold_ = std::make_unique<ColdRows>(options_.cold_store, options_.key_groups,
                                       options_.tracks_changes);
  }
}

RowTable::~RowTable() {
  for (Group& group : groups_) {
    for (const uintptr_t slot : group.pages) layout_->release_page(page_of(slot));
    release_index(group);
  }
}

void RowTable::release_index(const Group& group) {
  if (group.index == nullptr) return;
  PageMemory::release(group.index, (size_t{group.index_mask} + 1) * sizeof(IndexEntry));
}

// ---- states -------------------------------------------------------------------------------------

Result<CellRef> RowTable::add_cell(const std::string& name, const CellType* type, StateTtl ttl,
                                   const CellSchema& schema) {
  for (const RowCell& cell : layout_->cells) {
    if (cell.name != name) continue;
    if (cell.type == type && cell.ttl == ttl) return cell.ref;
    return Status::invalid_argument("state '" + name +
                                    "' is registered twice with different types or time to live");
  }
  if (sealed_) {
    return Status::failed_precondition("state '" + name +
                                       "' is registered after open(); register all states there");
  }
  if (layout_->cells.size() == kCellsMax) {
    return Status::invalid_argument("more than " + std::to_string(kCellsMax) +
                                    " keyed states in one operator ('" + name + "')");
  }
  SLUICE_CHECK(type->alignment <= alignof(RowPage));
  RowCell cell;
  cell.name = name;
  const std::string& key = layout_->key->schema;
  cell.schema = "(" + (type->has_suffix ? "(" + key + "," + schema.suffix + ")" : key) + "," +
                schema.value + ")";
  cell.type = type;
  cell.ttl = ttl;
  cell.ref.offset = align_up(layout_->row_bytes, type->alignment);
  cell.ref.index = static_cast<uint32_t>(layout_->cells.size());
  cell.ref.bit = uint64_t{1} << cell.ref.index;
  layout_->row_bytes = cell.ref.offset + type->bytes;
  layout_->any_ttl = layout_->any_ttl || ttl.is_on();
  layout_->cells.push_back(cell);
  return cell.ref;
}

void RowTable::seal() {
  if (sealed_) return;
  uint32_t alignment = std::max<uint32_t>(RowLayout::kHeaderBytes, layout_->key->alignment);
  for (const RowCell& cell : layout_->cells) alignment = std::max(alignment, cell.type->alignment);
  layout_->row_bytes = align_up(layout_->row_bytes, alignment);
  const uint32_t room = page_bytes_wanted() - static_cast<uint32_t>(sizeof(RowPage));
  layout_->rows_per_page = std::max<uint32_t>(1, room / layout_->row_bytes);
  layout_->page_shift = static_cast<uint32_t>(std::bit_width(layout_->rows_per_page - 1));
  row_bytes_ = layout_->row_bytes;
  page_shift_ = layout_->page_shift;
  slot_mask_ = layout_->slot_mask();
  sealed_ = true;
}

// Each group may have one page that is hardly filled: in a table with a budget that must be little.
uint32_t RowTable::page_bytes_wanted() const {
  constexpr size_t kPagesPerGroup = 8;
  constexpr size_t kPageBytesMin = 1024;
  if (!cold_) return RowLayout::kPageBytes;
  const size_t bytes = options_.memory_bytes_max / groups_.size() / kPagesPerGroup;
  return static_cast<uint32_t>(
      std::clamp<size_t>(bytes, kPageBytesMin, size_t{RowLayout::kPageBytes}));
}

// ---- rows ---------------------------------------------------------------------------------------

bool RowTable::set_current_row(RowAddress address) {
  clear_current_key();
  if (address.group >= groups_.size()) return false;
  const Group& group = groups_[address.group];
  if (!has_row(group, address.row)) return false;
  if ((load_header(row_at(group, address.row)) & kRowInUse) == 0) return false;
  current_group_ = address.group;
  make_current(group, address.row);
  has_key_ = true;
  return true;
}

const char* RowTable::peek_cell(RowAddress address, const CellRef& cell, bool& is_present) const {
  is_present = false;
  const Group& group = groups_[address.group];
  if (!has_row(group, address.row)) return nullptr;
  const char* row = row_at(group, address.row);
  const uint64_t header = load_header(row);
  if ((header & kRowInUse) == 0) return nullptr;
  is_present = (header & cell.bit) != 0;
  return row + cell.offset;
}

void RowTable::require_key() const {
  // User code that keeps a handle beyond its call, or uses keyed state where there is no key.
  if (!has_key_) {
    throw std::logic_error("keyed state was written outside of a call that has a current key");
  }
  if (!sealed_) throw std::logic_error("keyed state was written in open(), where there is no key");
}

uint32_t RowTable::allocate_row(Group& group) {
  uint32_t row = 0;
  if (!group.free_rows.empty()) {
    row = group.free_rows.back();
    group.free_rows.pop_back();
    own_page(group.pages[row >> page_shift_]);
  } else {
    row = append_row(group);
  }
  char* bytes = row_at(group, row);
  std::memset(bytes + RowLayout::kHeaderBytes, 0, row_bytes_ - RowLayout::kHeaderBytes);
  store_header(bytes, kRowInUse | kRowFresh | kRowUnsaved | epoch_bits_);
  ++group.rows;
  ++row_count_;
  return row;
}

uint32_t RowTable::append_row(Group& group) {
  const uint32_t full = layout_->rows_per_page;
  if (group.pages.empty() || page_of(group.pages.back())->used == full) {
    const uint32_t capacity = group.pages.empty() ? std::min(full, kFirstPageRows) : full;
    group.pages.push_back(reinterpret_cast<uintptr_t>(layout_->make_page(capacity, epoch_)));
  }
  const auto index = static_cast<uint32_t>(group.pages.size() - 1);
  SLUICE_CHECK(index < (kNoRow >> page_shift_));
  uintptr_t& slot = group.pages[index];
  own_page(slot);
  if (page_of(slot)->used == page_of(slot)->capacity) {
    if ((slot & kGuarded) != 0) replace_by_copy(slot);
    RowPage* small = page_of(slot);
    slot =
        reinterpret_cast<uintptr_t>(layout_->grow_page(small, std::min(small->capacity * 2, full)));
  }
  return index << page_shift_ | page_of(slot)->used++;
}

// Only rows of the view of the last freeze can be told from what the table writes now.
void RowTable::own_page(uintptr_t& slot) {
  if ((slot & kShared) == 0) return;
  RowPage* page = page_of(slot);
  if (page->references.load(std::memory_order_acquire) == 1) {
    layout_->begin_epoch(page, epoch_);
    slot = reinterpret_cast<uintptr_t>(page);
  } else if (page->view_epoch + 1 == epoch_ && epoch_ < page->clear_epoch) {
    slot = reinterpret_cast<uintptr_t>(page) | kGuarded;
  } else {
    replace_by_copy(slot);
  }
}

void RowTable::replace_by_copy(uintptr_t& slot) {
  RowPage* page = page_of(slot);
  RowPage* copy = layout_->copy_page(page);
  layout_->begin_epoch(copy, epoch_);
  layout_->release_page(page);
  slot = reinterpret_cast<uintptr_t>(copy);
}

char* RowTable::own_row(Group& group, uint32_t row) {
  uintptr_t& slot = group.pages[row >> page_shift_];
  own_page(slot);
  if ((slot & kGuarded) != 0) {
    RowPage* page = page_of(slot);
    if (page->references.load(std::memory_order_acquire) == 1) {
      slot = reinterpret_cast<uintptr_t>(page);
    } else if (!layout_->save_row(page, row_at(group, row))) {
      replace_by_copy(slot);
    }
  }
  return row_at(group, row);
}

void RowTable::free_current_row() { free_row(current_group_, current_row_); }

void RowTable::free_row(uint32_t group_index, uint32_t row) {
  Group& group = groups_[group_index];
  char* bytes = own_row(group, row);
  if ((load_header(bytes) & kRowStored) != 0) {
    std::string row_key;
    append_row_key(group_index, bytes, row_key);
    cold_->remove(row_key);
  } else if (!is_fresh(load_header(bytes))) {
    std::string encoded;
    layout_->key->encode(bytes + layout_->key_offset, encoded);
    append_tombstone(tombstones_[group_index], kAllPlainCells, encoded);
  }
  release_row(group, row);
}

void RowTable::release_row(Group& group, uint32_t row) {
  char* bytes = row_at(group, row);
  char* key = bytes + layout_->key_offset;
  const auto tag = static_cast<uint32_t>(layout_->key->hash(key));
  if (layout_->key->destroy != nullptr) layout_->key->destroy(key);
  store_header(bytes, 0);
  erase_index(group, tag, row);
  group.free_rows.push_back(row);
  --group.rows;
  --row_count_;
}

void RowTable::note_removed(const CellRef& cell, std::string_view suffix) {
  if (!must_note_removals()) return;
  // Rows that come from the cold store are never new: this would grow until a freeze that may not
  // come.
  if (cold_ && !cold_->tracks_changes()) return;
  std::string key;
  layout_->key->encode(current_ + layout_->key_offset, key);
  key.append(suffix);
  append_tombstone(tombstones_[current_group_], cell.index, key);
}

// ---- index --------------------------------------------------------------------------------------

void RowTable::insert_index(Group& group, uint32_t tag, uint32_t row) {
  // `group.rows` counts the new row already.
  if (group.index == nullptr || uint64_t{group.rows} * 4 > (uint64_t{group.index_mask} + 1) * 3) {
    grow_index(group);
  }
  uint32_t at = tag & group.index_mask;
  while (group.index[at].row != 0) at = (at + 1) & group.index_mask;
  group.index[at] = {tag, row + 1};
}

void RowTable::grow_index(Group& group) {
  const size_t old_size = group.index == nullptr ? 0 : size_t{group.index_mask} + 1;
  const size_t size = std::max<size_t>(kIndexEntriesMin, old_size * 2);
  auto* fresh = static_cast<IndexEntry*>(PageMemory::allocate(size * sizeof(IndexEntry)));
  std::memset(static_cast<void*>(fresh), 0, size * sizeof(IndexEntry));
  const auto mask = static_cast<uint32_t>(size - 1);
  for (size_t i = 0; i < old_size; ++i) {
    const IndexEntry entry = group.index[i];
    if (entry.row == 0) continue;
    uint32_t at = entry.tag & mask;
    while (fresh[at].row != 0) at = (at + 1) & mask;
    fresh[at] = entry;
  }
  release_index(group);
  group.index = fresh;
  group.index_mask = mask;
  index_bytes_ += (size - old_size) * sizeof(IndexEntry);
}

void RowTable::erase_index(Group& group, uint32_t tag, uint32_t row) {
  const uint32_t mask = group.index_mask;
  uint32_t hole = tag & mask;
  while (group.index[hole].row != row + 1) {
    SLUICE_CHECK(group.index[hole].row != 0);
    hole = (hole + 1) & mask;
  }
  // Backward shift: later entries of the run move up unless they would stand before their home.
  for (uint32_t next = (hole + 1) & mask; group.index[next].row != 0; next = (next + 1) & mask) {
    const uint32_t home = group.index[next].tag & mask;
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      group.index[hole] = group.index[next];
      hole = next;
    }
  }
  group.index[hole] = {0, 0};
}

// ---- time to live -------------------------------------------------------------------------------

void RowTable::refresh_time() {
  if (!layout_->any_ttl) return;
  SLUICE_CHECK(options_.clock != nullptr);
  now_ms_ = options_.clock->wall_ms();
  if (cold_) cold_->store()->set_now_ms(now_ms_);
  expire_some(kExpireRowsPerBatch);
}

void RowTable::expire_some(uint32_t rows) {
  if (!layout_->any_ttl || row_count_ == 0) return;
  clear_current_key();
  const size_t groups_max = groups_.size() + 1;
  size_t groups_seen = 0;
  while (rows > 0 && groups_seen < groups_max) {
    Group& group = groups_[expire_cursor_.group];
    if (!has_row(group, expire_cursor_.row)) {
      // The next page, or the next group.
      const uint32_t page = (expire_cursor_.row >> page_shift_) + 1;
      if (page < group.pages.size()) {
        expire_cursor_.row = page << page_shift_;
        continue;
      }
      expire_cursor_.row = 0;
      expire_cursor_.group = (expire_cursor_.group + 1) % static_cast<uint32_t>(groups_.size());
      ++groups_seen;
      continue;
    }
    expire_row(expire_cursor_.group, expire_cursor_.row++);
    --rows;
  }
}

void RowTable::expire_row(uint32_t group_index, uint32_t row) {
  Group& group = groups_[group_index];
  char* bytes = row_at(group, row);
  uint64_t header = load_header(bytes);
  if ((header & kRowInUse) == 0) return;
  bool owned = false;
  for (const RowCell& cell : layout_->cells) {
    if (!cell.ttl.is_on() || cell.type->expire == nullptr || (header & cell.ref.bit) == 0) continue;
    if (!owned) {
      // Expiry may write into the cell: the page must be ours.
      bytes = own_row(group, row);
      header = load_header(bytes);
      owned = true;
    }
    if (cell.type->expire(bytes + cell.ref.offset, cell_context(cell))) {
      header = changed_row(header & ~cell.ref.bit, epoch_bits_);
    }
  }
  if (!owned) return;
  store_header(bytes, header);
  if ((header & kPresenceMask) == 0) free_row(group_index, row);
}

// ---- size and snapshots -------------------------------------------------------------------------

Status RowTable::check_memory() const {
  if (options_.memory_bytes_max == 0 || bytes() <= options_.memory_bytes_max) return Status::ok();
  return Status::resource_exhausted("the keyed state of " + options_.owner + " takes " +
                                        std::to_string(bytes()) + " bytes, more than the " +
                                        std::to_string(options_.memory_bytes_max) +
                                        " that this operator may hold; raise state.backend.memory",
                                    Retry::kNever);
}

std::unique_ptr<FrozenState> RowTable::freeze() {
  clear_current_key();
  SLUICE_CHECK(sealed_);
  auto frozen = std::make_unique<FrozenRows>(layout_, now_ms_, epoch_);
  if (cold_) {
    throw_if_failed(cold_->flush_removals());
    frozen->set_cold(std::make_unique<FrozenCold>(*cold_));
  }
  for (uint32_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    if (group.pages.empty() && tombstones_[i].empty() && !cold_) continue;
    FrozenGroup copy;
    copy.group = options_.key_groups.first + static_cast<int>(i);
    copy.tombstones = std::move(tombstones_[i]);
    tombstones_[i].clear();
    copy.pages.reserve(group.pages.size());
    for (uintptr_t& slot : group.pages) {
      RowPage* page = page_of(slot);
      page->references.fetch_add(1, std::memory_order_relaxed);
      copy.pages.push_back({.page = page, .used = page->used, .is_changed = (slot & kShared) == 0});
      slot = reinterpret_cast<uintptr_t>(page) | kShared;
    }
    frozen->add_group(std::move(copy), group.rows);
  }
  begin_epoch();
  return frozen;
}

Status RowTable::check_schema(const RowCell& cell, const std::string& stored,
                              StoredSchema& result) const {
  if (stored.empty() || stored == cell.schema) return Status::ok();
  const auto refuse = [&](const std::string& why) {
    return Status::failed_precondition("state '" + cell.name + "': " + why);
  };
  SLUICE_ASSIGN_OR_RETURN(TypeSchema was, parse_schema(stored));
  SLUICE_ASSIGN_OR_RETURN(TypeSchema now, parse_schema(cell.schema));
  if (was.kind != SchemaKind::kTuple || was.children.size() != 2) {
    return refuse("stored with the schema " + stored + ", which is none of a keyed state");
  }
  // The key decides the key group and the order of entries: it can never change (rule 41).
  if (to_text(was.children[0]) != to_text(now.children[0])) {
    return refuse("the key was stored as " + to_text(was.children[0]) + " and is now " +
                  to_text(now.children[0]) + "; keys cannot change");
  }
  const std::string why = describe_incompatibility(was.children[1], now.children[1]);
  if (!why.empty()) return refuse(why);
  result.differs = true;
  result.value = std::move(was.children[1]);
  if (cell.type->has_suffix) result.suffix = std::move(was.children[0].children[1]);
  return Status::ok();
}

void RowTable::mark_all_stored() {
  begin_epoch();
  for (Group& group : groups_) {
    for (const uintptr_t slot : group.pages) {
      if ((slot & kSlotBits) == 0) layout_->begin_epoch(page_of(slot), epoch_);
    }
  }
  for (std::string& tombstones : tombstones_) tombstones.clear();
}

}  // namespace sluice
