// A file system in memory for tests and simulation: it forgets what was not synced, and fails on
// demand.
//
// Invariant: `durable_` and the synced bytes of each file are what a machine would find after
// losing power at this moment; `entries_` and the written bytes are what running processes see.
// Paths are compared as text after removing repeated slashes and "./". "." and "/" always exist.
//
// Thread-safe: one lock around everything.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/file_system.h"

namespace sluice {

/// What is about to be done, for MemoryFileSystem::set_fault().
enum class FileOperation {
  kOpenRead,
  kOpenWrite,
  kRead,
  kAppend,
  kSync,
  kRename,
  kRemove,
  kList,
  kMakeDirectory,
  kSyncDirectory
};

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem();

  /// Asked before every operation: 0 lets it happen, an errno makes it fail.
  using Fault = std::function<int(FileOperation operation, const std::string& path)>;
  void set_fault(Fault fault);
  /// Bytes all files together may hold; an append beyond writes what fits and fails with ENOSPC.
  void set_capacity_bytes(uint64_t bytes);
  /// The power fails: names and bytes that were not synced are gone. Open files stay usable but
  /// belong to processes that no longer exist, so what they append is not seen by new readers.
  void lose_unsynced();

  /// Writes a file as some other program would: whole, and durable.
  void put(const std::string& path, std::string_view content);
  void set_modified_ms(const std::string& path, int64_t modified_ms);

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                   WriteMode mode) override;
  Result<FileInfo> stat(const std::string& path) override;
  Result<std::vector<FileInfo>> list(const std::string& directory) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status rename_new(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;

 private:
  struct Node {
    bool is_directory = false;
    std::string bytes;
    std::string synced;
    int64_t modified_ms = 0;
  };
  using NodePtr = std::shared_ptr<Node>;
  class Reader;
  class Writer;

  // All below are called with the lock held.
  Status check(FileOperation operation, const std::string& path) const;
  NodePtr find(const std::string& path) const;
  bool has_directory(const std::string& path) const;
  bool has_children(const std::string& path) const;
  Status append(Node& node, const std::string& path, std::string_view bytes);
  Status move(const std::string& from, const std::string& to, bool replace);

  mutable std::mutex mutex_;
  std::map<std::string, NodePtr> entries_;
  std::map<std::string, NodePtr> durable_;
  Fault fault_;
  uint64_t capacity_bytes_ = UINT64_MAX;
};

}  // namespace sluice
