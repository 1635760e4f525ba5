// What becomes of a job's checkpoints when the job has ended for good.
//
// Checkpoints go only after the end of the job is known for sure (and, with an HA directory, was
// written down), so that nobody goes on from nothing with a job that had some. Savepoints are never
// touched, nor are checkpoints of earlier runs that this one did not go on from.
//
// keeps_checkpoints() is pure; end_checkpoints() blocks and wants the storage for itself: the
// actors of the run are gone.
#pragma once

#include "actors/checkpoint_setup.h"
#include "actors/cluster_client.h"

namespace sluice {

namespace options {
inline constexpr OptionKey<std::string> kCheckpointRetention{
    "execution.checkpointing.externalized-checkpoint-retention"};
}  // namespace options

/// Whether the checkpoints of a job that ended as `result` says stay.
bool keeps_checkpoints(const Options& options, const JobResult& result);

/// Deletes the checkpoints of the run unless they stay. What cannot be deleted is told by `note`.
void end_checkpoints(const CheckpointSetup& checkpoints, const Options& options,
                     const JobResult& result, const Note& note);

}  // namespace sluice
