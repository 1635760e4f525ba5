#include "control/http_client.h"

#include <utility>

#include "control/http_connection.h"
#include "control/inspection_json.h"
#include "core/inspection.h"

namespace sluice {
namespace {

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
    return connect_to(endpoint_, answer_within);
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

  template <class T>
  Result<T> decode(const httplib::Result& result) const {
    SLUICE_ASSIGN_OR_RETURN(const std::string body, body_of(endpoint_, result));
    return from_json<T>(body);
  }

  const ControlEndpoint endpoint_;
};

}  // namespace

std::unique_ptr<ClusterClient> make_http_client(const ControlEndpoint& endpoint) {
  return std::make_unique<HttpClient>(endpoint);
}

}  // namespace sluice
