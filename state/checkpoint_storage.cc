#include "state/checkpoint_storage.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "core/crc32c.h"
#include "core/fail_point.h"
#include "core/stable_hash.h"

namespace sluice {
namespace {

constexpr std::string_view kCheckpointPrefix = "chk-";
constexpr std::string_view kDeletedWord = "deleted ";  // On disk; do not change.

/// N of "chk-N" or "chk-N-...".
std::optional<CheckpointId> parse_checkpoint_name(std::string_view name, bool whole) {
  if (name.substr(0, kCheckpointPrefix.size()) != kCheckpointPrefix) return std::nullopt;
  name.remove_prefix(kCheckpointPrefix.size());
  CheckpointId id;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), id.value);
  if (parsed.ec != std::errc() || id.value < 1) return std::nullopt;
  const std::string_view rest(parsed.ptr,
                              static_cast<size_t>(name.data() + name.size() - parsed.ptr));
  if (whole ? !rest.empty() : rest.substr(0, 1) != "-") return std::nullopt;
  return id;
}

std::string hex(uint64_t number) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 16; i > 0; --i, number >>= 4) text[i - 1] = kDigits[number & 15];
  return text;
}

}  // namespace

// ---- single checkpoints -------------------------------------------------------------------------

Status validate_checkpoint(FileSystem& files, const CheckpointMetadata& metadata, Validation how) {
  for (const SnapshotFile* file : metadata.files()) {
    SLUICE_ASSIGN_OR_RETURN(const auto reader, SnapshotFileReader::open(files, *file));
    if (how == Validation::kContents) SLUICE_RETURN_IF_ERROR(reader->verify(file->crc32c));
  }
  return Status::ok();
}

Result<CheckpointMetadata> load_metadata(FileSystem& files, const std::string& path) {
  std::string file = path;
  SLUICE_ASSIGN_OR_RETURN(const FileInfo info, files.stat(path));
  if (info.is_directory) file = join_path(path, kMetadataFileName);
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, files.read_file(file));
  SLUICE_ASSIGN_OR_RETURN(CheckpointMetadata metadata, decode_metadata(bytes, file));
  const std::string directory = parent_path(file);
  const auto expected = parse_checkpoint_name(file_name(directory), true);
  const bool is_checkpoint = metadata.purpose == SnapshotPurpose::kCheckpoint;
  if (expected && is_checkpoint && metadata.id != *expected) {
    return Status::corruption(file + ": this is the metadata of checkpoint " +
                              std::to_string(metadata.id.value));
  }
  return metadata;
}

Status publish_metadata(FileSystem& files, const CheckpointMetadata& metadata,
                        const std::string& directory) {
  std::set<std::string> directories;
  for (const SnapshotFile* file : metadata.files()) directories.insert(parent_path(file->path));
  for (const std::string& path : directories) SLUICE_RETURN_IF_ERROR(files.sync_directory(path));
  SLUICE_RETURN_IF_ERROR(files.make_directories(directory));
  const std::string path = join_path(directory, kMetadataFileName);
  const std::string temporary = path + ".tmp";
  {
    SLUICE_ASSIGN_OR_RETURN(const auto file, files.open_write(temporary, WriteMode::kTruncate));
    SLUICE_RETURN_IF_ERROR(file->append(encode_metadata(metadata, directory)));
    SLUICE_RETURN_IF_ERROR(file->sync());
    SLUICE_RETURN_IF_ERROR(file->close());
  }
  fail_point("metadata_written");
  SLUICE_RETURN_IF_ERROR(files.rename_new(temporary, path));
  return files.sync_directory(directory);
}

// ---- opening ------------------------------------------------------------------------------------

Result<std::unique_ptr<CheckpointStorage>> CheckpointStorage::open(
    FileSystem& files, std::string directory, CheckpointStorageOptions options) {
  std::unique_ptr<CheckpointStorage> storage(
      new CheckpointStorage(files, std::move(directory), options));
  SLUICE_RETURN_IF_ERROR(files.make_directories(storage->shared_directory()));
  if (options.lock) {
    SLUICE_ASSIGN_OR_RETURN(storage->lock_, DirectoryLock::acquire(storage->directory_));
  }
  SLUICE_RETURN_IF_ERROR(storage->read_ids());
  SLUICE_RETURN_IF_ERROR(storage->read_checkpoints());
  return storage;
}

std::unique_ptr<CheckpointStorage> CheckpointStorage::attach(FileSystem& files,
                                                             std::string directory) {
  return std::unique_ptr<CheckpointStorage>(
      new CheckpointStorage(files, std::move(directory), CheckpointStorageOptions{}));
}

std::string CheckpointStorage::checkpoint_directory(CheckpointId id) const {
  return join_path(directory_, std::string(kCheckpointPrefix) + std::to_string(id.value));
}

Status CheckpointStorage::read_ids() {
  const std::string path = join_path(directory_, "_ids");
  auto text = files_.read_file(path);
  if (text.status().code() == StatusCode::kNotFound) return Status::ok();
  if (!text.is_ok()) return text.status();
  uint32_t crc = 0;
  int read = 0;
  Ids ids;
  const int fields = std::sscanf(
      text->c_str(), "next %ld completed %ld fresh_from %ld base %ld branch_from %ld %n", &ids.next,
      &ids.completed, &ids.fresh_from, &ids.base, &ids.branch_from, &read);
  const std::string_view rest =
      fields == 5 ? std::string_view(*text).substr(static_cast<size_t>(read)) : std::string_view();
  ids.deleted = rest.substr(0, kDeletedWord.size()) == kDeletedWord;
  if (ids.deleted) read += static_cast<int>(kDeletedWord.size());
  const bool has_crc = fields == 5 && std::sscanf(text->c_str() + read, "crc32c %x", &crc) == 1;
  if (!has_crc || crc != crc32c(std::string_view(*text).substr(0, static_cast<size_t>(read)))) {
    return Status::corruption(path + ": the file with the numbers of checkpoints is damaged");
  }
  ids_ = ids;
  next_id_ = ids.next;
  was_used_ = !ids.deleted;
  return Status::ok();
}

Status CheckpointStorage::write_ids(const Ids& ids) {
  std::string text = "next " + std::to_string(ids.next) + " completed " +
                     std::to_string(ids.completed) + " fresh_from " +
                     std::to_string(ids.fresh_from) + " base " + std::to_string(ids.base) +
                     " branch_from " + std::to_string(ids.branch_from) + " ";
  if (ids.deleted) text += kDeletedWord;
  text += "crc32c " + hex(crc32c(text)).substr(8) + "\n";
  SLUICE_RETURN_IF_ERROR(files_.write_file_atomically(join_path(directory_, "_ids"), text));
  ids_ = ids;
  return Status::ok();
}

Status CheckpointStorage::read_checkpoints() {
  SLUICE_ASSIGN_OR_RETURN(const auto entries, files_.list(directory_));
  for (const FileInfo& entry : entries) {
    const auto id = parse_checkpoint_name(file_name(entry.path), true);
    if (!id || !entry.is_directory) continue;
    next_id_ = std::max(next_id_, id->value + 1);
    auto metadata = load_metadata(files_, entry.path);
    if (metadata.is_ok()) {
      reference(*id, *metadata, false);
    } else if (metadata.status().code() == StatusCode::kNotFound) {
      without_metadata_.insert(*id);
    } else {
      known_[*id] = Known{};  // Damaged: what it names is not known.
    }
  }
  SLUICE_ASSIGN_OR_RETURN(const auto shared, files_.list(shared_directory()));
  for (const FileInfo& entry : shared) {
    const auto id = parse_checkpoint_name(file_name(entry.path), false);
    if (id) next_id_ = std::max(next_id_, id->value + 1);
  }
  return Status::ok();
}

void CheckpointStorage::reference(CheckpointId id, const CheckpointMetadata& metadata, bool owned) {
  Known known{.owned = owned, .readable = true, .files = {}};
  for (const SnapshotFile* file : metadata.files()) {
    known.files.push_back(file->path);
    ++references_[file->path];
  }
  known_[id] = std::move(known);
}

// ---- starting -----------------------------------------------------------------------------------

Result<CheckpointStorage::Latest> CheckpointStorage::find_latest() const {
  Latest latest;
  bool any_damaged = false;
  std::set<CheckpointId> candidates = without_metadata_;
  for (const auto& [id, known] : known_) candidates.insert(id);
  for (auto id = candidates.rbegin(); id != candidates.rend(); ++id) {
    if (!ids_.has_in_run(*id)) continue;
    auto metadata = load_metadata(files_, checkpoint_directory(*id));
    const Status status = metadata.is_ok()
                              ? validate_checkpoint(files_, *metadata, Validation::kContents)
                              : metadata.status();
    if (status.is_ok()) {
      latest.checkpoint = std::move(*metadata);
      return latest;
    }
    latest.damaged.push_back(status);
    any_damaged = any_damaged || known_.count(*id) > 0;
  }
  const int64_t existed = std::max(ids_.completed, ids_.base);
  if (!any_damaged && existed < ids_.fresh_from) return latest;
  std::string text = "checkpoint " + std::to_string(existed) + " was completed in " + directory_ +
                     ", but none there can be used";
  for (const Status& status : latest.damaged) text += "; " + status.message();
  return Status::corruption(text);
}

Status CheckpointStorage::begin_fresh_run() {
  Ids ids = ids_;
  ids.next = std::max(ids.next, next_id_);
  ids.completed = 0;
  ids.fresh_from = next_id_;
  ids.base = 0;
  ids.branch_from = next_id_;
  ids.deleted = false;
  return write_ids(ids);
}

Status CheckpointStorage::begin_continued_run(CheckpointId restored) {
  for (auto& [id, known] : known_) {
    known.owned = true;
    known.abandoned = id > restored;
  }
  Ids ids = ids_;
  ids.next = std::max(ids.next, next_id_);
  ids.fresh_from = std::min(ids.fresh_from, restored.value);
  ids.base = restored.value;
  ids.deleted = false;
  // After all that were ever seen here, but not after `next_id_`: when a job starts again within
  // the process, the ids that were reserved before are used up first.
  ids.branch_from = restored.value + 1;
  if (!known_.empty())
    ids.branch_from = std::max(ids.branch_from, known_.rbegin()->first.value + 1);
  if (!without_metadata_.empty()) {
    ids.branch_from = std::max(ids.branch_from, without_metadata_.rbegin()->value + 1);
  }
  return write_ids(ids);
}

// ---- taking checkpoints -------------------------------------------------------------------------

Result<CheckpointIds> CheckpointStorage::reserve_ids() {
  Ids ids = ids_;
  ids.next = std::max(ids.next, next_id_) + kIdBlock;
  const CheckpointIds block{{ids.next - kIdBlock}, {ids.next}};
  SLUICE_RETURN_IF_ERROR(write_ids(ids));
  next_id_ = ids.next;
  return block;
}

Status CheckpointStorage::release_ids(CheckpointId next) {
  SLUICE_CHECK(next.value <= ids_.next);
  Ids ids = ids_;
  ids.next = next.value;
  next_id_ = next.value;
  return write_ids(ids);
}

std::string CheckpointStorage::state_path(CheckpointId id, std::string_view uid, int subtask,
                                          int attempt) const {
  // The uid is the author's text and stays out of paths; the file itself holds it.
  return join_path(shared_directory(), std::string(kCheckpointPrefix) + std::to_string(id.value) +
                                           "-" + hex(XXH3_64bits(uid.data(), uid.size())) + "-" +
                                           std::to_string(subtask) + "-" + std::to_string(attempt));
}

Status CheckpointStorage::publish(const CheckpointMetadata& metadata) {
  SLUICE_CHECK(metadata.id.value < next_id_);
  SLUICE_RETURN_IF_ERROR(publish_metadata(files_, metadata, checkpoint_directory(metadata.id)));
  reference(metadata.id, metadata, true);
  if (ids_.completed == 0) {
    // The first one of this run: from now on "no checkpoint" means that one was lost.
    Ids ids = ids_;
    ids.completed = metadata.id.value;
    const Status noted = write_ids(ids);
    // The checkpoint is complete all the same, so this must not make it fail.
    if (!noted.is_ok()) has_leftovers_ = true;
  }
  return Status::ok();
}

Status CheckpointStorage::discard(CheckpointId id) {
  has_leftovers_ = true;
  if (known_.count(id) > 0) return Status::ok();
  // The metadata may have appeared although publishing it failed. Without it the rest is unused.
  SLUICE_ASSIGN_OR_RETURN(const bool has_directory, files_.exists(checkpoint_directory(id)));
  if (has_directory) {
    SLUICE_RETURN_IF_ERROR(files_.remove_recursively(checkpoint_directory(id)));
    SLUICE_RETURN_IF_ERROR(files_.sync_directory(directory_));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto entries, files_.list(shared_directory()));
  for (const FileInfo& entry : entries) {
    if (parse_checkpoint_name(file_name(entry.path), false) != id) continue;
    if (references_.count(entry.path) == 0) SLUICE_RETURN_IF_ERROR(files_.remove(entry.path));
  }
  return Status::ok();
}

// First it is written down that there is nothing to go on from: whoever is killed in between leaves
// files, not a run whose checkpoints are missing.
Status CheckpointStorage::delete_run() {
  const CheckpointId first{ids_.fresh_from};
  Ids ids = ids_;
  ids.next = std::max(ids.next, next_id_);
  ids.completed = 0;
  ids.fresh_from = ids.next;
  ids.base = 0;
  ids.branch_from = ids.next;
  ids.deleted = true;
  SLUICE_RETURN_IF_ERROR(write_ids(ids));
  std::vector<CheckpointId> owned;
  for (const auto& [id, known] : known_) {
    if (known.owned) owned.push_back(id);
  }
  for (const CheckpointId id : owned) SLUICE_RETURN_IF_ERROR(remove_checkpoint(id));
  return remove_leftovers([&](CheckpointId id) { return id >= first; });
}

// What checkpoints that are not complete left, of those that `is_leftover` names.
Status CheckpointStorage::remove_leftovers(const std::function<bool(CheckpointId)>& is_leftover) {
  SLUICE_ASSIGN_OR_RETURN(const auto shared, files_.list(shared_directory()));
  for (const FileInfo& entry : shared) {
    const auto id = parse_checkpoint_name(file_name(entry.path), false);
    if (!id || !is_leftover(*id) || references_.count(entry.path) > 0) continue;
    SLUICE_RETURN_IF_ERROR(files_.remove(entry.path));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto entries, files_.list(directory_));
  for (const FileInfo& entry : entries) {
    const auto id = parse_checkpoint_name(file_name(entry.path), true);
    if (!id || !is_leftover(*id) || known_.count(*id) > 0) continue;
    SLUICE_RETURN_IF_ERROR(files_.remove_recursively(entry.path));
  }
  return Status::ok();
}

Status CheckpointStorage::clean(const std::vector<CheckpointId>& pending) {
  SLUICE_RETURN_IF_ERROR(subsume());
  return has_leftovers_ ? sweep(pending) : Status::ok();
}

// The oldest of this run go, and all that were given up or are damaged.
Status CheckpointStorage::subsume() {
  const CheckpointId newest = newest_complete();
  std::vector<CheckpointId> useless;
  std::vector<CheckpointId> useful;
  for (const auto& [id, known] : known_) {
    if (!known.owned) continue;
    const bool is_useful = known.readable && !known.abandoned;
    if (is_useful || id < newest) (is_useful ? useful : useless).push_back(id);
  }
  for (const CheckpointId id : useless) SLUICE_RETURN_IF_ERROR(remove_checkpoint(id));
  const auto retained = static_cast<size_t>(options_.retained);
  for (size_t i = 0; i + retained < useful.size(); ++i) {
    SLUICE_RETURN_IF_ERROR(remove_checkpoint(useful[i]));
  }
  return Status::ok();
}

Status CheckpointStorage::remove_checkpoint(CheckpointId id) {
  const bool had_leftovers = std::exchange(has_leftovers_, true);  // Until every file is gone.
  SLUICE_RETURN_IF_ERROR(files_.remove_recursively(checkpoint_directory(id)));
  // Its files may go only when it cannot come back after a power failure.
  SLUICE_RETURN_IF_ERROR(files_.sync_directory(directory_));
  const auto known = known_.extract(id);
  Status failed;
  for (const std::string& file : known.mapped().files) {
    const auto reference = references_.find(file);
    if (--reference->second > 0) continue;
    references_.erase(reference);
    // Files outside our tree belong to a savepoint that this run was started from.
    if (parent_path(file) != shared_directory()) continue;
    const Status removed = files_.remove(file);
    if (!removed.is_ok() && removed.code() != StatusCode::kNotFound) failed = removed;
  }
  has_leftovers_ = had_leftovers || !failed.is_ok();
  return failed;
}

// Removes what unfinished checkpoints left. Everything older than the newest complete checkpoint
// that no metadata names is such a leftover, unless there is metadata that cannot be read.
Status CheckpointStorage::sweep(const std::vector<CheckpointId>& pending) {
  CheckpointId readable_from{0};
  for (const auto& [id, known] : known_) {
    if (!known.readable) readable_from = id;
  }
  const CheckpointId newest = newest_complete();
  SLUICE_RETURN_IF_ERROR(remove_leftovers([&](CheckpointId id) {
    return readable_from < id && id < newest &&
           std::find(pending.begin(), pending.end(), id) == pending.end();
  }));
  has_leftovers_ = !pending.empty();
  return Status::ok();
}

std::vector<StoredCheckpoint> CheckpointStorage::complete() const {
  std::vector<StoredCheckpoint> complete;
  for (const auto& [id, known] : known_) {
    if (known.readable) complete.push_back({id, checkpoint_directory(id)});
  }
  return complete;
}

bool CheckpointStorage::uses_directory(const std::string& directory) const {
  return std::any_of(references_.begin(), references_.end(), [&](const auto& reference) {
    return parent_path(reference.first) == directory;
  });
}

CheckpointId CheckpointStorage::newest_complete() const {
  CheckpointId newest;
  for (const auto& [id, known] : known_) {
    if (known.readable) newest = id;
  }
  return newest;
}

}  // namespace sluice
