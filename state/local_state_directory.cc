#include "state/local_state_directory.h"

#include <cstdlib>
#include <stdlib.h>
#include <string_view>
#include <unistd.h>

#include "core/file_system.h"

namespace sluice {
namespace {

constexpr std::string_view kRunPrefix = "run-";
constexpr std::string_view kNewPrefix = "new-";

std::string default_root() {
  const char* temporary = std::getenv("TMPDIR");
  const std::string base = temporary != nullptr && *temporary != '\0' ? temporary : "/tmp";
  return join_path(base, "sluice-state-" + std::to_string(::getuid()));
}

/// Removes the directories of runs whose lock nobody holds. Best effort: what cannot be removed now
/// is left for the next run.
void remove_leftovers(FileSystem& files, const std::string& root) {
  const auto found = files.list(root);
  if (!found.is_ok()) return;
  for (const FileInfo& entry : *found) {
    if (!entry.is_directory || !file_name(entry.path).starts_with(kRunPrefix)) continue;
    const auto lock = DirectoryLock::acquire(entry.path);
    if (lock.is_ok()) (void)files.remove_recursively(entry.path);
  }
}

}  // namespace

Result<std::unique_ptr<LocalStateDirectory>> LocalStateDirectory::create(const std::string& root) {
  FileSystem& files = local_file_system();
  const std::string base = root.empty() ? default_root() : root;
  SLUICE_RETURN_IF_ERROR(files.make_directories(base));
  remove_leftovers(files, base);
  std::string made =
      join_path(base, std::string(kNewPrefix) + std::to_string(::getpid()) + "-XXXXXX");
  if (::mkdtemp(made.data()) == nullptr) return Status::from_errno(errno, "make " + made);
  SLUICE_ASSIGN_OR_RETURN(auto lock, DirectoryLock::acquire(made));
  // Another run must not find it under its name before the lock is held.
  const std::string path = join_path(
      base, std::string(kRunPrefix) + std::string(file_name(made).substr(kNewPrefix.size())));
  SLUICE_RETURN_IF_ERROR(files.rename_new(made, path));
  return std::unique_ptr<LocalStateDirectory>(new LocalStateDirectory(path, std::move(lock)));
}

LocalStateDirectory::~LocalStateDirectory() {
  // What stays behind is removed by the next run.
  (void)local_file_system().remove_recursively(path_);
}

}  // namespace sluice
