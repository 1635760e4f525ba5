// Writes one state of a snapshot out, entry by entry, as JSON lines or CSV.
#pragma once

#include <cstdio>
#include <string>

#include "core/file_system.h"
#include "state/checkpoint_metadata.h"
#include "state/snapshot_reader.h"

namespace sluice {

enum class DumpFormat { kJson, kCsv };

/// One state of one operator, all of whose files are open: they may be deleted meanwhile.
class StateDump {
 public:
  /// kInvalidArgument, with what there is, when the operator or the state is not in the snapshot.
  /// `metadata` must outlive the dump.
  static Result<StateDump> open(FileSystem& files, const CheckpointMetadata& metadata,
                                const std::string& uid, const std::string& state);
  Status write(DumpFormat format, std::FILE* to);

 private:
  Status write_keyed(DumpFormat format, std::FILE* to);
  Status write_items(DumpFormat format, std::FILE* to);

  std::string state_;
  bool is_keyed_ = false;
  std::unique_ptr<ChainedSnapshotReader> reader_;
};

}  // namespace sluice
