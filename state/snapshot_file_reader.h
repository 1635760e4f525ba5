// Reads one snapshot file: its index, its items, and its sorted runs of entries.
//
// Opening checks header, trailer, index and that the file holds what the metadata says (size,
// identity); every section is checked against its checksum when it is loaded. All errors name the
// file. The reader may be used by several threads; a RunCursor belongs to one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"
#include "state/snapshot_file.h"

namespace sluice {

struct SnapshotItem {
  std::string name;
  Redistribution mode = Redistribution::kSplit;
  std::string item;
};

class SnapshotFileReader {
 public:
  /// `file` must outlive the reader when its bytes are inline.
  static Result<std::unique_ptr<SnapshotFileReader>> open(FileSystem& files,
                                                          const SnapshotFile& file);
  /// A file without metadata, e.g. for inspection: takes any identity.
  static Result<std::unique_ptr<SnapshotFileReader>> open_path(FileSystem& files,
                                                               const std::string& path);

  const SnapshotIndex& index() const { return index_; }
  /// How errors call the file.
  const std::string& name() const { return name_; }

  Result<std::vector<SnapshotItem>> read_items() const;
  /// Loads and checks one section into `to`.
  Status load(const SnapshotSection& section, std::string& to) const;
  /// Reads and checks everything, also against `crc32c` of the whole file.
  Status verify(uint32_t crc32c) const;

 private:
  SnapshotFileReader() = default;
  Status open_index();
  Status read(uint64_t offset, size_t size, std::string& to) const;
  Status corrupt(const std::string& what) const;

  std::unique_ptr<ReadableFile> file_;  // Null when the bytes are inline.
  std::string_view inline_bytes_;
  uint64_t size_ = 0;
  std::string name_;
  SnapshotIndex index_;
};

/// Goes through one sorted run within a range of key groups, one section in memory at a time.
class RunCursor {
 public:
  RunCursor(const SnapshotFileReader& file, std::vector<SnapshotSection> sections,
            KeyGroupRange groups)
      : file_(file), sections_(std::move(sections)), groups_(groups) {}

  /// Moves to the next entry of the range; false at the end or on an error.
  bool next() {
    while (true) {
      if (left_in_block_ > 0) {
        --left_in_block_;
        at_ = parse_snapshot_entry(at_, block_end_, entry_);
        if (at_ == nullptr) return fail_entry();
        prefix_ = key_prefix(entry_.key);
        return true;
      }
      if (!next_block()) return false;
    }
  }
  const Status& status() const { return status_; }

  // Of the entry next() moved to; views live until the next call.
  int group() const { return group_; }
  const SnapshotEntry& entry() const { return entry_; }

  /// Whether this entry's (group, key) sorts before the other's: <0, 0, >0.
  int compare(const RunCursor& other) const {
    if (group_ != other.group_) return group_ < other.group_ ? -1 : 1;
    if (prefix_ != other.prefix_) return prefix_ < other.prefix_ ? -1 : 1;
    return entry_.key.compare(other.entry_.key);
  }

 private:
  bool next_block();
  bool next_section();
  bool fail_entry();

  const SnapshotFileReader& file_;
  const std::vector<SnapshotSection> sections_;
  const KeyGroupRange groups_;
  Status status_;
  size_t next_section_ = 0;
  std::string bytes_;
  const char* at_ = nullptr;
  const char* block_end_ = nullptr;
  uint32_t left_in_block_ = 0;
  int group_ = -1;
  uint64_t prefix_ = 0;
  SnapshotEntry entry_;
};

}  // namespace sluice
