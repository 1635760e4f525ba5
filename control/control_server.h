// The control endpoint of a process: looks at jobs and steers them over HTTP with JSON.
//
//   GET  /v1/jobs                             list
//   GET  /v1/jobs/JOB[?details=true]          one look at everything about a job
//   GET  /v1/jobs/JOB/log[?lines=N]
//   GET  /v1/actors, /v1/taskmanagers
//   POST /v1/jobs/JOB/cancel | stop | savepoint | checkpoint | rescale
//        ?timeout-ms=N &drain=true &target=DIRECTORY &parallelism=N
//
// Errors are {"error":{"code":N,"message":"..."}} with the numbers of StatusCode. Threads of its
// own, so it answers while all cores are busy; limits of size and time before anything is read.
// Every steering request is one line of the audit log.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "actors/cluster_client.h"
#include "control/http_access.h"
#include "control/tls_files.h"
#include "core/status.h"

namespace sluice {

class GuardedServer;

class ControlServer {
 public:
  struct Settings {
    /// Without TLS a loopback address.
    std::string host = "127.0.0.1";
    int port = 0;  // 0: any free one.
    /// Who has a token may do what it says. Not asked for with TLS.
    AccessTokens tokens;
    /// Whoever shows a certificate of the CA may look and steer.
    TlsFiles tls;
    /// One line per steering request; any thread. Optional.
    std::function<void(const std::string&)> audit;
  };
  /// `service` is called by several threads at a time and outlives the server.
  static Result<std::unique_ptr<ControlServer>> start(ClusterClient& service, Settings settings);
  /// Lets requests under way come to their end.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  int port() const;

 private:
  explicit ControlServer(std::unique_ptr<GuardedServer> server);
  std::unique_ptr<GuardedServer> server_;
};

}  // namespace sluice
