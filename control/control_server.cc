#include "control/control_server.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <thread>
#include <utility>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "control/inspection_json.h"
#include "core/inspection.h"

namespace sluice {
namespace {

constexpr size_t kBodyBytesMax = 4096;  // Requests carry what they say in their URL.
constexpr size_t kThreads = 8;
constexpr time_t kReadSecondsMax = 2;
constexpr Duration kSteerDefault{60'000};
constexpr int64_t kSteerMsMax = 24LL * 3600 * 1000;
constexpr const char* kJson = "application/json";

int http_status_of(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kInvalidArgument:
      return 400;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kCancelled:
      return 409;
    case StatusCode::kUnavailable:
    case StatusCode::kResourceExhausted:
      return 503;
    case StatusCode::kDeadlineExceeded:
      return 504;
    case StatusCode::kIoError:
    case StatusCode::kCorruption:
    case StatusCode::kUserFunction:
    case StatusCode::kInternal:
      return 500;
  }
  return 500;
}

void answer_error(httplib::Response& response, int http_status, StatusCode code,
                  const std::string& message) {
  response.status = http_status;
  const nlohmann::json body{{"error", {{"code", static_cast<int>(code)}, {"message", message}}}};
  response.set_content(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), kJson);
}

template <class T>
void answer(httplib::Response& response, const Result<T>& result) {
  if (result.is_ok()) {
    response.set_content(to_json(*result), kJson);
  } else {
    const Status status = result.status();
    answer_error(response, http_status_of(status.code()), status.code(), status.message());
  }
}

/// A number of the URL within bounds; `otherwise` when it is not given.
Result<int64_t> number_of(const httplib::Request& request, const char* name, int64_t otherwise,
                          int64_t max) {
  if (!request.has_param(name)) return otherwise;
  const std::string text = request.get_param_value(name);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > max) {
    return Status::invalid_argument(std::string(name) + " is a number from 0 to " +
                                    std::to_string(max));
  }
  return value;
}

bool is_set(const httplib::Request& request, const char* name) {
  return request.has_param(name) && request.get_param_value(name) == "true";
}

/// A directory for a snapshot: absolute, and no way up.
Status check_target(const std::string& target) {
  if (target.empty()) return Status::ok();
  const bool climbs = ("/" + target + "/").find("/../") != std::string::npos;
  if (target.find('\0') != std::string::npos || climbs) {
    return Status::invalid_argument("a snapshot's directory has no '..' in it");
  }
  return Status::ok();
}

}  // namespace

class ControlServer::Impl {
 public:
  Impl(ClusterClient& service, Settings settings)
      : service_(service), settings_(std::move(settings)) {}

  Status start() {
    SLUICE_RETURN_IF_ERROR(make_server());
    limit();
    route();
    if (settings_.port == 0) {
      port_ = server_->bind_to_any_port(settings_.host);
    } else if (server_->bind_to_port(settings_.host, settings_.port)) {
      port_ = settings_.port;
    }
    if (port_ <= 0) {
      return Status::unavailable("cannot listen on " + settings_.host + ":" +
                                 std::to_string(settings_.port));
    }
    listener_ = std::thread([this] { server_->listen_after_bind(); });
    // Before that a stop would pass unheard.
    while (!server_->is_running()) std::this_thread::yield();
    return Status::ok();
  }
  ~Impl() {
    if (!listener_.joinable()) return;
    server_->stop();
    listener_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  int port() const { return port_; }

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
    server_->set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (!response.body.empty()) return;
      if (response.status == 404) {
        answer_error(response, 404, StatusCode::kNotFound,
                     "there is no " + request.method + " " + request.path);
      } else {
        answer_error(response, response.status, StatusCode::kInvalidArgument,
                     "this request cannot be taken");
      }
    });
    server_->Get("/v1/jobs",
                 [this](const auto&, auto& response) { answer(response, service_.list()); });
    server_->Get("/v1/jobs/([^/]+)", [this](const auto& request, auto& response) {
      answer(response, service_.inspect(request.matches[1], is_set(request, "details")));
    });
    server_->Get("/v1/jobs/([^/]+)/log", [this](const auto& request, auto& response) {
      const auto lines = number_of(request, "lines", 1000, 1'000'000);
      if (!lines.is_ok()) return answer(response, lines.status());
      answer(response, service_.logs(request.matches[1], static_cast<int>(*lines)));
    });
    server_->Get("/v1/actors",
                 [this](const auto&, auto& response) { answer(response, service_.actors()); });
    server_->Get("/v1/taskmanagers", [this](const auto&, auto& response) {
      answer(response, service_.task_managers());
    });
    server_->Post("/v1/jobs/([^/]+)/([a-z]+)", [this](const auto& request, auto& response) {
      answer(response, steer(request.matches[1], request.matches[2], request));
    });
  }

  void answer(httplib::Response& response, const Status& status) {
    answer_error(response, http_status_of(status.code()), status.code(), status.message());
  }
  template <class T>
  void answer(httplib::Response& response, const Result<T>& result) {
    sluice::answer(response, result);
  }

  /// Answers itself and returns false when the request may not be made.
  bool admit(const httplib::Request& request, httplib::Response& response) {
    const auto refuse = [&](int http_status, const char* text) {
      answer_error(response, http_status, StatusCode::kFailedPrecondition, text);
      return false;
    };
    // With TLS the client has checked the name, and has shown who it is.
    if (request.get_header_value_count("Host") != 1 ||
        (!has_tls() && !is_own_host(request.get_header_value("Host"), port_))) {
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

  Result<SteeringOutcome> steer(const std::string& job, const std::string& verb,
                                const httplib::Request& request) {
    SLUICE_ASSIGN_OR_RETURN(const int64_t timeout_ms,
                            number_of(request, "timeout-ms", kSteerDefault.count(), kSteerMsMax));
    const Duration timeout(timeout_ms);
    const std::string target = request.get_param_value("target");
    SLUICE_RETURN_IF_ERROR(check_target(target));
    if (verb == "cancel") return service_.cancel(job, timeout);
    if (verb == "stop") return service_.stop(job, {is_set(request, "drain"), target}, timeout);
    if (verb == "savepoint") return service_.savepoint(job, target, timeout);
    if (verb == "checkpoint") return service_.checkpoint(job, timeout);
    if (verb == "rescale") {
      SLUICE_ASSIGN_OR_RETURN(const int64_t parallelism,
                              number_of(request, "parallelism", 0, 32768));
      if (parallelism == 0) return Status::invalid_argument("rescale needs a parallelism");
      return service_.rescale(job, static_cast<int>(parallelism), timeout);
    }
    return Status::not_found("a job cannot be told to '" + verb + "'");
  }

  ClusterClient& service_;
  const Settings settings_;
  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::thread listener_;
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
