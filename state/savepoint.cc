#include "state/savepoint.h"

#include <set>

#include "core/stable_hash.h"

namespace sluice {

Status create_savepoint_directory(FileSystem& files, const std::string& directory) {
  SLUICE_ASSIGN_OR_RETURN(const bool exists, files.exists(directory));
  if (exists) {
    SLUICE_ASSIGN_OR_RETURN(const auto entries, files.list(directory));
    if (!entries.empty()) {
      return Status::already_exists(directory + " is not empty: a savepoint needs a new directory");
    }
  }
  return files.make_directories(directory);
}

std::string savepoint_state_path(const std::string& directory, std::string_view uid, int subtask,
                                 int attempt) {
  return join_path(directory, "state-" + std::to_string(XXH3_64bits(uid.data(), uid.size())) + "-" +
                                  std::to_string(subtask) + "-" + std::to_string(attempt));
}

Status dispose_savepoint(FileSystem& files, const std::string& directory) {
  SLUICE_ASSIGN_OR_RETURN(const CheckpointMetadata metadata, load_metadata(files, directory));
  if (metadata.purpose != SnapshotPurpose::kSavepoint) {
    return Status::failed_precondition(directory + " is a checkpoint, not a savepoint: its files " +
                                       "may belong to others, too");
  }
  SLUICE_RETURN_IF_ERROR(files.remove(join_path(directory, kMetadataFileName)));
  SLUICE_RETURN_IF_ERROR(files.sync_directory(directory));
  for (const SnapshotFile* file : metadata.files()) {
    // Only what lies in the directory: a damaged or forged path deletes nothing elsewhere.
    if (file->path != join_path(directory, file_name(file->path))) continue;
    Status removed = files.remove(file->path);
    if (!removed.is_ok() && removed.code() != StatusCode::kNotFound) return removed;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto left, files.list(directory));
  return left.empty() ? files.remove(directory) : Status::ok();
}

namespace {

/// One subtask's state as one file that depends on no other.
Result<SnapshotFile> copy_subtask(FileSystem& files, const OperatorState& op, size_t subtask,
                                  CheckpointId id, const std::string& directory) {
  SnapshotIdentity identity = op.chains.subtasks[subtask].files.back().identity;
  identity.checkpoint = id;
  identity.is_delta = false;
  SLUICE_ASSIGN_OR_RETURN(
      const auto reader,
      ChainedSnapshotReader::open(files, op.chains, static_cast<int>(subtask), op.parallelism()));
  SnapshotFileWriter writer(
      files, savepoint_state_path(directory, op.chains.uid, static_cast<int>(subtask), 0),
      identity);
  for (const std::string& name : reader->keyed_state_names()) {
    SLUICE_RETURN_IF_ERROR(writer.begin_keyed_state(name, reader->schema_of(name)));
    SLUICE_RETURN_IF_ERROR(reader->visit_keyed_state(
        name, [&](int group, std::string_view key, std::string_view value) {
          return writer.put(group, key, value);
        }));
  }
  // Union items were given to every subtask; each goes back to the one that had it.
  SLUICE_ASSIGN_OR_RETURN(
      const auto own, SnapshotFileReader::open(files, op.chains.subtasks[subtask].files.back()));
  SLUICE_ASSIGN_OR_RETURN(const auto items, own->read_items());
  for (const SnapshotItem& item : items) {
    SLUICE_RETURN_IF_ERROR(writer.add_item(item.name, item.mode, item.item));
  }
  return writer.finish();
}

}  // namespace

Result<CheckpointMetadata> copy_as_savepoint(FileSystem& files, const CheckpointMetadata& from,
                                             const std::string& directory) {
  SLUICE_RETURN_IF_ERROR(create_savepoint_directory(files, directory));
  CheckpointMetadata copy = from;
  copy.purpose = SnapshotPurpose::kSavepoint;
  for (size_t i = 0; i < from.operators.size(); ++i) {
    for (size_t subtask = 0; subtask < from.operators[i].chains.subtasks.size(); ++subtask) {
      if (from.operators[i].chains.subtasks[subtask].files.empty()) continue;
      SLUICE_ASSIGN_OR_RETURN(SnapshotFile file,
                              copy_subtask(files, from.operators[i], subtask, from.id, directory));
      copy.operators[i].chains.subtasks[subtask].files.assign(1, std::move(file));
    }
  }
  SLUICE_RETURN_IF_ERROR(publish_metadata(files, copy, directory));
  return copy;
}

}  // namespace sluice
