#include "core/file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fail_point.h"

namespace sluice {

// ---- paths --------------------------------------------------------------------------------------

std::string parent_path(const std::string& path) {
  size_t end = path.size();
  while (end > 1 && path[end - 1] == '/') --end;
  const size_t slash = end == 0 ? std::string::npos : path.rfind('/', end - 1);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view file_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || (!name.empty() && name.front() == '/')) return std::string(name);
  std::string result(directory);
  if (result.back() != '/') result += '/';
  return result.append(name);
}

// ---- calls made of others -----------------------------------------------------------------------

Result<bool> FileSystem::exists(const std::string& path) {
  auto info = stat(path);
  if (info.is_ok()) return true;
  if (info.status().code() == StatusCode::kNotFound) return false;
  return info.status();
}

Result<std::vector<FileInfo>> FileSystem::list_recursively(const std::string& directory) {
  std::vector<FileInfo> files;
  std::vector<std::string> waiting{directory};
  while (!waiting.empty()) {
    const std::string current = std::move(waiting.back());
    waiting.pop_back();
    auto entries = list(current);
    if (!entries.is_ok()) {
      // A directory below may have been removed while we looked; the first one must be there.
      if (current != directory && entries.status().code() == StatusCode::kNotFound) continue;
      return entries.status();
    }
    for (auto& entry : *entries) {
      if (!entry.is_directory) {
        files.push_back(std::move(entry));
      } else if (!entry.is_symlink) {
        waiting.push_back(std::move(entry.path));
      }
    }
  }
  std::sort(files.begin(), files.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
  return files;
}

Status FileSystem::remove_recursively(const std::string& path) {
  auto info = stat(path);
  if (!info.is_ok()) {
    if (info.status().code() == StatusCode::kNotFound) return Status::ok();
    return info.status();
  }
  if (info->is_directory && !info->is_symlink) {
    SLUICE_ASSIGN_OR_RETURN(const auto entries, list(path));
    for (const auto& entry : entries) SLUICE_RETURN_IF_ERROR(remove_recursively(entry.path));
  }
  return remove(path);
}

Result<std::string> FileSystem::read_file(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, open_read(path));
  std::string content;
  constexpr size_t kBlockBytes = 64 * 1024;
  while (true) {
    const size_t before = content.size();
    content.resize(before + kBlockBytes);
    SLUICE_ASSIGN_OR_RETURN(const size_t got, file->pread(before, &content[before], kBlockBytes));
    content.resize(before + got);
    if (got < kBlockBytes) return content;
  }
}

Status FileSystem::write_file_atomically(const std::string& path, std::string_view content) {
  const std::string directory = parent_path(path);
  const std::string temporary = join_path(directory, "." + std::string(file_name(path)) + ".tmp");
  const auto write = [&]() -> Status {
    SLUICE_ASSIGN_OR_RETURN(const auto file, open_write(temporary, WriteMode::kTruncate));
    SLUICE_RETURN_IF_ERROR(file->append(content));
    SLUICE_RETURN_IF_ERROR(file->sync());
    SLUICE_RETURN_IF_ERROR(file->close());
    return rename(temporary, path);
  };
  Status status = write();
  if (!status.is_ok()) {
    // The first error is the one to tell; a temporary that stays is replaced by the next try.
    (void)remove(temporary);
    return status;
  }
  return sync_directory(directory);
}

// ---- the local implementation -------------------------------------------------------------------

namespace {

Status failed(const char* what, const std::string& path) {
  return Status::from_errno(errno, std::string(what) + " " + path);
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

class LocalReadableFile final : public ReadableFile {
 public:
  LocalReadableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<size_t> pread(uint64_t offset, char* to, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(fd_.get(), to + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) continue;
        return failed("read", path_);
      }
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }
  const std::string& path() const override { return path_; }

 private:
  Descriptor fd_;
  std::string path_;
};

class LocalWritableFile final : public WritableFile {
 public:
  LocalWritableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    if (detail::kFailPointsOn && bytes.size() > 1) {
      // A crash in the middle of a write leaves a torn file.
      SLUICE_RETURN_IF_ERROR(write_all(bytes.substr(0, bytes.size() / 2)));
      fail_point("torn_write");
      bytes.remove_prefix(bytes.size() / 2);
    }
    return write_all(bytes);
  }
  Status sync() override {
    return ::fdatasync(fd_.get()) == 0 ? Status::ok() : failed("sync", path_);
  }
  Status close() override {
    const int fd = fd_.release();
    if (fd < 0) return Status::ok();
    return ::close(fd) == 0 ? Status::ok() : failed("close", path_);
  }
  const std::string& path() const override { return path_; }

 private:
  Status write_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
      if (put < 0) {
        if (errno == EINTR) continue;
        return failed("write", path_);
      }
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return Status::ok();
  }

  Descriptor fd_;
  std::string path_;
};

FileInfo info_of(std::string path, const struct ::stat& status, bool is_symlink) {
  FileInfo info;
  info.path = std::move(path);
  info.is_directory = S_ISDIR(status.st_mode);
  info.is_symlink = is_symlink;
  info.size = info.is_directory ? 0 : static_cast<uint64_t>(status.st_size);
  info.modified_ms =
      static_cast<int64_t>(status.st_mtim.tv_sec) * 1000 + status.st_mtim.tv_nsec / 1'000'000;
  return info;
}

class LocalFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return failed("open", path);
    struct ::stat status {};
    if (::fstat(fd.get(), &status) != 0) return failed("open", path);
    if (S_ISDIR(status.st_mode)) {
      errno = EISDIR;
      return failed("open", path);
    }
    return std::unique_ptr<ReadableFile>(std::make_unique<LocalReadableFile>(fd.release(), path));
  }

  Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                   WriteMode mode) override {
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC;
    if (mode == WriteMode::kTruncate) flags |= O_TRUNC;
    if (mode == WriteMode::kAppend) flags |= O_APPEND;
    if (mode == WriteMode::kCreateNew) flags |= O_EXCL;
    Descriptor fd(::open(path.c_str(), flags, 0666));
    if (fd.get() < 0) return failed("create", path);
    return std::unique_ptr<WritableFile>(std::make_unique<LocalWritableFile>(fd.release(), path));
  }

  Result<FileInfo> stat(const std::string& path) override {
    struct ::stat link {};
    struct ::stat target {};
    if (::lstat(path.c_str(), &link) != 0) return failed("look at", path);
    const bool is_symlink = S_ISLNK(link.st_mode);
    // A link to nothing is an entry all the same: it can be listed and removed.
    if (!is_symlink || ::stat(path.c_str(), &target) != 0) target = link;
    return info_of(path, target, is_symlink);
  }

  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    DIR* stream = ::opendir(directory.c_str());
    if (stream == nullptr) return failed("list", directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> owner(stream, &::closedir);
    std::vector<FileInfo> entries;
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(stream);
      if (entry == nullptr) {
        if (errno != 0) return failed("list", directory);
        break;
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      auto info = stat(join_path(directory, name));
      if (info.is_ok()) {
        entries.push_back(std::move(*info));
      } else if (info.status().code() != StatusCode::kNotFound) {  // Gone since readdir() is fine.
        return info.status();
      }
    }
    std::sort(entries.begin(), entries.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return entries;
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) == 0) return Status::ok();
    return failed("rename", from + " to " + to);
  }

  Status rename_new(const std::string& from, const std::string& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return Status::ok();
    }
    if (errno != EINVAL && errno != ENOSYS) return failed("rename", from + " to " + to);
    // File systems without the flag (NFS and some overlays): a hard link is as exclusive.
    if (::link(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to);
    return remove(from);
  }

  Status remove(const std::string& path) override {
    return std::remove(path.c_str()) == 0 ? Status::ok() : failed("remove", path);
  }

  Status make_directories(const std::string& path) override {
    if (path.empty()) return Status::invalid_argument("the name of a directory is empty");
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      if (::mkdir(part.c_str(), 0777) == 0) {
        SLUICE_RETURN_IF_ERROR(sync_directory(parent_path(part)));
      } else if (errno != EEXIST || end == std::string::npos) {
        const int error = errno;
        struct ::stat status {};
        if (::stat(part.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
          errno = error == EEXIST ? ENOTDIR : error;
          return failed("make directory", part);
        }
      }
      if (end == std::string::npos) return Status::ok();
    }
  }

  Status sync_directory(const std::string& path) override {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return failed("open directory", path);
    if (::fsync(fd.get()) == 0 || errno == EINVAL) return Status::ok();  // EINVAL: nothing to sync.
    return failed("sync directory", path);
  }
};

}  // namespace

FileSystem& local_file_system() {
  static LocalFileSystem instance;
  return instance;
}

}  // namespace sluice
