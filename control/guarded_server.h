// An HTTP server that decides who may ask before any route sees the request; listens on a thread of
// its own until it goes.
//
// With TLS (1.2 or newer, or it does not start): whoever shows a certificate of the CA. Without:
// loopback only, and whoever has a token of this user's files (control/http_access.h). Bodies and
// times are bounded before anything is read. A request that would steer is a line of the audit log,
// also when it is refused. One owner: open, add routes, listen; requests are answered by several
// threads at a time. For servers of this project only: httplib shows.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <httplib.h>

#include "control/http_access.h"
#include "control/tls_files.h"
#include "core/status.h"

namespace sluice {

class GuardedServer {
 public:
  struct Refusal {
    int http_status = 403;
    std::string why;
  };
  struct Settings {
    std::string name;  // In errors and audit lines: "control endpoint".
    std::string host = "127.0.0.1";
    int port = 0;  // 0: any free one.
    TlsFiles tls;
    AccessTokens tokens;  // Not asked for with TLS.
    /// At most; each connection needs one for as long as it is open.
    size_t threads = 512;
    size_t body_bytes_max = 4096;
    time_t seconds_max = 2;  // To read a request, and to take an answer.
    /// What this server refuses of those who may ask in general. Optional.
    std::function<std::optional<Refusal>(const httplib::Request&)> refuses;
    /// Requests of which the routes tell the audit log, or nobody. Optional.
    std::function<bool(const httplib::Request&)> is_quiet;
    std::function<void(const std::string&)> audit;  // Any thread. Optional.
  };
  static Result<std::unique_ptr<GuardedServer>> open(Settings settings);
  /// Stops listening and waits for the requests it is answering.
  ~GuardedServer();
  GuardedServer(const GuardedServer&) = delete;
  GuardedServer& operator=(const GuardedServer&) = delete;

  /// For its routes, which use what outlives this server.
  httplib::Server& http() { return *http_; }
  /// When it returns, a connection is accepted.
  Status listen();
  /// Where it listens; 0 before.
  int port() const { return port_; }
  /// One line: the request, who asked, and what came of it.
  void audit(const httplib::Request& request, const std::string& what) const;
  /// Address of whoever asks, and the name in the certificate that was shown.
  static std::string caller_of(const httplib::Request& request);

 private:
  explicit GuardedServer(Settings settings) : settings_(std::move(settings)) {}
  bool has_tls() const { return !settings_.tls.ca.empty(); }
  Status make_http();
  void limit();
  bool admit(const httplib::Request& request, httplib::Response& response) const;
  std::optional<Refusal> refusal_of(const httplib::Request& request) const;

  const Settings settings_;
  std::unique_ptr<httplib::Server> http_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace sluice
