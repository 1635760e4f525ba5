// The other end of control/control_server.h: a ClusterClient that asks over HTTP.
#pragma once

#include <memory>

#include "actors/cluster_client.h"
#include "control/endpoint_file.h"

namespace sluice {

/// Nothing is sent before the first call. kUnavailable: the process is gone or does not answer.
std::unique_ptr<ClusterClient> make_http_client(const ControlEndpoint& endpoint);

}  // namespace sluice
