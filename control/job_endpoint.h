// The control endpoint of a job process: server and announcement together.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/cluster_client.h"
#include "core/options.h"

namespace sluice {

/// Serves `client` until the returned object goes; null when the options say no. A runtime
/// directory that cannot be used is no reason not to run the job: `note` tells, and it is null.
std::shared_ptr<void> serve_job(ClusterClient& client, const std::string& job,
                                const Options& options,
                                const std::function<void(const std::string&)>& note);

}  // namespace sluice
