// The control endpoint of a job process: server and announcement together, and a server for other
// hosts where one is wanted.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/cluster_client.h"
#include "core/options.h"

namespace sluice {

struct JobEndpointSettings {
  std::string job;
  Options options;
  std::function<void(const std::string&)> note;
  /// Where the JobManager of a cluster listens; port 0: no cluster.
  ClusterAddress cluster;
  /// Where else to serve, with TLS, for tools on other hosts; empty host: nowhere.
  ClusterAddress control;
};

/// Serves `client` until the returned object goes; null when the options say no. A runtime
/// directory that cannot be used is no reason not to run the job: `note` tells, and it is null.
std::shared_ptr<void> serve_job(ClusterClient& client, const JobEndpointSettings& settings);

}  // namespace sluice
