#include "tools/inspect/snapshot_place.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "state/checkpoint_storage.h"

namespace sluice {
namespace {

/// N of "chk-N".
std::optional<int64_t> checkpoint_number(std::string_view name) {
  constexpr std::string_view kPrefix = "chk-";
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  int64_t number = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) return std::nullopt;
  return number;
}

bool is_job_directory(const std::vector<FileInfo>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const FileInfo& entry) {
    const std::string_view name = file_name(entry.path);
    return checkpoint_number(name) || name == "_ids" || name == "_history";
  });
}

Result<FoundSnapshot> newest_in(FileSystem& files, const std::string& directory) {
  SLUICE_ASSIGN_OR_RETURN(const auto entries, files.list(directory));
  std::vector<std::pair<int64_t, std::string>> checkpoints;
  for (const FileInfo& entry : entries) {
    const auto number = checkpoint_number(file_name(entry.path));
    if (number && entry.is_directory) checkpoints.emplace_back(*number, entry.path);
  }
  std::sort(checkpoints.rbegin(), checkpoints.rend());
  FoundSnapshot found;
  found.is_newest = true;
  for (const auto& [number, path] : checkpoints) {
    auto metadata = load_metadata(files, path);
    const Status status = metadata.is_ok()
                              ? validate_checkpoint(files, *metadata, Validation::kSizes)
                              : metadata.status();
    if (status.is_ok()) {
      found.metadata = std::move(*metadata);
      found.directory = path;
      return found;
    }
    // Without metadata it is only not complete yet.
    if (status.code() != StatusCode::kNotFound) {
      found.notes.push_back("checkpoint " + std::to_string(number) + ": " + status.message());
    }
  }
  std::string text = "no complete checkpoint in " + directory;
  for (const std::string& note : found.notes) text += "; " + note;
  return found.notes.empty() ? Status::not_found(text) : Status::corruption(text);
}

}  // namespace

Result<std::string> find_job_directory(FileSystem& files, const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const FileInfo info, files.stat(path));
  if (!info.is_directory) return Status::invalid_argument(path + " is a file, not a directory");
  SLUICE_ASSIGN_OR_RETURN(const auto entries, files.list(path));
  if (is_job_directory(entries)) return path;
  std::vector<std::string> jobs;
  for (const FileInfo& entry : entries) {
    if (!entry.is_directory) continue;
    SLUICE_ASSIGN_OR_RETURN(const auto below, files.list(entry.path));
    if (is_job_directory(below)) jobs.push_back(entry.path);
  }
  if (jobs.size() == 1) return jobs.front();
  if (jobs.empty()) {
    return Status::invalid_argument(path + " is no savepoint, no checkpoint, and no directory of " +
                                    "checkpoints");
  }
  std::string text = path + " has checkpoints of several jobs; say which:";
  for (const std::string& job : jobs) text += " " + job;
  return Status::invalid_argument(text);
}

Result<FoundSnapshot> find_snapshot(FileSystem& files, const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const FileInfo info, files.stat(path));
  const std::string file = info.is_directory ? join_path(path, kMetadataFileName) : path;
  SLUICE_ASSIGN_OR_RETURN(const bool is_snapshot, files.exists(file));
  if (is_snapshot) {
    FoundSnapshot found;
    SLUICE_ASSIGN_OR_RETURN(found.metadata, load_metadata(files, file));
    found.directory = parent_path(file);
    return found;
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, find_job_directory(files, path));
  return newest_in(files, directory);
}

}  // namespace sluice
