#include "control/job_endpoint.h"

#include <cstdlib>
#include <utility>

#include "control/control_server.h"
#include "control/endpoint_file.h"

namespace sluice {
namespace {

struct JobEndpoint {
  std::unique_ptr<ControlServer> server;
  std::unique_ptr<ControlServer> far_server;
  std::unique_ptr<EndpointFile> file;  // Withdrawn before the servers stop.
};

std::string text_of(const ClusterAddress& address) {
  return address.host + ":" + std::to_string(address.port);
}

Status start_near(ClusterClient& client, const JobEndpointSettings& job, JobEndpoint& served) {
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
  ControlServer::Settings settings;
  settings.host = job.options.get(options::kRestBindAddress);
  settings.port = static_cast<int>(job.options.get(options::kRestPort));
  settings.tokens = {make_token(), make_token()};
  settings.audit = job.note;
  ControlEndpoint endpoint;
  endpoint.job = job.job;
  endpoint.host = settings.host;
  endpoint.read_token = settings.tokens.read;
  endpoint.operate_token = settings.tokens.operate;
  if (job.cluster.port > 0) endpoint.cluster = text_of(job.cluster);
  const char* log = std::getenv("SLUICE_LOG_FILE");
  if (log != nullptr) endpoint.log = log;
  SLUICE_ASSIGN_OR_RETURN(served.server, ControlServer::start(client, std::move(settings)));
  endpoint.port = served.server->port();
  SLUICE_ASSIGN_OR_RETURN(served.file, EndpointFile::announce(directory, std::move(endpoint)));
  return Status::ok();
}

Status start_far(ClusterClient& client, const JobEndpointSettings& job, JobEndpoint& served) {
  ControlServer::Settings settings;
  settings.host = job.control.host;
  settings.port = job.control.port;
  settings.tls = {job.control.certificate, job.control.key, job.control.ca};
  settings.audit = job.note;
  if (settings.tls.ca.empty()) return Status::invalid_argument("--control-bind needs --tls-ca");
  SLUICE_ASSIGN_OR_RETURN(served.far_server, ControlServer::start(client, std::move(settings)));
  if (job.note) {
    job.note("control endpoint on " + job.control.host + ":" +
             std::to_string(served.far_server->port()));
  }
  return Status::ok();
}

}  // namespace

std::shared_ptr<void> serve_job(ClusterClient& client, const JobEndpointSettings& settings) {
  if (!settings.options.get(options::kRestEnabled)) return nullptr;
  const auto served = std::make_shared<JobEndpoint>();
  const auto tell = [&](const Status& status) {
    if (!status.is_ok() && settings.note) {
      settings.note("cannot be inspected: " + status.message());
    }
  };
  tell(start_near(client, settings, *served));
  if (!settings.control.host.empty()) tell(start_far(client, settings, *served));
  return served->server || served->far_server ? served : nullptr;
}

}  // namespace sluice
