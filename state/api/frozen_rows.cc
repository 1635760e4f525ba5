#include "state/api/frozen_rows.h"

#include "core/codec.h"

namespace sluice {
namespace {

using KeySet = std::unordered_set<std::string>;

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

/// Puts the entries of one row; the key's bytes are encoded once.
class RowWriter final : public CellWriter {
 public:
  RowWriter(SnapshotWriter& writer, int group, KeySet& deleted)
      : writer_(writer), group_(group), deleted_(deleted) {}

  void start(const KeyType& key, const char* bytes) {
    key_.clear();
    key.encode(bytes, key_);
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

}  // namespace

void append_tombstone(std::string& tombstones, uint32_t cell, std::string_view key) {
  ByteWriter writer(tombstones);
  writer.fixed(cell);
  writer.text(key);
}

FrozenRows::FrozenRows(std::shared_ptr<const RowLayout> layout, int64_t now_ms)
    : layout_(std::move(layout)), now_ms_(now_ms) {}

FrozenRows::~FrozenRows() {
  for (const FrozenGroup& group : groups_) {
    for (const FrozenPage& page : group.pages) layout_->release_page(page.page);
  }
}

void FrozenRows::add_group(FrozenGroup group, uint32_t rows) {
  groups_.push_back(std::move(group));
  rows_ += rows;
}

Status FrozenRows::write(SnapshotWriter& writer, bool incremental) {
  for (const RowCell& cell : layout_->cells) {
    SLUICE_RETURN_IF_ERROR(writer.begin_keyed_state(cell.name, cell.schema));
    for (const FrozenGroup& group : groups_) {
      SLUICE_RETURN_IF_ERROR(write_group(cell, group, writer, incremental));
    }
  }
  return Status::ok();
}

Status FrozenRows::write_group(const RowCell& cell, const FrozenGroup& group,
                               SnapshotWriter& writer, bool incremental) const {
  KeySet deleted;
  if (incremental) deleted = deleted_keys(group, cell);
  RowWriter row_writer(writer, group.group, deleted);
  const CellContext context{.ttl = cell.ttl, .now_ms = now_ms_};
  for (const FrozenPage& frozen : group.pages) {
    if (incremental && !frozen.is_changed) continue;
    for (uint32_t slot = 0; slot < frozen.page->used; ++slot) {
      const char* row = frozen.page->rows() + size_t{slot} * layout_->row_bytes;
      const uint64_t header = load_header(row);
      if ((header & kRowInUse) == 0 || (incremental && (header & kRowDirty) == 0)) continue;
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
  }
  for (const std::string& key : deleted) {
    SLUICE_RETURN_IF_ERROR(writer.erase(group.group, key));
  }
  return Status::ok();
}

}  // namespace sluice
