// A directory for local state that belongs to one run of one process.
//
//   ROOT/run-<pid>-<random>/_lock     held while the run lives
//   ROOT/run-<pid>-<random>/...       what the run keeps here
//
// Two runs never share one: the name is made anew and the lock is held from before the directory
// has its name. When the object goes, so does the directory. What runs that died have left behind
// is recognised by its free lock and removed by the next run. Any thread; one object per run.
#pragma once

#include <memory>
#include <string>

#include "core/status.h"
#include "state/directory_lock.h"

namespace sluice {

class LocalStateDirectory {
 public:
  /// `root` is made if it is not there; empty: a directory of the user's in the system's directory
  /// for temporary files.
  static Result<std::unique_ptr<LocalStateDirectory>> create(const std::string& root);
  ~LocalStateDirectory();
  LocalStateDirectory(const LocalStateDirectory&) = delete;
  LocalStateDirectory& operator=(const LocalStateDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  LocalStateDirectory(std::string path, std::unique_ptr<DirectoryLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  const std::string path_;
  std::unique_ptr<DirectoryLock> lock_;
};

}  // namespace sluice
