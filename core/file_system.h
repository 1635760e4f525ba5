// Files as Sluice sees them: the one seam to local disks, memory in tests, and object stores later.
//
// Every failure is a Status that names the path and the system's reason (a full disk is
// kResourceExhausted, a missing file kNotFound). Durability is explicit: appended bytes survive a
// crash after WritableFile::sync(), a created, renamed or removed name after sync_directory() of
// its directory. make_directories() is durable when it returns.
//
// FileSystem objects are thread-safe. A ReadableFile may be read by several threads; a WritableFile
// belongs to one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace sluice {

struct FileInfo {
  std::string path;  // As it can be given to the other calls.
  uint64_t size = 0;
  int64_t modified_ms = 0;
  bool is_directory = false;
  bool is_symlink = false;  // The other fields are those of the target.
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  /// Reads up to `size` bytes from `offset` on; fewer only where the file ends. Thread-safe.
  virtual Result<size_t> pread(uint64_t offset, char* to, size_t size) const = 0;
  virtual const std::string& path() const = 0;
};

class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Status append(std::string_view bytes) = 0;
  /// What was appended survives a crash.
  virtual Status sync() = 0;
  /// Does not sync. Idempotent; the destructor closes too but cannot tell of errors.
  virtual Status close() = 0;
  virtual const std::string& path() const = 0;
};

enum class WriteMode {
  kTruncate,   // Make it or empty it.
  kAppend,     // Make it or go on at its end.
  kCreateNew,  // kAlreadyExists when the name is taken.
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) = 0;
  virtual Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                           WriteMode mode) = 0;
  virtual Result<FileInfo> stat(const std::string& path) = 0;
  /// The entries of one directory without "." and "..", sorted by path.
  virtual Result<std::vector<FileInfo>> list(const std::string& directory) = 0;
  /// Replaces `to` if it exists.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// kAlreadyExists when `to` exists; of several callers exactly one succeeds.
  virtual Status rename_new(const std::string& from, const std::string& to) = 0;
  /// A file or an empty directory.
  virtual Status remove(const std::string& path) = 0;
  /// With all parents; succeeds when the directory is there already.
  virtual Status make_directories(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;

  // -- made of the calls above --

  /// False only when nothing is there; an unreadable parent is an error.
  Result<bool> exists(const std::string& path);
  /// All files below `directory`, sorted by path. Links to directories are not followed.
  Result<std::vector<FileInfo>> list_recursively(const std::string& directory);
  /// A file or a directory with all it holds; no error when nothing is there.
  Status remove_recursively(const std::string& path);
  Result<std::string> read_file(const std::string& path);
  /// Writes, syncs and renames, so that a reader and a crash see the old or the new content whole.
  Status write_file_atomically(const std::string& path, std::string_view content);
};

/// The machine's files. One shared instance that lives for ever.
FileSystem& local_file_system();

/// "a/b" of "a/b/c", "." of "c", "/" of "/c".
std::string parent_path(const std::string& path);
/// "c" of "a/b/c".
std::string_view file_name(std::string_view path);
/// "a/b" of "a" and "b"; "b" when it is absolute or "a" is empty.
std::string join_path(std::string_view directory, std::string_view name);

}  // namespace sluice
