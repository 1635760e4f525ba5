#include "state/api/frozen_cold.h"

namespace sluice {
namespace {

/// Above every row key: key groups are below 2^15.
constexpr std::string_view kRowKeysEnd = "\xff";

std::string epoch_key(uint32_t epoch) {
  std::string key;
  ColdRows::append_epoch(epoch, key);
  return key;
}

}  // namespace

FrozenCold::FrozenCold(ColdRows& cold)
    : store_(cold.store()),
      epoch_(cold.epoch()),
      has_rows_(!cold.is_empty()),
      has_changes_(cold.has_changes()),
      tracks_changes_(cold.tracks_changes()) {
  SLUICE_CHECK(cold.waiting_removals() == 0);
  if (has_rows_) view_ = store_->view();
  cold.next_epoch();
}

FrozenCold::~FrozenCold() {
  view_.reset();
  // What cannot be removed is never read again; the directory goes with the attempt.
  if (has_changes_) {
    (void)store_->remove_range(ColdFamily::kChanges, epoch_key(epoch_), epoch_key(epoch_ + 1));
  }
}

FrozenCold::Walk FrozenCold::rows() const {
  Walk walk;
  if (has_rows_) walk.scan_ = store_->scan(ColdFamily::kRows, {}, kRowKeysEnd, view_.get());
  return walk;
}

FrozenCold::Walk FrozenCold::changes() const {
  Walk walk;
  if (has_changes_) {
    walk.scan_ =
        store_->scan(ColdFamily::kChanges, epoch_key(epoch_), epoch_key(epoch_ + 1), view_.get());
    walk.skip_bytes_ = ColdRows::kEpochBytes;
  }
  return walk;
}

Status FrozenCold::Walk::visit_group(int group, const Visit& visit) {
  if (!scan_) return Status::ok();
  while (is_at_entry_ || scan_->next()) {
    is_at_entry_ = false;
    const std::string_view row_key = scan_->key().substr(skip_bytes_);
    if (row_key.size() < ColdRows::kGroupBytes) {
      return Status::corruption("a key of the local store is too short");
    }
    const int found = static_cast<uint8_t>(row_key[0]) << 8 | static_cast<uint8_t>(row_key[1]);
    if (found > group) {
      is_at_entry_ = true;
      return Status::ok();
    }
    if (found == group) {
      SLUICE_RETURN_IF_ERROR(visit(ColdRows::key_of(row_key), scan_->value()));
    }
  }
  Status status = scan_->status();
  scan_.reset();
  return status;
}

}  // namespace sluice
