#include "state/api/frozen_rows.h"

#include <optional>

#include "core/check.h"
#include "core/codec.h"
#include "state/api/row_blob.h"

namespace sluice {
namespace {

/// Keys of `cell` that were deleted. Those written again are taken out by the caller.
KeySet deleted_keys(const FrozenGroup& group, const RowCell& cell) {
  KeySet keys;
  ByteReader reader(group.tombstones);
  while (!reader.at_end()) {
    const auto of_cell = reader.fixed<uint32_t>();
    const std::string_view key = reader.text();
    const bool applies =
        of_cell == kAllPlainCells ? !cell.type->has_suffix : of_cell == cell.ref.index;
    if (applies) keys.emplace(key);
  }
  return keys;
}

/// Keeps the table from changing rows of the view in an open page.
class OpenPage {
 public:
  explicit OpenPage(const FrozenPage& frozen) : page_(frozen.is_open ? frozen.page : nullptr) {
    if (page_ != nullptr) page_->view_lock.enter();
  }
  ~OpenPage() {
    if (page_ != nullptr) page_->view_lock.leave();
  }
  OpenPage(const OpenPage&) = delete;
  OpenPage& operator=(const OpenPage&) = delete;

  /// Rows of the view that the table has changed since, or null.
  RowPage* saved() const { return page_ != nullptr ? page_->saved : nullptr; }

 private:
  RowPage* page_;
};

}  // namespace

void append_tombstone(std::string& tombstones, uint32_t cell, std::string_view key) {
  ByteWriter writer(tombstones);
  writer.fixed(cell);
  writer.text(key);
}

FrozenRows::FrozenRows(std::shared_ptr<const RowLayout> layout, int64_t now_ms, uint64_t epoch)
    : layout_(std::move(layout)),
      now_ms_(now_ms),
      epoch_(epoch),
      epoch_bits_(row_epoch_bits(epoch)) {}

FrozenRows::~FrozenRows() {
  for (FrozenGroup& group : groups_) release_pages(group);
}

void FrozenRows::release_pages(FrozenGroup& group) {
  for (const FrozenPage& frozen : group.pages) {
    if (frozen.is_open) layout_->close_page(frozen.page);
    layout_->release_page(frozen.page);
  }
  group.pages.clear();
}

// Right after the freeze the task writes to most pages of a busy state: it would copy them before
// an I/O thread has come to any of this.
void FrozenRows::will_write_once(bool incremental) {
  writes_once_ = true;
  is_delta_only_ = incremental;
  if (!incremental) return;
  release_unchanged_pages();
  open_pages();
}

void FrozenRows::open_pages() {
  constexpr uint32_t kTableAndThis = 2;
  for (FrozenGroup& group : groups_) {
    for (FrozenPage& frozen : group.pages) {
      // With an older view, too, the rows of both would have to be saved.
      if (frozen.page->references.load(std::memory_order_acquire) != kTableAndThis) continue;
      layout_->open_page(frozen.page, epoch_);
      frozen.is_open = true;
    }
  }
}

void FrozenRows::release_unchanged_pages() {
  for (FrozenGroup& group : groups_) {
    std::erase_if(group.pages, [&](const FrozenPage& page) {
      if (!page.is_changed) layout_->release_page(page.page);
      return !page.is_changed;
    });
  }
}

void FrozenRows::add_group(FrozenGroup group, uint32_t rows) {
  groups_.push_back(std::move(group));
  rows_ += rows;
}

/// Puts the entries of one row; the key's bytes are encoded once.
class FrozenRows::RowWriter final : public CellWriter {
 public:
  RowWriter(SnapshotWriter& writer, int group, KeySet& deleted)
      : writer_(writer), group_(group), deleted_(deleted) {}

  void start(const KeyType& key, const char* bytes) {
    key_.clear();
    key.encode(bytes, key_);
    key_bytes_ = key_.size();
  }
  void start(std::string_view key) {
    key_.assign(key);
    key_bytes_ = key_.size();
  }
  void put(std::string_view suffix, std::string_view value) override {
    if (!status_.is_ok()) return;
    key_.resize(key_bytes_);
    key_.append(suffix);
    if (!deleted_.empty()) deleted_.erase(key_);
    status_ = writer_.put(group_, key_, value);
  }
  void erase() {
    if (!status_.is_ok()) return;
    key_.resize(key_bytes_);
    if (!deleted_.empty()) deleted_.erase(key_);
    status_ = writer_.erase(group_, key_);
  }
  const Status& status() const { return status_; }

 private:
  SnapshotWriter& writer_;
  int group_;
  KeySet& deleted_;
  std::string key_;
  size_t key_bytes_ = 0;
  Status status_;
};

Status FrozenRows::write(SnapshotWriter& writer, bool incremental) {
  if (incremental && cold_ && !cold_->tracks_changes()) {
    return Status::internal("a delta was asked of a table that does not track changes");
  }
  SLUICE_CHECK(incremental || !is_delta_only_);
  for (const RowCell& cell : layout_->cells) {
    SLUICE_RETURN_IF_ERROR(writer.begin_keyed_state(cell.name, cell.schema));
    FrozenCold::Walk cold;
    if (cold_) cold = incremental ? cold_->changes() : cold_->rows();
    const bool is_last = writes_once_ && &cell == &layout_->cells.back();
    for (FrozenGroup& group : groups_) {
      SLUICE_RETURN_IF_ERROR(write_group(cell, group, cold, writer, incremental));
      if (is_last) release_pages(group);
    }
  }
  return Status::ok();
}

Status FrozenRows::write_group(const RowCell& cell, const FrozenGroup& group,
                               FrozenCold::Walk& cold, SnapshotWriter& writer,
                               bool incremental) const {
  KeySet deleted;
  if (incremental) deleted = deleted_keys(group, cell);
  RowWriter row_writer(writer, group.group, deleted);
  if (cold_) {
    SLUICE_RETURN_IF_ERROR(write_cold(cell, group, cold, row_writer, deleted, incremental));
  }
  SLUICE_RETURN_IF_ERROR(write_pages(cell, group, row_writer, incremental));
  for (const std::string& key : deleted) {
    SLUICE_RETURN_IF_ERROR(writer.erase(group.group, key));
  }
  return Status::ok();
}

Status FrozenRows::write_pages(const RowCell& cell, const FrozenGroup& group, RowWriter& row_writer,
                               bool incremental) const {
  for (const FrozenPage& frozen : group.pages) {
    if (incremental && !frozen.is_changed) continue;
    SLUICE_RETURN_IF_ERROR(write_page(cell, frozen, row_writer, incremental));
  }
  return Status::ok();
}

Status FrozenRows::write_page(const RowCell& cell, const FrozenPage& frozen, RowWriter& row_writer,
                              bool incremental) const {
  const OpenPage open(frozen);
  SLUICE_RETURN_IF_ERROR(write_rows(cell, *frozen.page, frozen.used, row_writer, incremental));
  RowPage* saved = open.saved();
  if (saved == nullptr) return Status::ok();
  return write_rows(cell, *saved, saved->used, row_writer, incremental);
}

// What rows refer to has long left the cache, so it is fetched some rows before it is written:
// each step of fetching runs kFetchAhead rows in front of the next one.
Status FrozenRows::write_rows(const RowCell& cell, RowPage& page, uint32_t used,
                              RowWriter& row_writer, bool incremental) const {
  constexpr uint32_t kFetchAhead = 4;
  const CellContext context{.ttl = cell.ttl, .now_ms = now_ms_};
  const uint64_t looked_at = incremental ? kRowInUse | kRowEpochMask : kRowInUse;
  const uint64_t wanted = incremental ? kRowInUse | epoch_bits_ : kRowInUse;
  const auto row_at = [&](uint32_t slot) {
    return page.rows() + size_t{slot} * layout_->row_bytes;
  };
  const uint32_t lead = cell.type->fetch_steps * kFetchAhead;
  for (uint32_t i = 0; i < used + lead; ++i) {
    for (uint32_t step = 0; step < cell.type->fetch_steps; ++step) {
      const uint32_t slot = i - step * kFetchAhead;  // Before the first one: beyond the last.
      if (slot >= used) continue;
      const char* row = row_at(slot);
      if ((load_header(row) & (looked_at | cell.ref.bit)) == (wanted | cell.ref.bit)) {
        cell.type->fetch(row + cell.ref.offset, step);
      }
    }
    if (i < lead) continue;
    const char* row = row_at(i - lead);
    const uint64_t header = load_header(row);
    if ((header & looked_at) != wanted) continue;
    const bool present = (header & cell.ref.bit) != 0;
    // A changed row that lacks the value may have had it at the freeze before.
    const bool erase =
        incremental && !present && !cell.type->has_suffix && (header & kRowFresh) == 0;
    if (!present && !erase) continue;
    row_writer.start(*layout_->key, row + layout_->key_offset);
    if (present) {
      cell.type->write(row + cell.ref.offset, context, row_writer);
    } else {
      row_writer.erase();
    }
    SLUICE_RETURN_IF_ERROR(row_writer.status());
  }
  return Status::ok();
}

KeySet FrozenRows::keys_in_memory(const FrozenGroup& group, bool changed_only) const {
  KeySet keys;
  std::string key;
  const auto add_keys = [&](RowPage& page, uint32_t used) {
    for (uint32_t slot = 0; slot < used; ++slot) {
      const char* row = page.rows() + size_t{slot} * layout_->row_bytes;
      const uint64_t header = load_header(row);
      const bool is_wanted =
          changed_only ? is_row_changed(header, epoch_bits_) : (header & kRowStored) != 0;
      if ((header & kRowInUse) == 0 || !is_wanted) continue;
      key.clear();
      layout_->key->encode(row + layout_->key_offset, key);
      keys.insert(key);
    }
  };
  for (const FrozenPage& frozen : group.pages) {
    if (changed_only && !frozen.is_changed) continue;
    const OpenPage open(frozen);
    add_keys(*frozen.page, frozen.used);
    if (open.saved() != nullptr) add_keys(*open.saved(), open.saved()->used);
  }
  return keys;
}

Status FrozenRows::write_cold(const RowCell& cell, const FrozenGroup& group, FrozenCold::Walk& cold,
                              RowWriter& row_writer, KeySet& deleted, bool incremental) const {
  std::optional<KeySet> newer;  // Made when there is something to compare with.
  std::string key_text;
  return cold.visit_group(group.group, [&](std::string_view key, std::string_view row) {
    key_text.assign(key);
    if (row.empty()) {
      if (!cell.type->has_suffix) deleted.insert(key_text);
      return Status::ok();
    }
    if (!newer) newer = keys_in_memory(group, incremental);
    if (newer->count(key_text) > 0) return Status::ok();
    const auto expiry = expiry_of_row_blob(row);
    if (expiry && *expiry <= now_ms_) return Status::ok();
    row_writer.start(key);
    bool is_present = false;
    RowBlobReader reader(*layout_, row);
    while (reader.next()) {
      if (reader.cell().ref.index != cell.ref.index) continue;
      is_present = true;
      if (!reader.is_expired(now_ms_)) row_writer.put(reader.suffix(), reader.value());
    }
    if (reader.is_damaged()) return Status::corruption("a row of the local store is damaged");
    if (incremental && !is_present && !cell.type->has_suffix) row_writer.erase();
    return row_writer.status();
  });
}

}  // namespace sluice
