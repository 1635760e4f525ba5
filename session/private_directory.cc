#include "session/private_directory.h"

#include <cerrno>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice {

Status make_private_directory(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return Status::from_errno(error.value(), "mkdir " + parent.string());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Status::from_errno(errno, "mkdir " + path);
  }
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return Status::from_errno(errno, "stat " + path);
  const bool is_ours = S_ISDIR(found.st_mode) && found.st_uid == ::geteuid();
  if (!is_ours || (found.st_mode & 077) != 0) {
    return Status::failed_precondition(path + " must be a directory of this user with mode 0700");
  }
  return Status::ok();
}

}  // namespace sluice
