#include "actors/checkpoint_retention.h"

namespace sluice {

bool keeps_checkpoints(const Options& options, const JobResult& result) {
  // It has not taken any, and those it would have started from are still wanted.
  if (result.failed_before_start) return true;
  // They may still be written to.
  if (result.tasks_left_behind) return true;
  const std::string retention = options.get(options::kCheckpointRetention);
  switch (result.status) {
    case JobStatus::kFinished:
      return retention == "retain";
    case JobStatus::kCancelled:
      return retention == "retain" || retention == "retain-on-cancellation";
    case JobStatus::kFailed:
      return retention != "no-externalized-checkpoints";
  }
  return true;
}

void end_checkpoints(const CheckpointSetup& checkpoints, const Options& options,
                     const JobResult& result, const Note& note) {
  if (!checkpoints.storage || keeps_checkpoints(options, result)) return;
  const Status deleted = checkpoints.storage->delete_run();
  if (!note) return;
  note(deleted.is_ok() ? "the checkpoints of the job were deleted"
                       : "checkpoints of the job are left: " + deleted.message());
}

}  // namespace sluice
