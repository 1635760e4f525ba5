#include "state/api/cold_rows.h"

#include <algorithm>
#include <tuple>

namespace sluice {
namespace {

void append_big_endian(uint32_t value, size_t bytes, std::string& out) {
  for (size_t i = bytes; i > 0; --i) out.push_back(static_cast<char>(value >> (8 * (i - 1))));
}

}  // namespace

std::span<const ColdWrite> ColdWriteBuffer::sorted_writes() {
  writes_.clear();
  writes_.reserve(entries_.size());
  const std::string_view all(bytes_);
  for (const Entry& entry : entries_) {
    writes_.push_back({entry.family, entry.is_removal, all.substr(entry.key.at, entry.key.size),
                       all.substr(entry.value.at, entry.value.size)});
  }
  const auto comes_before = [](const ColdWrite& a, const ColdWrite& b) {
    return a.family != b.family ? a.family < b.family : a.key < b.key;
  };
  // Restored rows leave in the order in which they came, which is that of their keys.
  if (std::is_sorted(writes_.begin(), writes_.end(), comes_before)) return writes_;
  // Stable: of two writes to one key the later one counts.
  std::stable_sort(writes_.begin(), writes_.end(), comes_before);
  return writes_;
}

ColdRows::ColdRows(std::shared_ptr<ColdStore> store, KeyGroupRange groups, bool tracks_changes)
    : hands(static_cast<size_t>(groups.size())),
      store_(std::move(store)),
      first_group_(static_cast<uint32_t>(groups.first)),
      group_count_(static_cast<uint32_t>(groups.size())),
      tracks_changes_(tracks_changes),
      used_(static_cast<size_t>(groups.size())) {}

// ---- keys ---------------------------------------------------------------------------------------

void ColdRows::append_group(uint32_t group, std::string& out) const {
  static_assert(kMaxParallelismLimit <= 1 << (8 * kGroupBytes));
  append_big_endian(first_group_ + group, kGroupBytes, out);
}

uint32_t ColdRows::group_of(std::string_view row_key) const {
  if (row_key.size() < kGroupBytes) return group_count_;
  const auto high = static_cast<uint8_t>(row_key[0]);
  const auto low = static_cast<uint8_t>(row_key[1]);
  return std::min((uint32_t{high} << 8 | low) - first_group_, group_count_);
}

void ColdRows::append_epoch(uint32_t epoch, std::string& out) {
  append_big_endian(epoch, kEpochBytes, out);
}

// ---- reading ------------------------------------------------------------------------------------

Status ColdRows::read_wanted(
    const std::function<Status(std::string_view, std::string_view)>& found) {
  SLUICE_RETURN_IF_ERROR(flush_removals());
  wanted_keys_.clear();
  const std::string_view all(wanted_);
  for (size_t i = 0; i < wanted_at_.size(); ++i) {
    const size_t end = i + 1 < wanted_at_.size() ? wanted_at_[i + 1] : all.size();
    wanted_keys_.push_back(all.substr(wanted_at_[i], end - wanted_at_[i]));
  }
  std::sort(wanted_keys_.begin(), wanted_keys_.end());
  wanted_keys_.erase(std::unique(wanted_keys_.begin(), wanted_keys_.end()), wanted_keys_.end());
  Status status = store_->multi_get(
      ColdFamily::kRows, wanted_keys_,
      [&](size_t i, std::string_view row) { return found(wanted_keys_[i], row); });
  wanted_.clear();
  wanted_at_.clear();
  return status;
}

// ---- writing ------------------------------------------------------------------------------------

void ColdRows::remove(std::string_view row_key) { removals_.emplace_back(row_key); }

Status ColdRows::flush_removals() {
  if (removals_.empty()) return Status::ok();
  removal_writes_.clear();
  std::string change_key;
  for (const std::string& row_key : removals_) {
    removal_writes_.add(ColdFamily::kRows, row_key, {}, true);
    if (!notes_changes()) continue;
    change_key.clear();
    append_epoch(epoch_, change_key);
    change_key += row_key;
    removal_writes_.add(ColdFamily::kChanges, change_key, {});
    has_changes_ = true;
  }
  removals_.clear();
  return store_->write(removal_writes_.sorted_writes());
}

void ColdRows::add_row(ColdWriteBuffer& writes, size_t epoch_at, size_t key_size, bool is_changed) {
  const ColdWriteBuffer::Range key{epoch_at + kEpochBytes, key_size};
  const size_t row_at = key.at + key.size;
  const ColdWriteBuffer::Range row{row_at, writes.bytes().size() - row_at};
  writes.add(ColdFamily::kRows, key, row);
  if (!is_changed || !notes_changes()) return;
  writes.add(ColdFamily::kChanges, {epoch_at, kEpochBytes + key_size}, row);
  has_changes_ = true;
}

Status ColdRows::write(ColdWriteBuffer& writes) {
  if (writes.is_empty()) return Status::ok();
  has_rows_ = true;
  return store_->write(writes.sorted_writes());
}

Status ColdRows::ingest(ColdWriteBuffer& writes) {
  if (writes.is_empty()) return Status::ok();
  has_rows_ = true;
  const std::span<const ColdWrite> sorted = writes.sorted_writes();
  const auto rows_end = std::find_if(sorted.begin(), sorted.end(), [](const ColdWrite& write) {
    return write.family != ColdFamily::kRows;
  });
  const auto rows = static_cast<size_t>(rows_end - sorted.begin());
  if (rows > 0) SLUICE_RETURN_IF_ERROR(store_->ingest(sorted.first(rows)));
  return rows == sorted.size() ? Status::ok() : store_->write(sorted.subspan(rows));
}

}  // namespace sluice
