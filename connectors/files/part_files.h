// The part files that one subtask of a file sink is writing: one per bucket, rolled by size and
// age.
//
// Life of a part: hidden and in progress → complete (rolled, or a barrier came): written out,
// synced, closed → handed out by prepare_commit() as a committable → made visible by the committer.
// Parts that were not handed out are removed by close(). After a restore open() removes the parts
// of earlier attempts that the restored checkpoint cannot know; subtask s sees to those of the
// subtasks s, s + parallelism, s + 2 parallelism, ..., so that after a change of parallelism each
// belongs to exactly one. When the checkpoint is not the newest (that one is damaged, or the user
// goes back), parts that were committed after it are removed, too: their rows are written again.
//
// The state is how many parts each subtask has begun, also of those that a smaller parallelism does
// not have any more: a part that the state knows is never removed. Every subtask gets all of it.
//
// One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/files/file_committer.h"
#include "connectors/files/output_directory.h"
#include "core/sink.h"
#include "core/time.h"

namespace sluice {

/// When a part is complete; every checkpoint completes all parts as well.
struct RollingPolicy {
  uint64_t bytes_max = 256 * 1024 * 1024;
  /// Counted from the part's first row; 0 = no limit. Looked at when rows come.
  Duration age_max{0};
};

struct PartFilesOptions {
  OutputDirectory directory;
  RollingPolicy rolling;
  std::string suffix;
  std::string header;  // First bytes of every part.
};

class PartFiles {
 public:
  static constexpr size_t kBufferBytes = 256 * 1024;
  /// With more buckets at a time the part begun first is completed.
  static constexpr size_t kOpenPartsMax = 256;

  /// A part in progress. The owner appends rows to `buffer`.
  struct Part {
    std::string buffer;
    std::unique_ptr<WritableFile> file;
    std::string bucket;
    PartName name;
    uint64_t written_bytes = 0;
    int64_t begun_ns = 0;
  };

  explicit PartFiles(PartFilesOptions options) : options_(std::move(options)) {}

  Status open(const SinkContext& context);
  /// The part that is open for `bucket` ("" = the directory itself), begun when there is none.
  /// Valid until the next call of anything here.
  Result<Part*> part_for(std::string_view bucket);
  /// Writes the buffer out; the part may be complete then and `part` dangle.
  Status write_out(Part& part);
  /// Completes parts that are too old.
  Status roll_old();
  Result<std::vector<std::string>> prepare_commit(CheckpointId checkpoint);
  std::vector<std::string> snapshot_state(CheckpointId checkpoint) const;
  /// Removes what was not handed out. Errors are ignored: such files are hidden, and the next start
  /// removes them.
  void close();

 private:
  struct CompletePart {
    std::string bucket;
    PartName name;
  };

  Status open_restore(const std::vector<std::string>& items);
  Status open_look_around();
  bool is_unknown(const PartName& name) const;
  bool belongs_here(int subtask) const { return subtask % parallelism_ == subtask_; }
  Status check_bucket(const std::string& bucket) const;
  std::string path_of(const std::string& bucket, const PartName& name) const;
  Status append_buffer(Part& part);
  /// Takes it out of open_parts_.
  Status complete(const std::string& bucket);
  Status complete_first_begun();

  PartFilesOptions options_;
  const Clock* clock_ = nullptr;
  int subtask_ = 0;
  int parallelism_ = 1;
  int attempt_ = 0;
  int64_t epoch_ = 0;
  int64_t next_counter_ = 0;
  bool is_fresh_ = true;  // No checkpoint was restored.
  // From the checkpoint: the next counter of each subtask that ever wrote here. Empty without one.
  std::map<int, int64_t> known_counters_;
  std::map<std::string, std::unique_ptr<Part>, std::less<>> open_parts_;
  std::vector<CompletePart> complete_parts_;
};

}  // namespace sluice
