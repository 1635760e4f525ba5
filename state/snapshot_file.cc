#include "state/snapshot_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "core/codec.h"
#include "core/crc32c.h"

namespace sluice {

SnapshotFileWriter::SnapshotFileWriter(FileSystem& files, std::string path,
                                       SnapshotIdentity identity, SnapshotFileOptions options)
    : files_(files), path_(std::move(path)), options_(options) {
  index_.identity = std::move(identity);
  append_snapshot_header(out_);
}

SnapshotFileWriter::~SnapshotFileWriter() {
  if (finished_ || file_ == nullptr) return;
  (void)file_->close();
  // Best effort: leftovers are removed again after the next complete checkpoint.
  (void)files_.remove(path_);
}

Status SnapshotFileWriter::fail(Status status) {
  if (status_.is_ok()) status_ = std::move(status);
  return status_;
}

// ---- entries ------------------------------------------------------------------------------------

Status SnapshotFileWriter::begin_keyed_state(std::string_view name, std::string_view schema) {
  if (!status_.is_ok()) return status_;
  SLUICE_RETURN_IF_ERROR(flush_group());
  SLUICE_RETURN_IF_ERROR(end_section());
  for (size_t i = 0; i < index_.states.size(); ++i) {
    if (index_.states[i].name != name) continue;
    if (index_.states[i].schema != schema) {
      return fail(Status::failed_precondition(
          "state '" + std::string(name) + "' is written with two schemas: " +
          index_.states[i].schema + " and " + std::string(schema)));
    }
    state_ = static_cast<uint32_t>(i);
    return Status::ok();
  }
  state_ = static_cast<uint32_t>(index_.states.size());
  index_.states.push_back({std::string(name), std::string(schema)});
  run_ends_.emplace_back();
  return Status::ok();
}

Status SnapshotFileWriter::put(int key_group, std::string_view key, std::string_view value) {
  return add(key_group, key, value, false);
}

Status SnapshotFileWriter::erase(int key_group, std::string_view key) {
  SLUICE_CHECK_MSG(index_.identity.is_delta, "only a delta has tombstones");
  return add(key_group, key, {}, true);
}

Status SnapshotFileWriter::add(int key_group, std::string_view key, std::string_view value,
                               bool is_tombstone) {
  SLUICE_CHECK(state_ != UINT32_MAX);
  SLUICE_CHECK(key_group >= 0);
  const size_t bytes_max = key.size() + value.size() + 2 * kVarintBytesMax;
  if (key_group != group_ || entries_used_ + bytes_max > options_.group_buffer_bytes_max) {
    if (!status_.is_ok()) return status_;
    SLUICE_RETURN_IF_ERROR(flush_group());
    group_ = key_group;
  }
  if (entries_used_ + bytes_max > entries_room_) {
    // One entry may be larger than the buffer's limit, but offsets are 32 bits.
    if (bytes_max > UINT32_MAX) {
      return fail(Status::failed_precondition("a single state entry is larger than 4 GiB"));
    }
    reserve_entries(entries_used_ + bytes_max);
  }
  char* const start = entries_.get() + entries_used_;
  char* to = put_varint(start, key.size());
  to = put_varint(to, is_tombstone ? 0 : value.size() + 1);
  if (!key.empty()) std::memcpy(to, key.data(), key.size());
  to += key.size();
  if (!value.empty()) std::memcpy(to, value.data(), value.size());
  to += value.size();
  const Slot slot{key_prefix(key), static_cast<uint32_t>(entries_used_),
                  static_cast<uint32_t>(to - start)};
  entries_used_ += slot.size;
  if (is_sorted_ && !slots_.empty()) is_sorted_ = is_before(slots_.back(), slot);
  slots_.push_back(slot);
  return Status::ok();
}

void SnapshotFileWriter::reserve_entries(size_t bytes) {
  const size_t room = std::max({bytes, size_t{4096}, 2 * entries_room_});
  auto grown = std::make_unique_for_overwrite<char[]>(room);
  if (entries_used_ > 0) std::memcpy(grown.get(), entries_.get(), entries_used_);
  entries_ = std::move(grown);
  entries_room_ = room;
}

SnapshotEntry SnapshotFileWriter::entry_at(const Slot& slot) const {
  SnapshotEntry entry;
  const char* start = entries_.get() + slot.offset;
  SLUICE_CHECK(parse_snapshot_entry(start, start + slot.size, entry) != nullptr);
  return entry;
}

bool SnapshotFileWriter::is_before(const Slot& a, const Slot& b) const {
  if (a.prefix != b.prefix) return a.prefix < b.prefix;
  return entry_at(a).key < entry_at(b).key;
}

Status SnapshotFileWriter::flush_group() {
  if (slots_.empty()) return Status::ok();
  if (!is_sorted_) {
    sort_slots();
    drop_repeated_keys();
  }
  choose_run();
  SLUICE_RETURN_IF_ERROR(write_entries());
  slots_.clear();
  entries_used_ = 0;
  is_sorted_ = true;
  return Status::ok();
}

// By radix over the bytes of the prefix that differ, then by comparison where prefixes are equal.
// Comparing alone takes several times as long for keys that are numbers.
void SnapshotFileWriter::sort_slots() {
  constexpr size_t kBytes = sizeof(Slot::prefix);
  constexpr size_t kValues = 256;
  const auto is_less = [this](const Slot& a, const Slot& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const int order = entry_at(a).key.compare(entry_at(b).key);
    return order != 0 ? order < 0 : a.offset < b.offset;
  };
  if (slots_.size() < kValues) {
    std::sort(slots_.begin(), slots_.end(), is_less);
    return;
  }
  std::array<std::array<uint32_t, kValues>, kBytes> starts{};
  for (const Slot& slot : slots_) {
    for (size_t byte = 0; byte < kBytes; ++byte) ++starts[byte][slot.prefix >> 8 * byte & 0xFF];
  }
  sorted_.resize(slots_.size());
  for (size_t byte = 0; byte < kBytes; ++byte) {
    auto& start = starts[byte];
    if (start[slots_.front().prefix >> 8 * byte & 0xFF] == slots_.size()) continue;
    std::exclusive_scan(start.begin(), start.end(), start.begin(), 0U);
    for (const Slot& slot : slots_) sorted_[start[slot.prefix >> 8 * byte & 0xFF]++] = slot;
    slots_.swap(sorted_);
  }
  for (size_t first = 0, end = 0; first < slots_.size(); first = end) {
    for (end = first + 1; end < slots_.size() && slots_[end].prefix == slots_[first].prefix;) ++end;
    if (end - first > 1) std::sort(&slots_[first], &slots_[first] + (end - first), is_less);
  }
}

// A key that was deleted and written again has both; what is there at the freeze counts.
void SnapshotFileWriter::drop_repeated_keys() {
  size_t kept = 0;
  for (size_t i = 1; i < slots_.size(); ++i) {
    Slot& last = slots_[kept];
    const bool repeated =
        last.prefix == slots_[i].prefix && entry_at(last).key == entry_at(slots_[i]).key;
    if (!repeated) {
      slots_[++kept] = slots_[i];
    } else if (!entry_at(slots_[i]).is_tombstone || entry_at(last).is_tombstone) {
      last = slots_[i];
    }
  }
  slots_.resize(kept + 1);
}

// Goes on with the state's last run when the collected entries come after it.
void SnapshotFileWriter::choose_run() {
  RunEnd& end = run_ends_[state_];
  const std::string_view first = entry_at(slots_.front()).key;
  const bool goes_on = group_ > end.group || (group_ == end.group && first > end.key);
  if (!goes_on) ++end.run;
  const bool same_section = has_section_ && section_.state == state_ && section_.run == end.run;
  if (!same_section) (void)end_section().is_ok();  // An error stays in status_.
  end.group = group_;
  end.key = entry_at(slots_.back()).key;
}

// ---- sections -----------------------------------------------------------------------------------

Status SnapshotFileWriter::write_entries() {
  // Sorted entries lie anywhere in the buffer, which may be larger than the near caches.
  constexpr size_t kFetchAhead = 4;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!is_sorted_ && i + kFetchAhead < slots_.size()) {
      const Slot& later = slots_[i + kFetchAhead];
      __builtin_prefetch(entries_.get() + later.offset);
      __builtin_prefetch(entries_.get() + later.offset + later.size - 1);
    }
    if (!has_block_) begin_block();
    out_.append(entries_.get() + slot.offset, slot.size);
    ++block_.count;
    if (out_.size() - section_start_ >= options_.section_bytes) {
      SLUICE_RETURN_IF_ERROR(end_section());
    }
  }
  end_block();
  entry_count_ += slots_.size();
  return status_;
}

void SnapshotFileWriter::begin_block() {
  if (!has_section_) {
    has_section_ = true;
    section_start_ = out_.size();
    section_ = SnapshotSection{};
    section_.state = state_;
    section_.run = run_ends_[state_].run;
    section_.first_group = group_;
  }
  has_block_ = true;
  block_ = GroupBlock{.group = static_cast<uint32_t>(group_)};
  block_start_ = out_.size();
  out_.append(kGroupBlockBytes, '\0');
  section_.last_group = group_;
}

void SnapshotFileWriter::end_block() {
  if (!has_block_) return;
  has_block_ = false;
  block_.bytes = static_cast<uint32_t>(out_.size() - block_start_ - kGroupBlockBytes);
  std::string header;
  ByteWriter writer(header);
  writer.fixed(block_.group);
  writer.fixed(block_.count);
  writer.fixed(block_.bytes);
  std::memcpy(&out_[block_start_], header.data(), kGroupBlockBytes);
  section_.count += block_.count;
}

Status SnapshotFileWriter::end_section() {
  if (!has_section_) return status_;
  end_block();
  has_section_ = false;
  section_.offset = flushed_bytes_ + section_start_;
  section_.size = out_.size() - section_start_;
  section_.crc32c = crc32c(0, out_.data() + section_start_, section_.size);
  checksum_until(section_start_);
  file_crc32c_ = crc32c_combine(file_crc32c_, section_.crc32c, section_.size);
  checksummed_ = out_.size();
  index_.sections.push_back(section_);
  return out_.size() >= options_.section_bytes ? flush_out() : status_;
}

Status SnapshotFileWriter::add_item_pieces(std::string_view name, Redistribution mode,
                                           std::span<const std::string_view> pieces) {
  if (!status_.is_ok()) return status_;
  size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  if (size > UINT32_MAX) {
    return fail(Status::failed_precondition("an item of operator state, " + std::string(name) +
                                            ", is larger than 4 GiB"));
  }
  std::string head;
  ByteWriter writer(head);
  writer.text(name);
  writer.fixed(mode);
  writer.fixed(static_cast<uint32_t>(size));
  if (size >= options_.section_bytes) return write_large_item(head, pieces);
  items_ += head;
  for (const std::string_view piece : pieces) items_ += piece;
  ++item_count_;
  return items_.size() >= options_.section_bytes ? flush_items() : Status::ok();
}

// A section of its own, of bytes that are never put together in memory.
Status SnapshotFileWriter::write_large_item(std::string_view head,
                                            std::span<const std::string_view> pieces) {
  SLUICE_RETURN_IF_ERROR(flush_items());
  SLUICE_RETURN_IF_ERROR(flush_group());
  SLUICE_RETURN_IF_ERROR(end_section());
  SLUICE_RETURN_IF_ERROR(flush_out());
  SnapshotSection section;
  section.kind = SectionKind::kItems;
  section.offset = flushed_bytes_;
  section.count = 1;
  const auto write = [&](std::string_view bytes) {
    // Block by block, so that the write finds it in the processor's cache.
    for (size_t at = 0; at < bytes.size(); at += options_.section_bytes) {
      const std::string_view block = bytes.substr(at, options_.section_bytes);
      section.crc32c = crc32c(section.crc32c, block.data(), block.size());
      section.size += block.size();
      SLUICE_RETURN_IF_ERROR(write_through(block));
    }
    return Status::ok();
  };
  SLUICE_RETURN_IF_ERROR(write(head));
  for (const std::string_view piece : pieces) SLUICE_RETURN_IF_ERROR(write(piece));
  file_crc32c_ = crc32c_combine(file_crc32c_, section.crc32c, section.size);
  index_.sections.push_back(section);
  has_items_ = true;
  return Status::ok();
}

Status SnapshotFileWriter::flush_items() {
  if (item_count_ == 0) return Status::ok();
  SLUICE_RETURN_IF_ERROR(flush_group());
  SLUICE_RETURN_IF_ERROR(end_section());
  SnapshotSection section;
  section.kind = SectionKind::kItems;
  section.offset = flushed_bytes_ + out_.size();
  section.size = items_.size();
  section.count = item_count_;
  section.crc32c = crc32c(items_);
  index_.sections.push_back(section);
  out_ += items_;
  items_.clear();
  item_count_ = 0;
  has_items_ = true;
  return out_.size() >= options_.section_bytes ? flush_out() : Status::ok();
}

// ---- the file -----------------------------------------------------------------------------------

Status SnapshotFileWriter::flush_out() {
  SLUICE_RETURN_IF_ERROR(write_through(out_));
  checksum_until(out_.size());
  out_.clear();
  checksummed_ = 0;
  return Status::ok();
}

Status SnapshotFileWriter::write_through(std::string_view bytes) {
  if (!status_.is_ok()) return status_;
  if (file_ == nullptr) {
    auto opened = files_.open_write(path_, WriteMode::kCreateNew);
    if (!opened.is_ok()) return fail(opened.status());
    file_ = std::move(*opened);
  }
  const Status appended = file_->append(bytes);
  if (!appended.is_ok()) return fail(appended);
  flushed_bytes_ += bytes.size();
  return Status::ok();
}

void SnapshotFileWriter::checksum_until(size_t end) {
  file_crc32c_ = crc32c(file_crc32c_, out_.data() + checksummed_, end - checksummed_);
  checksummed_ = end;
}

Result<SnapshotFile> SnapshotFileWriter::finish() {
  SLUICE_CHECK(!finished_);
  if (!status_.is_ok()) return status_;
  SLUICE_RETURN_IF_ERROR(flush_items());
  SLUICE_RETURN_IF_ERROR(flush_group());
  SLUICE_RETURN_IF_ERROR(end_section());
  SnapshotTrailer trailer;
  trailer.index_offset = flushed_bytes_ + out_.size();
  std::string index;
  append_snapshot_index(index_, index);
  trailer.index_size = index.size();
  trailer.index_crc32c = crc32c(index);
  out_ += index;
  append_snapshot_trailer(trailer, out_);

  SnapshotFile result;
  result.identity = index_.identity;
  result.size = flushed_bytes_ + out_.size();
  result.entries = entry_count_;
  result.has_items = has_items_;
  if (file_ == nullptr && out_.size() <= options_.inline_bytes_max) {
    result.crc32c = crc32c(out_);
    result.inline_bytes = std::move(out_);
    finished_ = true;
    return result;
  }
  SLUICE_RETURN_IF_ERROR(flush_out());
  // After a failed fsync the kernel may have dropped the bytes: the file is given up, never synced
  // a second time.
  const Status synced = file_->sync();
  if (!synced.is_ok()) return fail(synced);
  const Status closed = file_->close();
  if (!closed.is_ok()) return fail(closed);
  result.path = path_;
  result.crc32c = file_crc32c_;
  finished_ = true;
  return result;
}

}  // namespace sluice
