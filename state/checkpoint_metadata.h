// What a checkpoint or savepoint consists of: the content of its `_metadata` file.
//
// Bytes: magic, format version, length, Protobuf (proto/checkpoint_metadata.proto), CRC32C of all
// before. Paths are stored relative to the directory of the metadata, so that a directory can be
// moved; in memory they are as the file system takes them. Plain data; no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/status.h"
#include "state/snapshot_reader.h"

namespace sluice {

inline constexpr uint32_t kMetadataFormatVersion = 1;
inline constexpr const char* kMetadataFileName = "_metadata";

enum class SnapshotPurpose : uint8_t { kCheckpoint = 0, kSavepoint = 1 };

struct OperatorState {
  std::string name;
  /// uid, max parallelism, and the files of each subtask.
  OperatorChains chains;

  int parallelism() const { return static_cast<int>(chains.subtasks.size()); }
  bool is_finished() const;
  uint64_t bytes() const;
};

/// State beside the JobManager; `kind` says whose: "enumerator", "committer", "alignment".
struct CoordinatorState {
  std::string operator_uid;
  std::string kind;
  std::string state;
};

struct CheckpointMetadata {
  std::string sluice_version;
  std::string job_name;
  std::string job_id;
  CheckpointId id;
  SnapshotPurpose purpose = SnapshotPurpose::kCheckpoint;
  int64_t triggered_ms = 0;
  int64_t duration_ms = 0;
  bool drained = false;
  std::string graph_fingerprint;
  std::vector<OperatorState> operators;
  std::vector<CoordinatorState> coordinators;
  std::map<std::string, std::string> options;

  const OperatorState* find_operator(std::string_view uid) const;
  const CoordinatorState* find_coordinator(std::string_view uid, std::string_view kind) const;
  /// All files outside the metadata, each path once.
  std::vector<const SnapshotFile*> files() const;
  /// Of all state, and of what this checkpoint added to those before.
  uint64_t full_bytes() const;
  uint64_t incremental_bytes() const;
};

/// `directory` is where the bytes will be stored.
std::string encode_metadata(const CheckpointMetadata& metadata, const std::string& directory);
/// `path` is where the bytes came from; errors name it.
Result<CheckpointMetadata> decode_metadata(std::string_view bytes, const std::string& path);

}  // namespace sluice
