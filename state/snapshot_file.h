// Writes the state of one operator subtask in one checkpoint as one file (docs/formats.md).
//
// Entries may come in any order; those of one key group are collected, sorted and written as soon
// as another group begins, so memory is bounded by the larger of one key group and
// `group_buffer_bytes_max`. What does not come in the order of key groups starts a new sorted run
// in the file; the reader merges runs. Input that is sorted already is not sorted again.
//
// State smaller than `inline_bytes_max` does not become a file: its bytes travel in the
// acknowledgement and stand in the checkpoint's metadata, which saves a file and its fsync for each
// of the many operators that keep only positions or a few timers.
//
// Used by one thread. After an error every further call gives the same error; a writer that is
// destroyed without finish() removes its file.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"
#include "state/snapshot_format.h"

namespace sluice {

/// A piece of stored state: a file, or the bytes of a small one.
struct SnapshotFile {
  std::string path;  // Empty when the bytes are here.
  std::string inline_bytes;
  uint64_t size = 0;
  uint32_t crc32c = 0;  // Of the whole file.
  SnapshotIdentity identity;
  uint64_t entries = 0;    // Keyed entries and tombstones.
  bool has_items = false;  // Operator state.

  bool is_inline() const { return path.empty(); }
};

struct SnapshotFileOptions {
  /// Sections are cut at this size, which is also the size of writes.
  size_t section_bytes = 256 * 1024;
  /// A key group larger than this becomes several runs.
  size_t group_buffer_bytes_max = 64 * 1024 * 1024;
  /// 0: always a file.
  size_t inline_bytes_max = 16 * 1024;
};

class SnapshotFileWriter final : public SnapshotWriter {
 public:
  /// Nothing is opened before there is something to write. `path` must not exist.
  SnapshotFileWriter(FileSystem& files, std::string path, SnapshotIdentity identity,
                     SnapshotFileOptions options = {});
  ~SnapshotFileWriter() override;
  SnapshotFileWriter(const SnapshotFileWriter&) = delete;
  SnapshotFileWriter& operator=(const SnapshotFileWriter&) = delete;

  Status begin_keyed_state(std::string_view name, std::string_view schema) override;
  Status put(int key_group, std::string_view key, std::string_view value) override;
  Status erase(int key_group, std::string_view key) override;
  Status add_item(std::string_view name, Redistribution mode, std::string_view item) override {
    return add_item_pieces(name, mode, {&item, 1});
  }
  /// One of at least `section_bytes` goes from the pieces to the file.
  Status add_item_pieces(std::string_view name, Redistribution mode,
                         std::span<const std::string_view> pieces) override;

  /// Completes the file and makes its content durable (the name is durable once its directory was
  /// synced, which is done once for all files of a checkpoint).
  Result<SnapshotFile> finish();

 private:
  // An entry waiting to be sorted; its encoded bytes stand in `entries_`.
  struct Slot {
    uint64_t prefix;
    uint32_t offset;
    uint32_t size;
  };
  struct RunEnd {
    uint32_t run = 0;
    int group = -1;
    std::string key;
  };

  Status add(int key_group, std::string_view key, std::string_view value, bool is_tombstone);
  Status flush_group();
  void sort_slots();
  void reserve_entries(size_t bytes);
  void drop_repeated_keys();
  void choose_run();
  SnapshotEntry entry_at(const Slot& slot) const;
  bool is_before(const Slot& a, const Slot& b) const;

  Status write_entries();
  void begin_block();
  void end_block();
  Status end_section();
  Status flush_items();
  Status write_large_item(std::string_view head, std::span<const std::string_view> pieces);
  Status flush_out();
  void checksum_until(size_t end);
  Status write_through(std::string_view bytes);
  Status fail(Status status);

  FileSystem& files_;
  const std::string path_;
  const SnapshotFileOptions options_;
  SnapshotIndex index_;
  Status status_;
  bool finished_ = false;

  // The key group being collected.
  std::unique_ptr<char[]> entries_;
  size_t entries_used_ = 0;
  size_t entries_room_ = 0;
  std::vector<Slot> slots_;
  std::vector<Slot> sorted_;
  int group_ = -1;
  bool is_sorted_ = true;
  std::vector<RunEnd> run_ends_;  // By state.
  uint32_t state_ = UINT32_MAX;

  // Sections being built. `out_` holds whole sections and the open one, which starts at
  // `section_start_`.
  std::string out_;
  size_t section_start_ = 0;
  size_t block_start_ = 0;
  bool has_section_ = false;
  bool has_block_ = false;
  SnapshotSection section_;
  GroupBlock block_;

  std::string items_;
  uint32_t item_count_ = 0;
  bool has_items_ = false;
  uint64_t entry_count_ = 0;

  std::unique_ptr<WritableFile> file_;
  uint64_t flushed_bytes_ = 0;
  uint32_t file_crc32c_ = 0;  // Of what was flushed and the first `checksummed_` bytes of out_.
  size_t checksummed_ = 0;
};

}  // namespace sluice
