#include "session/artefact_store.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "session/private_directory.h"

namespace sluice {
namespace {

constexpr std::string_view kIncoming = "incoming-";

Result<std::string> sha256_of_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return Status::from_errno(errno, "open " + path);
  Sha256 hash;
  std::vector<char> block(1 << 18);
  for (;;) {
    const ssize_t got = ::read(file, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const Status failed = Status::from_errno(errno, "read " + path);
      ::close(file);
      return failed;
    }
    if (got == 0) break;
    hash.update({block.data(), static_cast<size_t>(got)});
  }
  ::close(file);
  return hash.hex();
}

}  // namespace

Result<std::unique_ptr<ArtefactStore>> ArtefactStore::open(std::string directory, Limits limits) {
  SLUICE_RETURN_IF_ERROR(make_private_directory(directory));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (!entry.path().filename().string().starts_with(kIncoming)) continue;
    std::filesystem::remove(entry.path(), error);
  }
  if (error) return Status::from_errno(error.value(), "list " + directory);
  return std::unique_ptr<ArtefactStore>(new ArtefactStore(std::move(directory), limits));
}

std::string ArtefactStore::path_of(const std::string& sha256) const {
  SLUICE_CHECK(is_sha256(sha256));
  return directory_ + "/" + sha256;
}

Result<std::unique_ptr<ArtefactStore::Upload>> ArtefactStore::begin(const std::string& sha256,
                                                                    int64_t size) {
  if (!is_sha256(sha256)) {
    return Status::invalid_argument(
        "an artefact is named by the 64 hexadecimal digits of its hash");
  }
  if (size <= 0 || size > limits_.artefact_bytes_max) {
    return Status::invalid_argument("an artefact has from 1 to " +
                                    std::to_string(limits_.artefact_bytes_max) +
                                    " bytes, this one " + std::to_string(size));
  }
  const std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(make_room(size));
  std::unique_ptr<Upload> upload(new Upload(*this, sha256, size));
  upload->path_ = directory_ + "/" + std::string(kIncoming) + std::to_string(next_upload_++);
  upload->file_ =
      ::open(upload->path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0500);
  if (upload->file_ < 0) return Status::from_errno(errno, "create " + upload->path_);
  incoming_bytes_ += size;
  return upload;
}

/// Removes what was not used for longest. The caller holds the lock.
Status ArtefactStore::make_room(int64_t size) {
  struct Stored {
    std::filesystem::file_time_type used;
    std::filesystem::path path;
    int64_t size;
  };
  std::vector<Stored> stored;
  int64_t total = incoming_bytes_ + size;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    if (!is_sha256(entry.path().filename().string())) continue;
    stored.push_back(
        {entry.last_write_time(error), entry.path(), static_cast<int64_t>(entry.file_size(error))});
    total += stored.back().size;
  }
  if (error) return Status::from_errno(error.value(), "list " + directory_);
  std::sort(stored.begin(), stored.end(),
            [](const Stored& a, const Stored& b) { return a.used < b.used; });
  for (const Stored& old : stored) {
    if (total <= limits_.total_bytes_max) break;
    const std::string name = old.path.filename().string();
    if (held_.contains(name)) continue;
    if (!std::filesystem::remove(old.path, error)) continue;
    checked_.erase(name);
    total -= old.size;
  }
  if (total <= limits_.total_bytes_max) return Status::ok();
  return Status::resource_exhausted("artefacts of running jobs fill the cache of " +
                                    std::to_string(limits_.total_bytes_max) + " bytes");
}

Result<std::string> ArtefactStore::find(const std::string& sha256) {
  if (!is_sha256(sha256)) return Status::not_found("no artefact has that name");
  const std::string path = path_of(sha256);
  const std::lock_guard lock(mutex_);
  if (::access(path.c_str(), F_OK) != 0) {
    return Status::not_found("artefact " + sha256 + " is not here");
  }
  if (!checked_.contains(sha256)) {
    SLUICE_ASSIGN_OR_RETURN(const std::string found, sha256_of_file(path));
    if (found != sha256) {
      ::unlink(path.c_str());
      return Status::not_found("artefact " + sha256 + " was damaged and is gone");
    }
    checked_.insert(sha256);
  }
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);  // It was used now.
  return path;
}

void ArtefactStore::hold(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  ++held_[sha256];
}

void ArtefactStore::let_go(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(sha256);
  SLUICE_CHECK(found != held_.end());
  if (--found->second == 0) held_.erase(found);
}

// ---- Upload -------------------------------------------------------------------------------------

ArtefactStore::Upload::Upload(ArtefactStore& store, std::string sha256, int64_t size)
    : store_(store), sha256_(std::move(sha256)), size_(size) {}

ArtefactStore::Upload::~Upload() {
  if (file_ >= 0) ::close(file_);
  if (path_.empty()) return;
  ::unlink(path_.c_str());
  const std::lock_guard lock(store_.mutex_);
  store_.incoming_bytes_ -= size_;
}

Status ArtefactStore::Upload::append(std::string_view bytes) {
  if (static_cast<int64_t>(bytes.size()) > size_ - written_) {
    return Status::invalid_argument("more bytes than were announced");
  }
  hash_.update(bytes);
  written_ += static_cast<int64_t>(bytes.size());
  while (!bytes.empty()) {
    const ssize_t done = ::write(file_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return Status::from_errno(errno, "write " + path_);
    bytes.remove_prefix(static_cast<size_t>(done));
  }
  return Status::ok();
}

Status ArtefactStore::Upload::finish() {
  if (written_ != size_) {
    return Status::corruption(std::to_string(written_) + " bytes came, " + std::to_string(size_) +
                              " were announced");
  }
  const std::string found = hash_.hex();
  if (found != sha256_) {
    return Status::corruption("the bytes have the hash " + found + ", announced was " + sha256_);
  }
  // Not synced: after a crash the hash is checked again.
  const bool closed = ::close(std::exchange(file_, -1)) == 0;
  if (!closed) return Status::from_errno(errno, "close " + path_);
  const std::lock_guard lock(store_.mutex_);
  const std::string to = store_.path_of(sha256_);
  if (::rename(path_.c_str(), to.c_str()) != 0) {
    return Status::from_errno(errno, "rename " + path_);
  }
  path_.clear();
  store_.checked_.insert(sha256_);
  store_.incoming_bytes_ -= size_;
  return Status::ok();
}

}  // namespace sluice
