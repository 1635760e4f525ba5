// What a TaskManager makes of a deployment: its own graph, the JobManager's decisions about it, and
// the state to start from.
//
// prepare_worker_job() runs the job's builder and reads checkpoint metadata, so it blocks: on an
// I/O thread. The result is immutable.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/checkpoint_setup.h"
#include "actors/job_metrics.h"
#include "actors/job_plan.h"
#include "proto/control.pb.h"

namespace sluice {

/// Runs the job's builder with options that are already decided. Any thread.
using GraphBuilder = std::function<Result<LogicalGraph>(const Options&)>;

struct WorkerJob {
  std::shared_ptr<const JobPlan> plan;
  std::shared_ptr<JobMetrics> metrics;
  std::shared_ptr<const CheckpointSetup> checkpoints;
  std::shared_ptr<const CheckpointMetadata> restore;
};

struct WorkerJobSettings {
  GraphBuilder build;
  FileSystem* files = nullptr;
  /// Local state of this process; replaces what the options say when they say something.
  std::string state_subdirectory;
};

/// kFailedPrecondition, naming both fingerprints, when this process would run something else.
Result<WorkerJob> prepare_worker_job(const proto::DeployTasks& command,
                                     const WorkerJobSettings& settings);

/// The other side: what a process needs to make the same plan.
proto::JobDescription describe_job(const JobPlan& plan, const CheckpointSetup* checkpoints);

/// Status of a plan whose edges carry records that cannot be encoded.
Status check_sendable(const JobPlan& plan);

std::string plan_fingerprint(const JobPlan& plan);

/// What the records are that leave by an output channel.
const RecordType* edge_type(const JobPlan& plan, const ChannelEnd& sender);

}  // namespace sluice
