// The requests of the control endpoint (control/control_server.h lists them) for any HTTP server
// that has decided who may ask, and the form of answers.
//
// Handlers are called by several threads at a time. For servers of this project only: httplib
// shows.
#pragma once

#include <cstdint>
#include <string>

#include <httplib.h>

#include "actors/cluster_client.h"
#include "core/status.h"

namespace sluice {

/// /v1/jobs, /v1/actors, /v1/taskmanagers; `service` outlives the server.
void install_job_routes(httplib::Server& server, ClusterClient& service);
/// What no route takes is answered as an error in JSON, too.
void install_error_answers(httplib::Server& server);

void answer_error(httplib::Response& response, int http_status, StatusCode code,
                  const std::string& message);
void answer_status(httplib::Response& response, const Status& status);
void answer_json(httplib::Response& response, const std::string& json);

/// A number of the URL within bounds; `otherwise` when it is not given.
Result<int64_t> number_of(const httplib::Request& request, const char* name, int64_t otherwise,
                          int64_t max);

}  // namespace sluice
