#include "control/control_server.h"

#include <utility>

#include "control/control_routes.h"
#include "control/guarded_server.h"

namespace sluice {

ControlServer::ControlServer(std::unique_ptr<GuardedServer> server) : server_(std::move(server)) {}
ControlServer::~ControlServer() = default;
int ControlServer::port() const { return server_->port(); }

Result<std::unique_ptr<ControlServer>> ControlServer::start(ClusterClient& service,
                                                            Settings settings) {
  GuardedServer::Settings guarded;
  guarded.name = "control endpoint";
  guarded.host = std::move(settings.host);
  guarded.port = settings.port;
  guarded.tls = std::move(settings.tls);
  guarded.tokens = std::move(settings.tokens);
  guarded.audit = std::move(settings.audit);
  SLUICE_ASSIGN_OR_RETURN(auto server, GuardedServer::open(std::move(guarded)));
  install_job_routes(server->http(), service);
  SLUICE_RETURN_IF_ERROR(server->listen());
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(server)));
}

}  // namespace sluice
