// One process of a cluster in application mode: every process is the job's own program, started
// with the same arguments and another role.
//
// Free of CAF types, like actors/cluster_client.h. Both calls block until the job has ended.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/cluster_client.h"
#include "actors/job_identity.h"

namespace sluice {

struct ClusterSettings {
  /// Where this process listens; port 0: any.
  ClusterAddress bind;
  /// JobManager: where else tools reach it, with the certificates of `bind`; empty host: nowhere.
  ClusterAddress control{.host = ""};
  /// TaskManager: where the JobManager listens.
  ClusterAddress manager;
  /// TaskManager: where others reach it, when that is not `bind`; empty host: it is.
  ClusterAddress advertise{.host = ""};
  int slots = 0;  // 0: one per processor core.
  std::string cluster = "default";
  std::string ha_directory;
  /// JobManager: the parallelism follows the slots that TaskManagers offer.
  bool reactive = false;
  bool insecure = false;
  /// The job's own flags: part of its identity.
  std::vector<std::string> job_words;
  /// Called once with the port on which the process listens.
  std::function<void(int port)> on_listening;
};

/// Runs the job's builder.
using JobBuild = std::function<Result<LogicalGraph>(const Options&)>;

/// Runs the job on the TaskManagers that join. With a HA directory a job that ended in an earlier
/// run is not run again: its result is returned.
Result<JobResult> run_job_manager(const JobBuild& build, const JobSettings& settings,
                                  const ClusterSettings& cluster);

/// Runs tasks until the JobManager says that the job has ended.
/// Exits the process when it was frozen past its lease, or a task does not come back.
Status run_task_manager(const JobBuild& build, const JobSettings& settings,
                        const ClusterSettings& cluster);

/// Where a JobManager listens when nothing is said.
inline constexpr int kJobManagerPort = 6123;

/// Exit status of a process that ended itself because others may have taken over its work.
inline constexpr int kExitFenced = 75;

}  // namespace sluice
