#include "control/control_routes.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "control/inspection_json.h"
#include "core/inspection.h"

namespace sluice {
namespace {

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

template <class T>
void answer(httplib::Response& response, const Result<T>& result) {
  if (result.is_ok()) {
    response.set_content(to_json(*result), kJson);
  } else {
    answer_status(response, result.status());
  }
}

Result<SteeringOutcome> steer(ClusterClient& service, const std::string& job,
                              const std::string& verb, const httplib::Request& request) {
  SLUICE_ASSIGN_OR_RETURN(const int64_t timeout_ms,
                          number_of(request, "timeout-ms", kSteerDefault.count(), kSteerMsMax));
  const Duration timeout(timeout_ms);
  const std::string target = request.get_param_value("target");
  SLUICE_RETURN_IF_ERROR(check_target(target));
  if (verb == "cancel") return service.cancel(job, timeout);
  if (verb == "stop") return service.stop(job, {is_set(request, "drain"), target}, timeout);
  if (verb == "savepoint") return service.savepoint(job, target, timeout);
  if (verb == "checkpoint") return service.checkpoint(job, timeout);
  if (verb == "rescale") {
    SLUICE_ASSIGN_OR_RETURN(const int64_t parallelism, number_of(request, "parallelism", 0, 32768));
    if (parallelism == 0) return Status::invalid_argument("rescale needs a parallelism");
    return service.rescale(job, static_cast<int>(parallelism), timeout);
  }
  return Status::not_found("a job cannot be told to '" + verb + "'");
}

}  // namespace

void answer_error(httplib::Response& response, int http_status, StatusCode code,
                  const std::string& message) {
  response.status = http_status;
  const nlohmann::json body{{"error", {{"code", static_cast<int>(code)}, {"message", message}}}};
  response.set_content(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), kJson);
}

void answer_status(httplib::Response& response, const Status& status) {
  answer_error(response, http_status_of(status.code()), status.code(), status.message());
}

void answer_json(httplib::Response& response, const std::string& json) {
  response.set_content(json, kJson);
}

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

void install_error_answers(httplib::Server& server) {
  server.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!response.body.empty()) return;
    if (response.status == 404) {
      answer_error(response, 404, StatusCode::kNotFound,
                   "there is no " + request.method + " " + request.path);
    } else {
      answer_error(response, response.status, StatusCode::kInvalidArgument,
                   "this request cannot be taken");
    }
  });
}

void install_job_routes(httplib::Server& server, ClusterClient& service) {
  server.Get("/v1/jobs",
             [&service](const auto&, auto& response) { answer(response, service.list()); });
  server.Get("/v1/jobs/([^/]+)", [&service](const auto& request, auto& response) {
    answer(response, service.inspect(request.matches[1], is_set(request, "details")));
  });
  server.Get("/v1/jobs/([^/]+)/log", [&service](const auto& request, auto& response) {
    const auto lines = number_of(request, "lines", 1000, 1'000'000);
    if (!lines.is_ok()) return answer_status(response, lines.status());
    answer(response, service.logs(request.matches[1], static_cast<int>(*lines)));
  });
  server.Get("/v1/actors",
             [&service](const auto&, auto& response) { answer(response, service.actors()); });
  server.Get("/v1/taskmanagers", [&service](const auto&, auto& response) {
    answer(response, service.task_managers());
  });
  server.Post("/v1/jobs/([^/]+)/([a-z]+)", [&service](const auto& request, auto& response) {
    answer(response, steer(service, request.matches[1], request.matches[2], request));
  });
}

}  // namespace sluice
