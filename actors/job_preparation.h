// From a graph and settings to a job that can be submitted; and the caller's end of it.
//
// prepare_job() blocks (it reads checkpoints). JobOutcome and JobControl::Impl are shared between
// the thread that waits and the actors; any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "actors/awaited.h"
#include "actors/checkpoint_setup.h"
#include "actors/cluster_client.h"
#include "actors/job_metrics.h"
#include "actors/job_plan.h"

namespace sluice {

struct PreparedJob {
  std::shared_ptr<const JobPlan> plan;
  std::shared_ptr<const CheckpointSetup> checkpoints;
  std::shared_ptr<JobMetrics> metrics;
};

/// Finds what to start from and makes the plan. `cores` stands in for a parallelism that is not
/// set.
/// `leftover`: a savepoint the engine made for itself, deleted when it is not needed any more.
Result<PreparedJob> prepare_job(LogicalGraph graph, const JobSettings& settings, int cores,
                                const std::string& leftover = "");

/// Processor cores of this machine.
int machine_cores();
/// `scheduler.threads`, where 0 stands for one per core.
size_t scheduler_threads(const Options& options);

/// Where the job's end is announced.
using JobOutcome = Awaited<JobResult>;

/// Blocks until the end, calling on_progress meanwhile.
JobResult wait_for_end(JobOutcome& outcome, const JobSettings& settings, const JobMetrics& metrics);

// Requests reach the cluster through a listener while there is one; earlier ones wait here.
class JobControl::Impl {
 public:
  enum class Request { kStop, kDrain, kSavepoint, kCancel };
  using Listener = std::function<void(Request)>;

  void request(Request request);
  void listen(Listener listener);

 private:
  std::mutex mutex_;
  std::vector<Request> waiting_;
  Listener listener_;
};

}  // namespace sluice
