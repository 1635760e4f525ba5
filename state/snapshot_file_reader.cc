#include "state/snapshot_file_reader.h"

#include <algorithm>

#include "core/codec.h"
#include "core/crc32c.h"

namespace sluice {

// ---- opening ------------------------------------------------------------------------------------

Result<std::unique_ptr<SnapshotFileReader>> SnapshotFileReader::open(FileSystem& files,
                                                                     const SnapshotFile& file) {
  std::unique_ptr<SnapshotFileReader> reader;
  if (file.is_inline()) {
    reader.reset(new SnapshotFileReader());
    reader->inline_bytes_ = file.inline_bytes;
    reader->size_ = file.inline_bytes.size();
    reader->name_ = "state of operator '" + file.identity.operator_uid + "' subtask " +
                    std::to_string(file.identity.subtask) + " in the metadata";
    SLUICE_RETURN_IF_ERROR(reader->open_index());
  } else {
    SLUICE_ASSIGN_OR_RETURN(reader, open_path(files, file.path));
    if (reader->size_ != file.size) {
      return reader->corrupt("it has " + std::to_string(reader->size_) + " bytes, not " +
                             std::to_string(file.size));
    }
  }
  if (!(reader->index_.identity == file.identity)) {
    const SnapshotIdentity& found = reader->index_.identity;
    return reader->corrupt(
        "it holds operator '" + found.operator_uid + "' subtask " + std::to_string(found.subtask) +
        " of checkpoint " + std::to_string(found.checkpoint.value) + ", not operator '" +
        file.identity.operator_uid + "' subtask " + std::to_string(file.identity.subtask) +
        " of checkpoint " + std::to_string(file.identity.checkpoint.value));
  }
  return reader;
}

Result<std::unique_ptr<SnapshotFileReader>> SnapshotFileReader::open_path(FileSystem& files,
                                                                          const std::string& path) {
  std::unique_ptr<SnapshotFileReader> reader(new SnapshotFileReader());
  reader->name_ = path;
  SLUICE_ASSIGN_OR_RETURN(const FileInfo info, files.stat(path));
  reader->size_ = info.size;
  SLUICE_ASSIGN_OR_RETURN(reader->file_, files.open_read(path));
  SLUICE_RETURN_IF_ERROR(reader->open_index());
  return reader;
}

Status SnapshotFileReader::corrupt(const std::string& what) const {
  return Status::corruption(name_ + ": " + what);
}

Status SnapshotFileReader::open_index() {
  if (size_ < kSnapshotHeaderBytes + kSnapshotTrailerBytes) return corrupt("it is cut short");
  std::string bytes;
  SLUICE_RETURN_IF_ERROR(read(0, kSnapshotHeaderBytes, bytes));
  const Status header = check_snapshot_header(bytes);
  if (!header.is_ok()) return header.with_prefix(name_ + ": ");
  SLUICE_RETURN_IF_ERROR(read(size_ - kSnapshotTrailerBytes, kSnapshotTrailerBytes, bytes));
  const auto trailer = parse_snapshot_trailer(bytes, size_);
  if (!trailer.is_ok()) return trailer.status().with_prefix(name_ + ": ");
  SLUICE_RETURN_IF_ERROR(read(trailer->index_offset, trailer->index_size, bytes));
  auto index = parse_snapshot_index(bytes, *trailer);
  if (!index.is_ok()) return index.status().with_prefix(name_ + ": ");
  index_ = std::move(*index);
  return Status::ok();
}

// ---- reading ------------------------------------------------------------------------------------

Status SnapshotFileReader::read(uint64_t offset, size_t size, std::string& to) const {
  if (file_ == nullptr) {
    to.assign(inline_bytes_.substr(offset, size));
  } else {
    to.resize(size);
    SLUICE_ASSIGN_OR_RETURN(const size_t got, file_->pread(offset, to.data(), size));
    to.resize(got);
  }
  return to.size() == size ? Status::ok() : corrupt("it is cut short");
}

Status SnapshotFileReader::load(const SnapshotSection& section, std::string& to) const {
  SLUICE_RETURN_IF_ERROR(read(section.offset, section.size, to));
  if (crc32c(to) == section.crc32c) return Status::ok();
  return corrupt("the checksum of the bytes at " + std::to_string(section.offset) +
                 " does not match");
}

Result<std::vector<SnapshotItem>> SnapshotFileReader::read_items() const {
  std::vector<SnapshotItem> items;
  std::string bytes;
  for (const SnapshotSection& section : index_.sections) {
    if (section.kind != SectionKind::kItems) continue;
    SLUICE_RETURN_IF_ERROR(load(section, bytes));
    ByteReader reader(bytes);
    for (uint32_t i = 0; i < section.count; ++i) {
      SnapshotItem item;
      item.name = std::string(reader.text());
      item.mode = reader.fixed<Redistribution>();
      item.item = std::string(reader.text());
      if (reader.failed()) return corrupt("an item of operator state cannot be read");
      items.push_back(std::move(item));
    }
  }
  return items;
}

Status SnapshotFileReader::verify(uint32_t expected) const {
  constexpr size_t kBlockBytes = 1024 * 1024;
  std::string bytes;
  uint32_t crc = 0;
  for (uint64_t offset = 0; offset < size_;) {
    const size_t size = std::min<uint64_t>(kBlockBytes, size_ - offset);
    SLUICE_RETURN_IF_ERROR(read(offset, size, bytes));
    crc = crc32c(crc, bytes.data(), bytes.size());
    offset += size;
  }
  return crc == expected ? Status::ok() : corrupt("the checksum of the file does not match");
}

// ---- cursor -------------------------------------------------------------------------------------

bool RunCursor::next_section() {
  while (next_section_ < sections_.size()) {
    const SnapshotSection& section = sections_[next_section_++];
    if (section.last_group < groups_.first || section.first_group > groups_.last) continue;
    status_ = file_.load(section, bytes_);
    if (!status_.is_ok()) return false;
    at_ = bytes_.data();
    return true;
  }
  return false;
}

bool RunCursor::next_block() {
  while (true) {
    const char* end = bytes_.data() + bytes_.size();
    if (at_ == nullptr || at_ == end) {
      if (!status_.is_ok() || !next_section()) return false;
      end = bytes_.data() + bytes_.size();
    }
    ByteReader reader(std::string_view(at_, static_cast<size_t>(end - at_)));
    const auto group = reader.fixed<uint32_t>();
    const auto count = reader.fixed<uint32_t>();
    const std::string_view entries = reader.bytes(reader.fixed<uint32_t>());
    if (reader.failed()) return fail_entry();
    if (!groups_.contains(static_cast<int>(group))) {
      at_ = entries.data() + entries.size();
      continue;
    }
    group_ = static_cast<int>(group);
    left_in_block_ = count;
    at_ = entries.data();
    block_end_ = entries.data() + entries.size();
    return true;
  }
}

bool RunCursor::fail_entry() {
  status_ = Status::corruption(file_.name() + ": an entry cannot be read");
  left_in_block_ = 0;
  next_section_ = sections_.size();
  at_ = nullptr;
  bytes_.clear();
  return false;
}

}  // namespace sluice
