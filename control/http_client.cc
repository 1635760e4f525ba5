#include "control/http_client.h"

#include <utility>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "control/inspection_json.h"
#include "core/inspection.h"

namespace sluice {
namespace {

constexpr Duration kConnectTimeout{2000};
/// A look asks actors, which have their own deadline.
constexpr Duration kLookTimeout{10'000};
/// What the server may take beyond the time it was given.
constexpr Duration kGrace{5000};

class HttpClient final : public ClusterClient {
 public:
  explicit HttpClient(const ControlEndpoint& endpoint) : endpoint_(endpoint) {}

  Result<std::vector<JobSummary>> list() override {
    return get<std::vector<JobSummary>>("/v1/jobs");
  }
  Result<JobInspection> inspect(const std::string& job, bool with_details) override {
    return get<JobInspection>(path_of(job) + (with_details ? "?details=true" : ""));
  }
  Result<std::vector<ActorInspection>> actors() override {
    return get<std::vector<ActorInspection>>("/v1/actors");
  }
  Result<std::vector<TaskManagerInspection>> task_managers() override {
    return get<std::vector<TaskManagerInspection>>("/v1/taskmanagers");
  }
  Result<std::vector<LogLine>> logs(const std::string& job, int lines_max) override {
    return get<std::vector<LogLine>>(path_of(job) + "/log?lines=" + std::to_string(lines_max));
  }
  Result<JobResult> result(const std::string& /*job*/) override {
    return Status::failed_precondition("a job's process answers only while the job runs");
  }
  Result<SteeringOutcome> cancel(const std::string& job, Duration timeout) override {
    return steer(job, "cancel", {}, timeout);
  }
  Result<SteeringOutcome> stop(const std::string& job, const StopRequest& request,
                               Duration timeout) override {
    httplib::Params params;
    if (request.drain) params.emplace("drain", "true");
    if (!request.target.empty()) params.emplace("target", request.target);
    return steer(job, "stop", std::move(params), timeout);
  }
  Result<SteeringOutcome> savepoint(const std::string& job, const std::string& target,
                                    Duration timeout) override {
    httplib::Params params;
    if (!target.empty()) params.emplace("target", target);
    return steer(job, "savepoint", std::move(params), timeout);
  }
  Result<SteeringOutcome> checkpoint(const std::string& job, Duration timeout) override {
    return steer(job, "checkpoint", {}, timeout);
  }
  Result<SteeringOutcome> rescale(const std::string& job, int parallelism,
                                  Duration timeout) override {
    return steer(job, "rescale", {{"parallelism", std::to_string(parallelism)}}, timeout);
  }

 private:
  static std::string path_of(const std::string& job) {
    return "/v1/jobs/" + httplib::detail::encode_query_param(job);
  }
  std::unique_ptr<httplib::ClientImpl> connect(Duration answer_within) const {
    auto http = make_client();
    http->set_connection_timeout(kConnectTimeout);
    http->set_read_timeout(answer_within);
    http->set_keep_alive(false);
    const std::string& token =
        endpoint_.operate_token.empty() ? endpoint_.read_token : endpoint_.operate_token;
    if (!token.empty()) http->set_bearer_token_auth(token);
    return http;
  }
  std::unique_ptr<httplib::ClientImpl> make_client() const {
    if (endpoint_.ca.empty()) {
      return std::make_unique<httplib::ClientImpl>(endpoint_.host, endpoint_.port);
    }
    auto http = std::make_unique<httplib::SSLClient>(endpoint_.host, endpoint_.port,
                                                     endpoint_.certificate, endpoint_.key);
    http->set_ca_cert_path(endpoint_.ca);
    http->enable_server_certificate_verification(true);
    return http;
  }
  template <class T>
  Result<T> get(const std::string& path) {
    return decode<T>(connect(kLookTimeout)->Get(path));
  }
  Result<SteeringOutcome> steer(const std::string& job, const std::string& verb,
                                httplib::Params params, Duration timeout) {
    params.emplace("timeout-ms", std::to_string(timeout.count()));
    const std::string path = httplib::append_query_params(path_of(job) + "/" + verb, params);
    return decode<SteeringOutcome>(connect(timeout + kGrace)->Post(path));
  }

  std::string where() const {
    return endpoint_.host + ":" + std::to_string(endpoint_.port) +
           (endpoint_.pid > 0 ? " (process " + std::to_string(endpoint_.pid) + ")" : "");
  }
  template <class T>
  Result<T> decode(const httplib::Result& result) const {
    if (!result) {
      if (result.error() == httplib::Error::Read) {
        return Status::unavailable("no answer from " + where());
      }
      return Status::unavailable("nobody answers at " + where() + ": " +
                                 httplib::to_string(result.error()));
    }
    if (result->status == 200) return from_json<T>(result->body);
    return error_of(*result);
  }
  Status error_of(const httplib::Response& response) const {
    const auto body = nlohmann::json::parse(response.body, nullptr, false);
    if (body.is_object() && body.contains("error") && body["error"].is_object()) {
      const int code = body["error"].value("code", static_cast<int>(StatusCode::kInternal));
      const std::string message = body["error"].value("message", "");
      const bool is_known = code > 0 && code <= static_cast<int>(StatusCode::kDeadlineExceeded);
      return Status::make(is_known ? static_cast<StatusCode>(code) : StatusCode::kInternal,
                          message);
    }
    return Status::unavailable("an answer that cannot be read from " + where() + " (HTTP " +
                               std::to_string(response.status) + ")");
  }

  const ControlEndpoint endpoint_;
};

}  // namespace

std::unique_ptr<ClusterClient> make_http_client(const ControlEndpoint& endpoint) {
  return std::make_unique<HttpClient>(endpoint);
}

}  // namespace sluice
