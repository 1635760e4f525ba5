#include "core/memory_file_system.h"

#include <algorithm>
#include <cerrno>

namespace sluice {
namespace {

std::string normal(const std::string& path) {
  std::string result;
  size_t start = 0;
  if (!path.empty() && path.front() == '/') result = "/";
  while (start < path.size()) {
    size_t end = path.find('/', start);
    if (end == std::string::npos) end = path.size();
    const std::string_view part(path.data() + start, end - start);
    if (!part.empty() && part != ".") {
      if (!result.empty() && result.back() != '/') result += '/';
      result.append(part);
    }
    start = end + 1;
  }
  return result.empty() ? "." : result;
}

bool is_root(const std::string& path) { return path == "." || path == "/"; }

}  // namespace

class MemoryFileSystem::Reader final : public ReadableFile {
 public:
  Reader(const MemoryFileSystem& owner, NodePtr node, std::string path)
      : owner_(owner), node_(std::move(node)), path_(std::move(path)) {}

  Result<size_t> pread(uint64_t offset, char* to, size_t size) const override {
    const std::lock_guard lock(owner_.mutex_);
    SLUICE_RETURN_IF_ERROR(owner_.check(FileOperation::kRead, path_));
    if (offset >= node_->bytes.size()) return size_t{0};
    return node_->bytes.copy(to, size, offset);
  }
  const std::string& path() const override { return path_; }

 private:
  const MemoryFileSystem& owner_;
  NodePtr node_;
  std::string path_;
};

class MemoryFileSystem::Writer final : public WritableFile {
 public:
  Writer(MemoryFileSystem& owner, NodePtr node, std::string path)
      : owner_(owner), node_(std::move(node)), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    const std::lock_guard lock(owner_.mutex_);
    SLUICE_CHECK(!closed_);
    SLUICE_RETURN_IF_ERROR(owner_.check(FileOperation::kAppend, path_));
    return owner_.append(*node_, path_, bytes);
  }
  Status sync() override {
    const std::lock_guard lock(owner_.mutex_);
    SLUICE_CHECK(!closed_);
    SLUICE_RETURN_IF_ERROR(owner_.check(FileOperation::kSync, path_));
    node_->synced = node_->bytes;
    return Status::ok();
  }
  Status close() override {
    closed_ = true;
    return Status::ok();
  }
  const std::string& path() const override { return path_; }

 private:
  MemoryFileSystem& owner_;
  NodePtr node_;
  std::string path_;
  bool closed_ = false;
};

MemoryFileSystem::MemoryFileSystem() {
  const auto root = std::make_shared<Node>();
  root->is_directory = true;
  for (const char* path : {".", "/"}) entries_[path] = durable_[path] = root;
}

void MemoryFileSystem::set_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}

void MemoryFileSystem::set_capacity_bytes(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = bytes;
}

void MemoryFileSystem::lose_unsynced() {
  const std::lock_guard lock(mutex_);
  // Fresh nodes, so that a file still held open by a "dead" process cannot change what is found.
  for (auto& [path, node] : durable_) {
    auto fresh = std::make_shared<Node>(*node);
    fresh->bytes = fresh->synced;
    node = std::move(fresh);
  }
  entries_ = durable_;
}

void MemoryFileSystem::put(const std::string& path, std::string_view content) {
  SLUICE_CHECK(make_directories(parent_path(normal(path))).is_ok());
  const std::lock_guard lock(mutex_);
  auto node = std::make_shared<Node>();
  node->bytes = node->synced = std::string(content);
  entries_[normal(path)] = durable_[normal(path)] = std::move(node);
}

void MemoryFileSystem::set_modified_ms(const std::string& path, int64_t modified_ms) {
  const std::lock_guard lock(mutex_);
  const NodePtr node = find(normal(path));
  SLUICE_CHECK(node != nullptr);
  node->modified_ms = modified_ms;
}

Result<std::unique_ptr<ReadableFile>> MemoryFileSystem::open_read(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(check(FileOperation::kOpenRead, path));
  const NodePtr node = find(normal(path));
  if (!node) return Status::from_errno(ENOENT, "open " + path);
  if (node->is_directory) return Status::from_errno(EISDIR, "open " + path);
  return std::unique_ptr<ReadableFile>(std::make_unique<Reader>(*this, node, path));
}

Result<std::unique_ptr<WritableFile>> MemoryFileSystem::open_write(const std::string& path,
                                                                   WriteMode mode) {
  const std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(check(FileOperation::kOpenWrite, path));
  const std::string name = normal(path);
  if (!has_directory(parent_path(name))) return Status::from_errno(ENOENT, "create " + path);
  NodePtr node = find(name);
  if (node && node->is_directory) return Status::from_errno(EISDIR, "create " + path);
  if (node && mode == WriteMode::kCreateNew) return Status::from_errno(EEXIST, "create " + path);
  if (!node) {
    node = std::make_shared<Node>();
    entries_[name] = node;
  }
  if (mode == WriteMode::kTruncate) node->bytes.clear();
  return std::unique_ptr<WritableFile>(std::make_unique<Writer>(*this, node, path));
}

Result<FileInfo> MemoryFileSystem::stat(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const NodePtr node = find(normal(path));
  if (!node) return Status::from_errno(ENOENT, "look at " + path);
  FileInfo info;
  info.path = path;
  info.size = node->bytes.size();
  info.modified_ms = node->modified_ms;
  info.is_directory = node->is_directory;
  return info;
}

Result<std::vector<FileInfo>> MemoryFileSystem::list(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(check(FileOperation::kList, directory));
  const std::string name = normal(directory);
  const NodePtr node = find(name);
  if (!node) return Status::from_errno(ENOENT, "list " + directory);
  if (!node->is_directory) return Status::from_errno(ENOTDIR, "list " + directory);
  std::vector<FileInfo> entries;
  for (const auto& [path, entry] : entries_) {
    if (is_root(path) || parent_path(path) != name) continue;
    FileInfo info;
    info.path = join_path(directory, file_name(path));
    info.size = entry->bytes.size();
    info.modified_ms = entry->modified_ms;
    info.is_directory = entry->is_directory;
    entries.push_back(std::move(info));
  }
  std::sort(entries.begin(), entries.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
  return entries;
}

Status MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return move(from, to, true);
}

Status MemoryFileSystem::rename_new(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return move(from, to, false);
}

Status MemoryFileSystem::move(const std::string& from, const std::string& to, bool replace) {
  const std::string what = "rename " + from + " to " + to;
  SLUICE_RETURN_IF_ERROR(check(FileOperation::kRename, from));
  const std::string source = normal(from);
  const std::string target = normal(to);
  const NodePtr node = find(source);
  if (!node || !has_directory(parent_path(target))) return Status::from_errno(ENOENT, what);
  const NodePtr old = find(target);
  if (old && !replace) return Status::from_errno(EEXIST, what);
  if (old && old->is_directory && has_children(target)) return Status::from_errno(ENOTEMPTY, what);
  // A directory takes along everything below it.
  std::map<std::string, NodePtr> moved;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (entry->first == source || entry->first.starts_with(source + "/")) {
      moved[target + entry->first.substr(source.size())] = entry->second;
      entry = entries_.erase(entry);
    } else {
      ++entry;
    }
  }
  for (auto& [path, entry] : moved) entries_[path] = std::move(entry);
  return Status::ok();
}

Status MemoryFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(check(FileOperation::kRemove, path));
  const std::string name = normal(path);
  const NodePtr node = find(name);
  if (!node) return Status::from_errno(ENOENT, "remove " + path);
  if (is_root(name)) return Status::from_errno(EBUSY, "remove " + path);
  if (node->is_directory && has_children(name)) {
    return Status::from_errno(ENOTEMPTY, "remove " + path);
  }
  entries_.erase(name);
  return Status::ok();
}

Status MemoryFileSystem::make_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(check(FileOperation::kMakeDirectory, path));
  const std::string name = normal(path);
  for (size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    const std::string part = name.substr(0, end);
    const NodePtr node = find(part);
    if (node && !node->is_directory) return Status::from_errno(ENOTDIR, "make directory " + path);
    if (!node) {
      auto fresh = std::make_shared<Node>();
      fresh->is_directory = true;
      entries_[part] = durable_[part] = std::move(fresh);
    }
    if (end == std::string::npos) return Status::ok();
  }
}

Status MemoryFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(check(FileOperation::kSyncDirectory, path));
  const std::string name = normal(path);
  if (!has_directory(name)) return Status::from_errno(ENOENT, "open directory " + path);
  const auto is_inside = [&](const auto& entry) {
    return !is_root(entry.first) && parent_path(entry.first) == name;
  };
  std::erase_if(durable_, [&](const auto& entry) {
    return is_inside(entry) && !entries_.contains(entry.first);
  });
  for (const auto& entry : entries_) {
    if (is_inside(entry)) durable_[entry.first] = entry.second;
  }
  return Status::ok();
}

Status MemoryFileSystem::check(FileOperation operation, const std::string& path) const {
  const int error = fault_ ? fault_(operation, path) : 0;
  if (error == 0) return Status::ok();
  static constexpr const char* kNames[] = {"open",           "create",        "read",   "write",
                                           "sync",           "rename",        "remove", "list",
                                           "make directory", "sync directory"};
  return Status::from_errno(error, std::string(kNames[static_cast<int>(operation)]) + " " + path);
}

MemoryFileSystem::NodePtr MemoryFileSystem::find(const std::string& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : found->second;
}

bool MemoryFileSystem::has_directory(const std::string& path) const {
  const NodePtr node = find(path);
  return node && node->is_directory;
}

bool MemoryFileSystem::has_children(const std::string& path) const {
  const auto next = entries_.lower_bound(path + "/");
  return next != entries_.end() && next->first.starts_with(path + "/");
}

Status MemoryFileSystem::append(Node& node, const std::string& path, std::string_view bytes) {
  uint64_t used = 0;
  for (const auto& entry : entries_) used += entry.second->bytes.size();
  const uint64_t room = capacity_bytes_ > used ? capacity_bytes_ - used : 0;
  node.bytes.append(bytes.substr(0, std::min<uint64_t>(room, bytes.size())));
  return room < bytes.size() ? Status::from_errno(ENOSPC, "write " + path) : Status::ok();
}

}  // namespace sluice
