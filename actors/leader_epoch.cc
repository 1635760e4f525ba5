#include "actors/leader_epoch.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sluice {
namespace {

constexpr std::string_view kPrefix = "epoch-";

Result<int64_t> newest_epoch(FileSystem& files, const std::string& directory) {
  SLUICE_ASSIGN_OR_RETURN(const auto entries, files.list(directory));
  int64_t newest = 0;
  for (const FileInfo& entry : entries) {
    const std::string_view name = file_name(entry.path);
    if (!name.starts_with(kPrefix)) continue;
    int64_t epoch = 0;
    const std::string_view digits = name.substr(kPrefix.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
    newest = std::max(newest, epoch);
  }
  return newest;
}

}  // namespace

Result<Leadership> take_leadership(FileSystem& files, const std::string& directory,
                                   const std::string& who, const Clock& clock) {
  Leadership leadership;
  if (directory.empty()) {
    leadership.epoch = clock.wall_ms();
    return leadership;
  }
  SLUICE_RETURN_IF_ERROR(files.make_directories(directory));
  auto lock = DirectoryLock::acquire(directory);
  if (!lock.is_ok()) return lock.status().with_prefix("another JobManager leads: ");
  leadership.lock = std::move(*lock);
  SLUICE_ASSIGN_OR_RETURN(const int64_t newest, newest_epoch(files, directory));
  // Where locks do not reach from host to host, the exclusive creation still decides.
  const std::string path = join_path(directory, std::string(kPrefix) + std::to_string(newest + 1));
  auto file = files.open_write(path, WriteMode::kCreateNew);
  if (!file.is_ok()) return file.status().with_prefix("another JobManager has taken the epoch: ");
  SLUICE_RETURN_IF_ERROR((*file)->append(who + "\n"));
  SLUICE_RETURN_IF_ERROR((*file)->sync());
  SLUICE_RETURN_IF_ERROR((*file)->close());
  SLUICE_RETURN_IF_ERROR(files.sync_directory(directory));
  leadership.epoch = newest + 1;
  return leadership;
}

}  // namespace sluice
