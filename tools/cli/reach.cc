#include "tools/cli/reach.h"

#include <algorithm>
#include <utility>

#include "control/http_client.h"

namespace sluice {

namespace {

bool has_ended(const JobSummary& job) {
  return job.state == "FINISHED" || job.state == "FAILED" || job.state == "CANCELLED";
}

std::string numeric(const std::string& host) { return host == "localhost" ? "127.0.0.1" : host; }

/// Whether the endpoint is that of the JobManager which listens at `address`.
bool is_at(const ControlEndpoint& endpoint, const ClusterAddress& address) {
  const auto own = parse_cluster_address(endpoint.cluster);
  if (endpoint.cluster.empty() || !own.is_ok() || own->port != address.port) return false;
  const std::string host = numeric(own->host);
  return host == numeric(address.host) || host == "0.0.0.0" || host == "::";
}

Result<ControlEndpoint> far_endpoint(const ClusterReach& cluster, const ClusterAddress& address) {
  if (cluster.certificate.empty() || cluster.key.empty() || cluster.ca.empty()) {
    return Status::unavailable(
        "no JobManager of this user listens at " + cluster.address +
        " on this machine; one on another host is reached at its --control-bind with --tls-cert, "
        "--tls-key and --tls-ca");
  }
  ControlEndpoint endpoint;
  endpoint.host = address.host;
  endpoint.port = address.port;
  endpoint.certificate = cluster.certificate;
  endpoint.key = cluster.key;
  endpoint.ca = cluster.ca;
  return endpoint;
}

}  // namespace

void Reach::add(const std::string& name, const ControlEndpoint& endpoint) {
  reached_.push_back({name, make_http_client(endpoint), endpoint.log});
}

Result<Reach> Reach::find(const ClusterReach& cluster) {
  Reach reach;
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
  SLUICE_ASSIGN_OR_RETURN(const std::vector<ControlEndpoint> endpoints, find_endpoints(directory));
  if (cluster.address.empty()) {
    for (const ControlEndpoint& endpoint : endpoints) {
      reach.add("process " + std::to_string(endpoint.pid), endpoint);
    }
    return reach;
  }
  SLUICE_ASSIGN_OR_RETURN(const ClusterAddress address, parse_cluster_address(cluster.address));
  for (const ControlEndpoint& endpoint : endpoints) {
    if (!is_at(endpoint, address)) continue;
    reach.add(cluster.address, endpoint);
    return reach;
  }
  SLUICE_ASSIGN_OR_RETURN(const ControlEndpoint endpoint, far_endpoint(cluster, address));
  reach.add(cluster.address, endpoint);
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
  std::vector<Found>& found = exact.empty() ? beginning : exact;
  // A session remembers jobs that have ended; whoever does not name one means what runs.
  const auto runs = [](const Found& one) { return !has_ended(one.summary); };
  if (found.size() > 1 && std::count_if(found.begin(), found.end(), runs) == 1) {
    const Found running = *std::find_if(found.begin(), found.end(), runs);
    found = {running};
  }
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
