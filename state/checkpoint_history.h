// The ended checkpoints of a job on disk, for whoever looks from outside: when each was taken, how
// long its parts took, who answered, and why it failed.
//
//   DIR/JOB/_history      records, oldest first: u32 size, proto::CheckpointRecord, u32 CRC32C
//   DIR/JOB/_history.1    the records before them, moved there when the file had grown
//
// Nothing is ever restored from it, so it is not synced, and a write that fails costs a record, not
// a checkpoint. A torn record ends the file; the writer cuts it off before it appends.
//
// One writer, which calls append() on one thread at a time; read() at any time by anybody.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "state/checkpoint_stats.h"

namespace sluice {

/// One ended checkpoint, and what only the run that took it knew.
struct CheckpointRecord {
  CheckpointStats stats;
  std::string job_id;
  /// Of each subtask of `stats`: "map -> sink (2/4)".
  std::vector<std::string> task_names;
};

class CheckpointHistory {
 public:
  static constexpr uint64_t kFileBytesMax = 1 << 20;

  /// `directory` is that of the job's checkpoints and must be there when append() is called.
  CheckpointHistory(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  Status append(const CheckpointRecord& record);

  /// Oldest first; empty without a history.
  static Result<std::vector<CheckpointRecord>> read(FileSystem& files,
                                                    const std::string& directory);

 private:
  Status make_ready();

  FileSystem& files_;
  const std::string directory_;
  // The end of the file is that of a record.
  bool is_ready_ = false;
  uint64_t bytes_ = 0;
};

}  // namespace sluice
