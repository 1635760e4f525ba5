// Looks at and steers the one job of an embedded run, from other threads of its process.
//
// Any number of callers at a time. What actors know is asked by message, what tasks know is read
// from the job's metrics. Ends before its cluster does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/awaited.h"
#include "actors/cluster_client.h"
#include "actors/job_log.h"
#include "actors/steered_cluster.h"
#include "core/inspection.h"

namespace sluice {

class EmbeddedClient final : public ClusterClient {
 public:
  struct Settings {
    SteeredCluster* cluster = nullptr;
    std::shared_ptr<const JobPlan> plan;
    std::shared_ptr<JobMetrics> metrics;
    std::shared_ptr<const CheckpointSetup> checkpoints;
    std::shared_ptr<const JobLog> log;
    std::shared_ptr<Awaited<JobResult>> outcome;
    const Clock* clock = nullptr;
    /// Asks for another parallelism; null: this run cannot be rescaled.
    std::function<Status(int parallelism)> rescale;
    /// Of other processes; null: this process runs the tasks.
    std::function<std::vector<TaskManagerInspection>()> task_managers;
  };
  explicit EmbeddedClient(Settings settings);

  Result<std::vector<JobSummary>> list() override;
  Result<JobInspection> inspect(const std::string& job, bool with_details) override;
  Result<std::vector<ActorInspection>> actors() override;
  Result<std::vector<TaskManagerInspection>> task_managers() override;
  Result<std::vector<LogLine>> logs(const std::string& job, int lines_max) override;
  Result<JobResult> result(const std::string& job) override;
  Result<SteeringOutcome> cancel(const std::string& job, Duration timeout) override;
  Result<SteeringOutcome> stop(const std::string& job, const StopRequest& request,
                               Duration timeout) override;
  Result<SteeringOutcome> savepoint(const std::string& job, const std::string& target,
                                    Duration timeout) override;
  Result<SteeringOutcome> checkpoint(const std::string& job, Duration timeout) override;
  Result<SteeringOutcome> rescale(const std::string& job, int parallelism,
                                  Duration timeout) override;

 private:
  void add_far_actors(std::vector<ActorInspection>& actors) const;
  Status check_job(const std::string& job) const;
  Result<JobInspection> look(bool with_details);
  Result<SteeringOutcome> wait_for_end(Duration timeout);
  Result<SteeringOutcome> snapshot(const SnapshotRequest& request, Duration timeout);

  const Settings settings_;
  const std::string node_;
  const int64_t started_ms_;
};

}  // namespace sluice
