// The directory of one job's checkpoints.
//
//   DIR/_lock                one run at a time
//   DIR/_ids                 ids handed out, newest completed, start of the current run, whether it
//                            has ended and left nothing
//   DIR/chk-N/_metadata      a complete checkpoint; appears by rename, with all it names durable
//   DIR/shared/chk-N-...     state files, written for checkpoint N, used by later ones too
//
// Invariants: a `_metadata` that can be read names only files that were synced before it appeared.
// A file that any readable metadata names is never deleted (semantics rule 27); all metadata is
// read before the first deletion. Ids are never handed out twice (rule 26): blocks of them are
// reserved on disk before the first is used. Checkpoints of earlier runs are left alone unless this
// run continues them.
//
// state_path() may be called from any thread; all other calls come one at a time (an I/O thread).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "state/checkpoint_metadata.h"
#include "state/directory_lock.h"

namespace sluice {

struct CheckpointStorageOptions {
  /// Complete checkpoints to keep.
  int retained = 1;
  /// Take the lock file; off for file systems in memory.
  bool lock = true;
};

/// A complete checkpoint as found on disk.
struct StoredCheckpoint {
  CheckpointId id;
  std::string directory;
};

/// How thorough a look at a checkpoint is.
enum class Validation {
  kSizes,     // Every file is there with its size.
  kContents,  // Every byte is read and checked.
};

/// Errors name the file.
Status validate_checkpoint(FileSystem& files, const CheckpointMetadata& metadata, Validation how);

/// Reads `_metadata`; `path` is the file or its directory. What stands in "chk-N" must be of
/// checkpoint N: another's is damage.
Result<CheckpointMetadata> load_metadata(FileSystem& files, const std::string& path);

/// Makes `directory/_metadata` appear whole or not at all; kAlreadyExists when it is there. Also
/// makes the names of the state files in their directories durable.
Status publish_metadata(FileSystem& files, const CheckpointMetadata& metadata,
                        const std::string& directory);

/// [first, end)
struct CheckpointIds {
  CheckpointId first;
  CheckpointId end;
};

class CheckpointStorage {
 public:
  /// Ids reserved on disk at a time.
  static constexpr int64_t kIdBlock = 16;

  /// Makes the directory and takes its lock. Reads all metadata in it.
  static Result<std::unique_ptr<CheckpointStorage>> open(FileSystem& files, std::string directory,
                                                         CheckpointStorageOptions options);

  /// For a process that writes state of tasks but leaves everything else to the one that opened the
  /// directory: only state_path() may be used.
  static std::unique_ptr<CheckpointStorage> attach(FileSystem& files, std::string directory);

  const std::string& directory() const { return directory_; }
  /// Where checkpoint `id` is once it is complete.
  std::string checkpoint_directory(CheckpointId id) const;

  // -- starting --

  struct Latest {
    std::optional<CheckpointMetadata> checkpoint;
    /// What is wrong with newer ones, newest first; to be told to the user.
    std::vector<Status> damaged;
  };
  /// The newest complete checkpoint of the current run, every byte checked. Nothing only when the
  /// current run never completed one; when it did and none can be used, an error that says why.
  Result<Latest> find_latest() const;
  /// Somebody began a run here before, and may have left more than checkpoints behind.
  bool was_used() const { return was_used_; }
  /// This run begins from nothing or from elsewhere: earlier checkpoints here are not its own, will
  /// not be deleted and are not `latest` any more.
  Status begin_fresh_run();
  /// This run goes on from one of the checkpoints here: it owns all of them.
  Status begin_continued_run(CheckpointId restored);

  // -- taking checkpoints --

  /// Ids for the next checkpoints; the block is durable before it returns.
  Result<CheckpointIds> reserve_ids();
  /// Ids from `next` on were reserved but not used, and the run is over.
  Status release_ids(CheckpointId next);
  /// Where a subtask writes its state for a checkpoint. Unique per attempt.
  std::string state_path(CheckpointId id, std::string_view uid, int subtask, int attempt) const;
  /// The checkpoint is complete: makes it visible, durably.
  Status publish(const CheckpointMetadata& metadata);
  /// After publish(): deletes what is no longer needed. `pending`: checkpoints still being written.
  /// An error is only worth a warning; what is left goes next time.
  Status clean(const std::vector<CheckpointId>& pending);
  /// A checkpoint that will never be complete: its files go.
  Status discard(CheckpointId id);
  /// The run has ended and nobody is to go on from it: all checkpoints it owns go, complete or not,
  /// and `latest` is nothing from here on. Files elsewhere (savepoints) stay.
  Status delete_run();

  /// Complete checkpoints whose metadata can be read, oldest first.
  std::vector<StoredCheckpoint> complete() const;
  CheckpointId newest_complete() const;
  /// Whether a checkpoint here names files of `directory`.
  bool uses_directory(const std::string& directory) const;

 private:
  struct Known {
    bool owned = false;
    bool readable = false;   // The metadata is sound, so we know what it names.
    bool abandoned = false;  // The run went on from an older one.
    std::vector<std::string> files;
  };
  // Content of `_ids`. The checkpoints of the current run are those from `fresh_from` on without
  // those between `base`, from which it was continued, and `branch_from`, its next one then.
  struct Ids {
    int64_t next = 1;
    int64_t completed = 0;  // One that the current run completed; 0 when none was.
    int64_t fresh_from = 1;
    int64_t base = 0;
    int64_t branch_from = 1;
    bool deleted = false;  // The run has ended, and its checkpoints were deleted on purpose.

    bool has_in_run(CheckpointId id) const {
      return id.value >= fresh_from && (id.value <= base || id.value >= branch_from);
    }
  };

  CheckpointStorage(FileSystem& files, std::string directory, CheckpointStorageOptions options)
      : files_(files), directory_(std::move(directory)), options_(options) {}
  std::string shared_directory() const { return join_path(directory_, "shared"); }
  Status read_ids();
  Status write_ids(const Ids& ids);
  Status read_checkpoints();
  void reference(CheckpointId id, const CheckpointMetadata& metadata, bool owned);
  Status subsume();
  Status remove_checkpoint(CheckpointId id);
  Status sweep(const std::vector<CheckpointId>& pending);
  Status remove_leftovers(const std::function<bool(CheckpointId)>& is_leftover);

  FileSystem& files_;
  const std::string directory_;
  const CheckpointStorageOptions options_;
  std::unique_ptr<DirectoryLock> lock_;
  Ids ids_;  // As on disk.
  bool was_used_ = false;
  int64_t next_id_ = 1;
  std::map<CheckpointId, Known> known_;
  // Directories without metadata: unfinished, or somebody deleted it.
  std::set<CheckpointId> without_metadata_;
  std::map<std::string, int> references_;
  bool has_leftovers_ = true;  // There may be files that nobody references.
};

}  // namespace sluice
