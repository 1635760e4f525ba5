// The network side of a session's JobManager: HTTP with JSON, plain on loopback, mutual TLS
// elsewhere.
//
//   what control/control_server.h lists, for all jobs of the session, and
//   PUT  /v1/session/artefacts/SHA256      an executable, as it is
//   GET  /v1/session/artefacts/SHA256
//   POST /v1/session/jobs                  Submission -> {"id":...}
//   GET  /v1/session/jobs/JOB/end          [?timeout-ms=N] the job's result once it has ended
//   POST /v1/session/agents/report         AgentReport -> AgentOrders
//
// Who may ask: with TLS, whoever has a certificate of the cluster's CA; without, whoever has a
// token of the session's endpoint file (mode 0600). Jobs can be submitted over the network only
// when that was allowed: whoever may submit runs code. Sizes are checked before a body is read.
// Submissions and steering are lines of the audit log.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/http_access.h"
#include "core/status.h"
#include "session/dispatcher.h"
#include "session/job_command.h"
#include "session/session_service.h"

namespace sluice {

class SessionServer {
 public:
  struct Settings {
    std::string host = "127.0.0.1";
    int port = 0;  // 0: any free one.
    TlsFiles tls;
    AccessTokens tokens;
    bool allow_submission = true;
    std::function<void(const std::string&)> audit;  // Any thread.
  };
  static Result<std::unique_ptr<SessionServer>> start(Dispatcher& dispatcher,
                                                      SessionService& service, Settings settings);
  ~SessionServer();
  SessionServer(const SessionServer&) = delete;
  SessionServer& operator=(const SessionServer&) = delete;

  int port() const;

 private:
  class Impl;
  explicit SessionServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
