// A session as a ClusterClient: all its jobs side by side, each one asked at its own master, so
// that every command of `sluice` works for a session as it does for a single job.
//
// A job is known by the session's id; what its master calls it is translated on the way. Any
// thread.
#pragma once

#include <string>
#include <vector>

#include "actors/cluster_client.h"
#include "core/inspection.h"
#include "session/dispatcher.h"

namespace sluice {

class SessionService final : public ClusterClient {
 public:
  /// The dispatcher outlives the service.
  explicit SessionService(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

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
  std::vector<LogLine> log_of_master(const std::string& id, int lines_max);

  Dispatcher& dispatcher_;
};

}  // namespace sluice
