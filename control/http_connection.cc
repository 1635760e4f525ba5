#include "control/http_connection.h"

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

constexpr Duration kConnectTimeout{2000};

std::string where(const ControlEndpoint& endpoint) {
  return endpoint.host + ":" + std::to_string(endpoint.port) +
         (endpoint.pid > 0 ? " (process " + std::to_string(endpoint.pid) + ")" : "");
}

Status error_of(const ControlEndpoint& endpoint, const httplib::Response& response) {
  const auto body = nlohmann::json::parse(response.body, nullptr, false);
  if (body.is_object() && body.contains("error") && body["error"].is_object()) {
    const int code = body["error"].value("code", static_cast<int>(StatusCode::kInternal));
    const std::string message = body["error"].value("message", "");
    const bool is_known = code > 0 && code <= static_cast<int>(StatusCode::kDeadlineExceeded);
    return Status::make(is_known ? static_cast<StatusCode>(code) : StatusCode::kInternal, message);
  }
  return Status::unavailable("an answer that cannot be read from " + where(endpoint) + " (HTTP " +
                             std::to_string(response.status) + ")");
}

std::unique_ptr<httplib::ClientImpl> make_client(const ControlEndpoint& endpoint) {
  if (endpoint.ca.empty()) {
    return std::make_unique<httplib::ClientImpl>(endpoint.host, endpoint.port);
  }
  auto http = std::make_unique<httplib::SSLClient>(endpoint.host, endpoint.port,
                                                   endpoint.certificate, endpoint.key);
  http->set_ca_cert_path(endpoint.ca);
  http->enable_server_certificate_verification(true);
  return http;
}

}  // namespace

std::unique_ptr<httplib::ClientImpl> connect_to(const ControlEndpoint& endpoint,
                                                Duration answer_within) {
  auto http = make_client(endpoint);
  http->set_connection_timeout(kConnectTimeout);
  http->set_read_timeout(answer_within);
  http->set_keep_alive(false);
  const std::string& token =
      endpoint.operate_token.empty() ? endpoint.read_token : endpoint.operate_token;
  if (!token.empty()) http->set_bearer_token_auth(token);
  return http;
}

Result<std::string> body_of(const ControlEndpoint& endpoint, const httplib::Result& result) {
  if (!result) {
    if (result.error() == httplib::Error::Read || result.error() == httplib::Error::Write) {
      // Who is refused with TLS 1.3 notices when it reads.
      return Status::unavailable(
          "no answer from " + where(endpoint) +
          (endpoint.ca.empty()
               ? ""
               : "; perhaps it does not accept certificate " + endpoint.certificate));
    }
    return Status::unavailable("nobody answers at " + where(endpoint) + ": " +
                               httplib::to_string(result.error()));
  }
  if (result->status == 200) return result->body;
  return error_of(endpoint, *result);
}

}  // namespace sluice
