#include "control/control_server.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <httplib.h>

#include "control/control_routes.h"
#include "control/http_listener.h"

namespace sluice {
namespace {

constexpr size_t kBodyBytesMax = 4096;  // Requests carry what they say in their URL.
constexpr size_t kThreads = 8;
constexpr time_t kReadSecondsMax = 2;

}  // namespace

class ControlServer::Impl {
 public:
  Impl(ClusterClient& service, Settings settings)
      : service_(service), settings_(std::move(settings)) {}

  Status start() {
    SLUICE_RETURN_IF_ERROR(make_server());
    limit();
    route();
    return listener_.start(*server_, settings_.host, settings_.port);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  int port() const { return listener_.port(); }

 private:
  bool has_tls() const { return !settings_.ca.empty(); }

  Status make_server() {
    const bool is_loopback =
        settings_.host == "127.0.0.1" || settings_.host == "::1" || settings_.host == "localhost";
    if (!is_loopback && !has_tls()) {
      return Status::invalid_argument(
          "without TLS the control endpoint listens on loopback only, not on " + settings_.host);
    }
    if (!has_tls()) {
      server_ = std::make_unique<httplib::Server>();
      return Status::ok();
    }
    auto server = std::make_unique<httplib::SSLServer>(settings_.certificate.c_str(),
                                                       settings_.key.c_str(), settings_.ca.c_str());
    const bool is_modern = server->is_valid() && SSL_CTX_set_min_proto_version(
                                                     server->ssl_context(), TLS1_2_VERSION) == 1;
    if (!is_modern) {
      return Status::invalid_argument("the control endpoint cannot use " + settings_.certificate +
                                      ", " + settings_.key + " and " + settings_.ca);
    }
    server_ = std::move(server);
    return Status::ok();
  }

  void limit() {
    // The server owns what it is given here.
    server_->new_task_queue = [] {
      return std::make_unique<httplib::ThreadPool>(kThreads).release();
    };
    server_->set_payload_max_length(kBodyBytesMax);
    server_->set_read_timeout(kReadSecondsMax);
    server_->set_write_timeout(kReadSecondsMax);
    // Connections that stay open would hold threads and the end of the process.
    server_->set_keep_alive_max_count(1);
  }

  void route() {
    server_->set_pre_routing_handler([this](const auto& request, auto& response) {
      return admit(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                      : httplib::Server::HandlerResponse::Handled;
    });
    install_error_answers(*server_);
    install_job_routes(*server_, service_);
  }

  /// Answers itself and returns false when the request may not be made.
  bool admit(const httplib::Request& request, httplib::Response& response) {
    const auto refuse = [&](int http_status, const char* text) {
      answer_error(response, http_status, StatusCode::kFailedPrecondition, text);
      return false;
    };
    // With TLS the client has checked the name, and has shown who it is.
    if (request.get_header_value_count("Host") != 1 ||
        (!has_tls() && !is_own_host(request.get_header_value("Host"), port()))) {
      return refuse(403, "the Host header names another server");
    }
    if (request.has_header("Origin")) return refuse(403, "web pages may not ask");
    const AccessRole role =
        has_tls() ? AccessRole::kOperate
                  : role_of(settings_.tokens, request.get_header_value("Authorization"));
    if (role == AccessRole::kNone) return refuse(401, "a valid bearer token is needed");
    const bool looks = request.method == "GET" || request.method == "HEAD";
    if (!looks && role != AccessRole::kOperate) {
      audit(request, "refused");
      return refuse(403, "this token may look, not steer");
    }
    if (!looks) audit(request, "accepted");
    return true;
  }

  void audit(const httplib::Request& request, const char* verdict) const {
    if (!settings_.audit) return;
    std::string line = "control: " + request.method + " " + request.target + " from " +
                       request.remote_addr + ":" + std::to_string(request.remote_port) + " " +
                       verdict;
    // What a stranger sends shall not write lines of its own.
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
    settings_.audit(line);
  }

  ClusterClient& service_;
  const Settings settings_;
  std::unique_ptr<httplib::Server> server_;
  HttpListener listener_;  // After the server, which it uses.
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlServer::~ControlServer() = default;
int ControlServer::port() const { return impl_->port(); }

Result<std::unique_ptr<ControlServer>> ControlServer::start(ClusterClient& service,
                                                            Settings settings) {
  auto impl = std::make_unique<Impl>(service, std::move(settings));
  SLUICE_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

}  // namespace sluice
