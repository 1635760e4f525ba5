#include "state/directory_lock.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file_system.h"

namespace sluice {
namespace {

/// The file, which is made by the first run that takes the directory. That run closes the directory
/// to other users; whoever opens it to them later meant to.
int open_lock(const std::string& directory, const std::string& path) {
  const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0 && errno == EEXIST) return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  // On storage that belongs to somebody else the owner decides.
  if (made >= 0) (void)!::chmod(directory.c_str(), 0700);
  return made;
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::acquire(const std::string& directory) {
  const std::string path = join_path(directory, kFileName);
  const int descriptor = open_lock(directory, path);
  if (descriptor < 0) return Status::from_errno(errno, "open " + path);
  std::unique_ptr<DirectoryLock> lock(new DirectoryLock(descriptor));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Status::from_errno(errno, "lock " + path);
    std::array<char, 32> owner{};
    const ssize_t got = ::pread(descriptor, owner.data(), owner.size() - 1, 0);
    return Status::failed_precondition(
        directory + " is in use by another run" +
        (got > 0 ? " (process " + std::string(owner.data(), static_cast<size_t>(got)) + ")" : ""));
  }
  const std::string pid = std::to_string(::getpid());
  // The id is for the message above only, so a failure to write it is no reason to refuse.
  if (::ftruncate(descriptor, 0) == 0) {
    (void)!::pwrite(descriptor, pid.data(), pid.size(), 0);
  }
  return lock;
}

DirectoryLock::~DirectoryLock() { (void)::close(descriptor_); }

}  // namespace sluice
