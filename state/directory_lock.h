// Keeps two runs from using one directory at the same time.
//
// A lock file with the owner's process id, held with flock(): the kernel releases it when the owner
// dies, so a crash leaves nothing that must be cleaned by hand. The file itself stays. Local disks
// only. Any thread.
#pragma once

#include <memory>
#include <string>

#include "core/status.h"

namespace sluice {

class DirectoryLock {
 public:
  static constexpr const char* kFileName = "_lock";

  /// `directory` must exist. kFailedPrecondition, with the id of the process that holds it, when it
  /// is taken; also by this process.
  static Result<std::unique_ptr<DirectoryLock>> acquire(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace sluice
