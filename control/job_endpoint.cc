#include "control/job_endpoint.h"

#include <cstdlib>
#include <utility>

#include "control/control_server.h"
#include "control/endpoint_file.h"

namespace sluice {
namespace {

struct JobEndpoint {
  std::unique_ptr<ControlServer> server;
  std::unique_ptr<EndpointFile> file;  // Withdrawn before the server stops.
};

Result<std::shared_ptr<void>> start(ClusterClient& client, const std::string& job,
                                    const Options& options,
                                    const std::function<void(const std::string&)>& note) {
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
  ControlServer::Settings settings;
  settings.host = options.get(options::kRestBindAddress);
  settings.port = static_cast<int>(options.get(options::kRestPort));
  settings.tokens = {make_token(), make_token()};
  settings.audit = note;
  ControlEndpoint endpoint;
  endpoint.job = job;
  endpoint.host = settings.host;
  endpoint.read_token = settings.tokens.read;
  endpoint.operate_token = settings.tokens.operate;
  const char* log = std::getenv("SLUICE_LOG_FILE");
  if (log != nullptr) endpoint.log = log;
  auto served = std::make_shared<JobEndpoint>();
  SLUICE_ASSIGN_OR_RETURN(served->server, ControlServer::start(client, std::move(settings)));
  endpoint.port = served->server->port();
  SLUICE_ASSIGN_OR_RETURN(served->file, EndpointFile::announce(directory, std::move(endpoint)));
  return std::shared_ptr<void>(std::move(served));
}

}  // namespace

std::shared_ptr<void> serve_job(ClusterClient& client, const std::string& job,
                                const Options& options,
                                const std::function<void(const std::string&)>& note) {
  if (!options.get(options::kRestEnabled)) return nullptr;
  auto served = start(client, job, options, note);
  if (served.is_ok()) return *std::move(served);
  if (note) note("cannot be inspected: " + served.status().message());
  return nullptr;
}

}  // namespace sluice
