// How rows of a table move between memory and its cold store.
//
// In each key group a clock hand goes over the pages; a row that was used since the hand came by
// last gets a second chance, the others leave, changed ones written together and sorted. Rows come
// back for a whole batch at once. Slots of evicted rows are used again, so the pages stay as many
// as the budget once asked for.
#include <algorithm>
#include <stdexcept>

#include "core/check.h"
#include "state/api/row_blob.h"
#include "state/api/row_table.h"

namespace sluice {
namespace {

/// Bounds the time a batch may wait for its room.
constexpr size_t kEvictRowsMax = 4096;
constexpr size_t kGroupShareMin = 16;
constexpr size_t kVisitRows = 1024;
constexpr std::string_view kRowKeysEnd = "\xff";

}  // namespace

void RowTable::throw_if_failed(const Status& status) const {
  if (!status.is_ok()) {
    throw std::runtime_error("the local store of keyed state failed: " + status.to_string());
  }
}

// ---- out ----------------------------------------------------------------------------------------

Status RowTable::make_room() {
  constexpr size_t kRemovalsMax = 256;
  // So that few are left to be written while the task stands still at a barrier.
  if (cold_->waiting_removals() >= kRemovalsMax) SLUICE_RETURN_IF_ERROR(cold_->flush_removals());
  if (live_bytes() <= options_.memory_bytes_max || cold_->keeps_rows) return Status::ok();
  clear_current_key();
  const size_t wanted = options_.memory_bytes_max / 16 * 15;
  while (live_bytes() > wanted) {
    cold_->buffer.clear();
    const size_t evicted = evict(Victims::kUnused, kEvictRowsMax, wanted);
    // Deletions come before what was written under the same key later.
    SLUICE_RETURN_IF_ERROR(cold_->flush_removals());
    SLUICE_RETURN_IF_ERROR(cold_->write(cold_->buffer));
    if (evicted == 0) break;
  }
  return Status::ok();
}

Status RowTable::evict_all() {
  clear_current_key();
  SLUICE_RETURN_IF_ERROR(cold_->flush_removals());
  while (row_count_ > 0) {
    cold_->buffer.clear();
    (void)evict(Victims::kAll, kEvictRowsMax, 0);
    SLUICE_RETURN_IF_ERROR(cold_->write(cold_->buffer));
  }
  for (uint32_t group = 0; group < groups_.size(); ++group) release_group(group);
  return Status::ok();
}

// All rows become one file and are dropped with their groups, index and pages.
Status RowTable::ingest_all() {
  clear_current_key();
  SLUICE_RETURN_IF_ERROR(cold_->flush_removals());
  cold_->buffer.clear();
  ++cold_->evictions;
  for (uint32_t index = 0; index < groups_.size(); ++index) {
    Group& group = groups_[index];
    const auto slots = static_cast<uint32_t>(group.pages.size()) << page_shift_;
    for (uint32_t row = 0; row < slots && group.rows > 0; ++row) {
      if (!has_row(group, row) || (load_header(row_at(group, row)) & kRowInUse) == 0) continue;
      (void)cold_->take_used(index, row);
      empty_row(index, row);
      char* bytes = row_at(group, row);
      if (layout_->key->destroy != nullptr) layout_->key->destroy(bytes + layout_->key_offset);
      store_header(bytes, 0);
      --group.rows;
      --row_count_;
    }
    release_group(index);
  }
  return cold_->ingest(cold_->buffer);
}

// What is restored next belongs to other groups.
void RowTable::release_group(uint32_t group_index) {
  Group& group = groups_[group_index];
  SLUICE_CHECK(group.rows == 0);
  for (const uintptr_t slot : group.pages) layout_->release_page(page_of(slot));
  release_index(group);
  if (group.index != nullptr) {
    index_bytes_ -= (size_t{group.index_mask} + 1) * sizeof(IndexEntry);
  }
  group = Group();
  cold_->hands[group_index] = 0;
}

Status RowTable::spill_restored() {
  if (live_bytes() <= options_.memory_bytes_max) return Status::ok();
  return ingest_all();
}

size_t RowTable::evict(Victims victims, size_t rows_max, size_t bytes_wanted) {
  // A few rows of each group in turn: a group's free slots serve that group alone.
  const size_t share = std::max<size_t>(kGroupShareMin, rows_max / groups_.size());
  const auto is_enough = [&](size_t evicted) {
    return evicted >= rows_max || live_bytes() <= bytes_wanted;
  };
  ++cold_->evictions;
  size_t evicted = 0;
  // After two rounds every row has lost its second chance.
  for (size_t left = 2 * groups_.size(); left > 0 && !is_enough(evicted); --left) {
    const uint32_t group = cold_->hand_group;
    cold_->hand_group = (group + 1) % static_cast<uint32_t>(groups_.size());
    evicted += evict_from(group, victims, std::min(share, rows_max - evicted), bytes_wanted);
  }
  return evicted;
}

size_t RowTable::evict_from(uint32_t group_index, Victims victims, size_t rows_max,
                            size_t bytes_wanted) {
  Group& group = groups_[group_index];
  uint32_t& hand = cold_->hands[group_index];
  size_t evicted = 0;
  const auto pages = static_cast<uint32_t>(group.pages.size());
  for (size_t slots = size_t{pages} << page_shift_; slots > 0 && group.rows > 0;) {
    if (!has_row(group, hand)) {
      const uint32_t page = (hand >> page_shift_) + 1;
      slots -= std::min(slots, (size_t{page} << page_shift_) - hand);
      hand = page < pages ? page << page_shift_ : 0;
      continue;
    }
    const uint32_t row = hand++;
    --slots;
    if ((load_header(row_at(group, row)) & kRowInUse) == 0) continue;
    const bool was_used = cold_->take_used(group_index, row);
    if (was_used && victims == Victims::kUnused) continue;
    evict_row(group_index, row);
    if (++evicted == rows_max || live_bytes() <= bytes_wanted) break;
  }
  return evicted;
}

void RowTable::evict_row(uint32_t group_index, uint32_t row) {
  empty_row(group_index, row);
  release_row(groups_[group_index], row);
}

void RowTable::empty_row(uint32_t group_index, uint32_t row) {
  Group& group = groups_[group_index];
  const bool is_shared = (group.pages[row >> page_shift_] & kShared) != 0;
  ColdWriteBuffer& writes = cold_->buffer;
  const char* bytes = row_at(group, row);
  const uint64_t header = load_header(bytes);
  const size_t epoch_at = writes.bytes().size();
  ColdRows::append_epoch(cold_->epoch(), writes.bytes());
  const size_t key_at = writes.bytes().size();
  append_row_key(group_index, bytes, writes.bytes());
  const size_t key_size = writes.bytes().size() - key_at;
  const bool is_unsaved = (header & kRowUnsaved) != 0;
  if (is_unsaved) {
    append_row_blob(*layout_, bytes, now_ms_, writes.bytes());
    // No row of a shared page has changed since the freeze.
    const bool is_changed = !is_shared && is_row_changed(header, epoch_bits_);
    cold_->add_row(writes, epoch_at, key_size, is_changed);
  }
  if (cold_->observer != nullptr) {
    const std::string row_key = writes.bytes().substr(key_at, key_size);
    cold_->observer->row_leaves(bytes, row_key, writes);
  }
  char* own = own_row(group, row);
  for (const RowCell& cell : layout_->cells) {
    if ((header & cell.ref.bit) == 0) continue;
    if (cell.type->outside_bytes != nullptr) {
      box_bytes_ -= cell.type->outside_bytes(own + cell.ref.offset);
    }
    if (cell.type->destroy != nullptr) cell.type->destroy(own + cell.ref.offset);
  }
}

void RowTable::append_row_key(uint32_t group_index, const char* row, std::string& out) const {
  cold_->append_group(group_index, out);
  layout_->key->encode(row + layout_->key_offset, out);
}

// ---- in -----------------------------------------------------------------------------------------

Status RowTable::load_wanted() {
  if (!cold_->wants_any()) return Status::ok();
  // Nothing in the table points into the arena: state owns its texts.
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  return cold_->read_wanted([&](std::string_view row_key, std::string_view blob) {
    arena->clear();
    return insert_loaded(row_key, blob);
  });
}

Status RowTable::load_rows(const std::vector<std::string>& row_keys,
                           std::vector<RowAddress>* addresses) {
  clear_current_key();
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  for (const std::string& row_key : row_keys) {
    RowAddress address;
    if (find_encoded(row_key, address)) {
      cold_->mark_used(address.group, address.row);
    } else {
      cold_->want(cold_->group_of(row_key),
                  [&](std::string& out) { out.append(ColdRows::key_of(row_key)); });
    }
  }
  SLUICE_RETURN_IF_ERROR(load_wanted());
  if (addresses == nullptr) return Status::ok();
  for (const std::string& row_key : row_keys) {
    RowAddress address;
    if (find_encoded(row_key, address)) addresses->push_back(address);
  }
  return Status::ok();
}

Status RowTable::insert_loaded(std::string_view row_key, std::string_view blob) {
  const auto damaged = [] {
    return Status::corruption("a row of the local store cannot be decoded");
  };
  RowAddress address{cold_->group_of(row_key), 0};
  if (address.group >= groups_.size()) return damaged();
  Group& group = groups_[address.group];
  address.row = allocate_row(group);
  char* row = row_at(group, address.row);
  char* key = row + layout_->key_offset;
  if (!layout_->key->construct(key, ColdRows::key_of(row_key))) return damaged();
  insert_index(group, static_cast<uint32_t>(layout_->key->hash(key)), address.row);
  uint64_t header = kRowInUse | kRowStored;
  RowBlobReader reader(*layout_, blob);
  while (reader.next()) {
    const RowCell& cell = reader.cell();
    bool is_present = (header & cell.ref.bit) != 0;
    SLUICE_RETURN_IF_ERROR(cell.type->read(row + cell.ref.offset, is_present, cell_context(cell),
                                           reader.suffix(), reader.value()));
    if (is_present) header |= cell.ref.bit;
    store_header(row, header);
  }
  if (reader.is_damaged()) return damaged();
  if ((header & kPresenceMask) == 0) {
    // All of it has expired; the stored copy goes too.
    store_header(row, header);
    free_row(address.group, address.row);
    return Status::ok();
  }
  store_header(row, header);
  cold_->mark_used(address.group, address.row);
  if (cold_->observer != nullptr) cold_->observer->row_loaded(address);
  return Status::ok();
}

bool RowTable::find_encoded(std::string_view row_key, RowAddress& address) {
  address.group = cold_->group_of(row_key);
  if (address.group >= groups_.size()) return false;
  const Group& group = groups_[address.group];
  if (group.index == nullptr) return false;
  const std::string_view encoded = ColdRows::key_of(row_key);
  const auto tag = static_cast<uint32_t>(layout_->key->hash_encoded(encoded));
  std::string other;
  for (uint32_t i = tag & group.index_mask; group.index[i].row != 0;
       i = (i + 1) & group.index_mask) {
    if (group.index[i].tag != tag) continue;
    address.row = group.index[i].row - 1;
    other.clear();
    layout_->key->encode(row_at(group, address.row) + layout_->key_offset, other);
    if (other == encoded) return true;
  }
  return false;
}

char* RowTable::cell_in_place(RowAddress address, const CellRef& cell) {
  Group& group = groups_[address.group];
  if (!has_row(group, address.row)) return nullptr;
  const uint64_t header = load_header(row_at(group, address.row));
  if ((header & kRowInUse) == 0 || (header & cell.bit) == 0) return nullptr;
  return own_row(group, address.row) + cell.offset;
}

bool RowTable::next_cold_rows(ColdVisit& visit) {
  if (!visit.scan) {
    throw_if_failed(evict_all());
    visit.view = cold_->store()->view();
    visit.scan = cold_->store()->scan(ColdFamily::kRows, {}, kRowKeysEnd, visit.view.get());
  }
  throw_if_failed(make_room());
  std::vector<std::string> row_keys;
  visit.rows.clear();
  while (row_keys.size() < kVisitRows && visit.scan->next()) {
    row_keys.emplace_back(visit.scan->key());
  }
  throw_if_failed(visit.scan->status());
  if (row_keys.empty()) return false;
  throw_if_failed(load_rows(row_keys, &visit.rows));
  // Rows that have expired are not there any more, but more may follow.
  return true;
}

}  // namespace sluice
