#include "tools/cli/reach.h"

#include <utility>

#include "control/http_client.h"

namespace sluice {

Result<Reach> Reach::find(const std::string& cluster) {
  Reach reach;
  if (!cluster.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const ClusterAddress address, parse_cluster_address(cluster));
    return Status::unavailable("no JobManager at " + address.host + ":" +
                               std::to_string(address.port));
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
  SLUICE_ASSIGN_OR_RETURN(const std::vector<ControlEndpoint> endpoints, find_endpoints(directory));
  for (const ControlEndpoint& endpoint : endpoints) {
    reach.reached_.push_back(
        {"process " + std::to_string(endpoint.pid), make_http_client(endpoint), endpoint.log});
  }
  return reach;
}

Result<Reach::Found> Reach::job(const std::string& job) {
  std::vector<Found> exact;
  std::vector<Found> beginning;
  std::string names;
  Status unreachable;
  for (Reached& reached : reached_) {
    const auto jobs = reached.client->list();
    if (!jobs.is_ok()) {
      unreachable = jobs.status();
      continue;
    }
    for (const JobSummary& summary : *jobs) {
      names += (names.empty() ? "" : ", ") + summary.id;
      if (job.empty() || summary.id == job || summary.name == job) {
        exact.push_back({&reached, summary});
      } else if (summary.id.starts_with(job)) {
        beginning.push_back({&reached, summary});
      }
    }
  }
  const std::vector<Found>& found = exact.empty() ? beginning : exact;
  if (found.size() == 1) return found.front();
  if (found.empty() && !unreachable.is_ok()) return unreachable;
  const std::string there_is = names.empty() ? "no job is running" : "there is " + names;
  if (found.empty()) {
    return Status::not_found(job.empty() ? there_is : "no job '" + job + "': " + there_is);
  }
  return Status::invalid_argument(
      (job.empty() ? "say which job: " : "'" + job + "' is not one job: ") + there_is);
}

}  // namespace sluice
