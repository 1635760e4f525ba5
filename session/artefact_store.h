// The executables of jobs, by the SHA-256 of their bytes.
//
//   DIR/<sha256>       mode 0500, complete and checked
//   DIR/incoming-<n>   one that is being written
//
// Invariants: a file under its name has those bytes (they are counted and hashed while they come
// in, and hashed again when this process uses a file it did not write itself). Names are made by
// us alone, so no path holds text of a user. Bytes are refused before they are written when the
// size that was announced, or what is there already, leaves no room. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "core/status.h"
#include "session/sha256.h"

namespace sluice {

class ArtefactStore {
 public:
  struct Limits {
    int64_t artefact_bytes_max = int64_t{1} << 30;
    int64_t total_bytes_max = int64_t{8} << 30;
  };
  /// Makes the directory (mode 0700) and removes what an earlier process left half written.
  static Result<std::unique_ptr<ArtefactStore>> open(std::string directory, Limits limits);

  /// One artefact that comes in; what is not finished is gone with this object.
  class Upload {
   public:
    ~Upload();
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;
    Status append(std::string_view bytes);
    /// Checks and publishes: all announced bytes, and the announced hash.
    Status finish();

   private:
    friend class ArtefactStore;
    Upload(ArtefactStore& store, std::string sha256, int64_t size);
    ArtefactStore& store_;
    const std::string sha256_;
    const int64_t size_;
    std::string path_;
    int file_ = -1;
    int64_t written_ = 0;
    Sha256 hash_;
  };
  Result<std::unique_ptr<Upload>> begin(const std::string& sha256, int64_t size);

  /// The path of an artefact whose bytes are as named; kNotFound when there is none. A damaged one
  /// is removed and not found.
  Result<std::string> find(const std::string& sha256);

  /// While held, an artefact is not removed to make room.
  void hold(const std::string& sha256);
  void let_go(const std::string& sha256);

  const Limits& limits() const { return limits_; }

 private:
  ArtefactStore(std::string directory, Limits limits)
      : directory_(std::move(directory)), limits_(limits) {}
  std::string path_of(const std::string& sha256) const;
  Status make_room(int64_t size);

  const std::string directory_;
  const Limits limits_;
  std::mutex mutex_;
  std::set<std::string> checked_;
  std::map<std::string, int> held_;
  int64_t incoming_bytes_ = 0;
  int64_t next_upload_ = 0;
};

}  // namespace sluice
