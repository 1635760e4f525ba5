#include "control/guarded_server.h"

#include <algorithm>
#include <array>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "control/connection_threads.h"
#include "control/control_routes.h"

namespace sluice {
namespace {

constexpr int kWaitingMax = 1024;  // Connections that are not accepted yet.

/// Requests that look change nothing.
bool looks(const httplib::Request& request) {
  return request.method == "GET" || request.method == "HEAD";
}

std::string certificate_name(const httplib::Request& request) {
  if (request.ssl == nullptr) return "";
  X509* certificate = SSL_get1_peer_certificate(request.ssl);
  if (certificate == nullptr) return "";
  std::array<char, 256> name{};
  X509_NAME_oneline(X509_get_subject_name(certificate), name.data(), name.size());
  X509_free(certificate);
  return name.data();
}

}  // namespace

Result<std::unique_ptr<GuardedServer>> GuardedServer::open(Settings settings) {
  std::unique_ptr<GuardedServer> server(new GuardedServer(std::move(settings)));
  SLUICE_RETURN_IF_ERROR(server->make_http());
  server->limit();
  server->http_->set_pre_routing_handler([raw = server.get()](const auto& request, auto& response) {
    return raw->admit(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                         : httplib::Server::HandlerResponse::Handled;
  });
  install_error_answers(*server->http_);
  return server;
}

GuardedServer::~GuardedServer() {
  if (!thread_.joinable()) return;
  http_->stop();
  thread_.join();
}

Status GuardedServer::make_http() {
  const std::string& host = settings_.host;
  const bool is_loopback = host == "127.0.0.1" || host == "::1" || host == "localhost";
  if (!has_tls()) {
    if (!is_loopback) {
      return Status::invalid_argument("without TLS the " + settings_.name +
                                      " listens on loopback only, not on " + host);
    }
    http_ = std::make_unique<httplib::Server>();
    return Status::ok();
  }
  const TlsFiles& tls = settings_.tls;
  auto secure = std::make_unique<httplib::SSLServer>(tls.certificate.c_str(), tls.key.c_str(),
                                                     tls.ca.c_str());
  if (!secure->is_valid()) {
    return Status::invalid_argument("the " + settings_.name + " cannot use certificate " +
                                    tls.certificate + ", key " + tls.key + " and CA " + tls.ca);
  }
  if (SSL_CTX_set_min_proto_version(secure->ssl_context(), TLS1_2_VERSION) != 1) {
    return Status::failed_precondition("the " + settings_.name +
                                       " cannot refuse TLS older than 1.2 with this OpenSSL");
  }
  http_ = std::move(secure);
  return Status::ok();
}

void GuardedServer::limit() {
  // The server owns what it is given here.
  http_->new_task_queue = [threads = settings_.threads] {
    return std::make_unique<ConnectionThreads>(threads).release();
  };
  http_->set_payload_max_length(settings_.body_bytes_max);
  http_->set_read_timeout(settings_.seconds_max);
  http_->set_write_timeout(settings_.seconds_max);
  // Who connects sends its request at once.
  http_->set_keep_alive_timeout(1);
  // Connections that stay open would hold threads and the end of the process.
  http_->set_keep_alive_max_count(1);
}

Status GuardedServer::listen() {
  // httplib lets five wait to be accepted, and whoever comes then may try again for half a minute.
  socket_t listening = INVALID_SOCKET;
  http_->set_socket_options([&listening](socket_t made) {
    httplib::default_socket_options(made);
    listening = made;
  });
  if (settings_.port == 0) {
    port_ = http_->bind_to_any_port(settings_.host);
  } else if (http_->bind_to_port(settings_.host, settings_.port)) {
    port_ = settings_.port;
  }
  if (port_ <= 0) {
    return Status::unavailable("cannot listen on " + settings_.host + ":" +
                               std::to_string(settings_.port));
  }
  http_->set_socket_options(httplib::default_socket_options);
  (void)!::listen(listening, kWaitingMax);
  thread_ = std::thread([this] { http_->listen_after_bind(); });
  // Before that a stop would pass unheard.
  while (!http_->is_running()) std::this_thread::yield();
  return Status::ok();
}

/// Answers itself and returns false when the request may not be made.
bool GuardedServer::admit(const httplib::Request& request, httplib::Response& response) const {
  const auto refusal = refusal_of(request);
  if (refusal) {
    answer_error(response, refusal->http_status, StatusCode::kFailedPrecondition, refusal->why);
    if (!looks(request)) audit(request, "refused: " + refusal->why);
    return false;
  }
  const bool is_quiet = settings_.is_quiet && settings_.is_quiet(request);
  if (!looks(request) && !is_quiet) audit(request, "accepted");
  return true;
}

std::optional<GuardedServer::Refusal> GuardedServer::refusal_of(
    const httplib::Request& request) const {
  // With TLS the client has checked the name, and has shown who it is.
  if (request.get_header_value_count("Host") != 1 ||
      (!has_tls() && !is_own_host(request.get_header_value("Host"), port()))) {
    return Refusal{403, "the Host header names another server"};
  }
  if (request.has_header("Origin")) return Refusal{403, "web pages may not ask"};
  const AccessRole role =
      has_tls() ? AccessRole::kOperate
                : role_of(settings_.tokens, request.get_header_value("Authorization"));
  if (role == AccessRole::kNone) return Refusal{401, "a valid bearer token is needed"};
  if (!looks(request) && role != AccessRole::kOperate) {
    return Refusal{403, "this token may look, not steer"};
  }
  return settings_.refuses ? settings_.refuses(request) : std::nullopt;
}

std::string GuardedServer::caller_of(const httplib::Request& request) {
  const std::string name = certificate_name(request);
  return request.remote_addr + ":" + std::to_string(request.remote_port) +
         (name.empty() ? "" : " " + name);
}

void GuardedServer::audit(const httplib::Request& request, const std::string& what) const {
  if (!settings_.audit) return;
  std::string line = settings_.name + ": " + request.method + " " + request.target + " from " +
                     caller_of(request) + " " + what;
  // What a stranger sends shall not write lines of its own.
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  settings_.audit(line);
}

}  // namespace sluice
