#include "session/session_connection.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <sys/stat.h>
#include <vector>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "control/http_connection.h"
#include "session/sha256.h"

namespace sluice {
namespace {

constexpr Duration kReportTimeout{2000};
constexpr Duration kCallTimeout{10'000};
constexpr Duration kArtefactTimeout{60'000};
constexpr Duration kEndWait{5000};
constexpr size_t kBlockBytes = 256 << 10;
constexpr const char* kJson = "application/json";
constexpr const char* kArtefacts = "/v1/session/artefacts/";

Result<std::string> sha256_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status::from_errno(errno, "open " + path);
  Sha256 hash;
  std::vector<char> block(kBlockBytes);
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    hash.update({block.data(), static_cast<size_t>(file.gcount())});
  }
  if (file.bad()) return Status::io_error("read " + path);
  return hash.hex();
}

}  // namespace

Result<ControlEndpoint> find_session(const ClusterAddress& address) {
  ControlEndpoint endpoint;
  endpoint.host = address.host;
  endpoint.port = address.port;
  endpoint.certificate = address.certificate;
  endpoint.key = address.key;
  endpoint.ca = address.ca;
  if (!address.ca.empty()) return endpoint;
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
  SLUICE_ASSIGN_OR_RETURN(const auto endpoints, find_endpoints(directory));
  for (const ControlEndpoint& found : endpoints) {
    if (found.is_session && found.port == address.port) return found;
  }
  return Status::unavailable("no session's JobManager of this user listens on " + address.host +
                             ":" + std::to_string(address.port) +
                             "; one with TLS is reached with --tls-cert, --tls-key and --tls-ca");
}

Result<AgentOrders> SessionConnection::report(const AgentReport& report) const {
  const auto http = connect_to(endpoint_, kReportTimeout);
  SLUICE_ASSIGN_OR_RETURN(
      const std::string body,
      body_of(endpoint_, http->Post("/v1/session/agents/report", to_json(report), kJson)));
  return agent_orders_from_json(body);
}

Status SessionConnection::download(const std::string& sha256, ArtefactStore& to) const {
  const auto http = connect_to(endpoint_, kArtefactTimeout);
  std::unique_ptr<ArtefactStore::Upload> upload;
  Status failed;
  const auto result = http->Get(
      kArtefacts + sha256,
      [&](const httplib::Response& response) {
        if (response.status != 200) return true;  // Its body says why.
        auto begun = to.begin(
            sha256, static_cast<int64_t>(response.get_header_value<uint64_t>("Content-Length")));
        failed = begun.status();
        if (failed.is_ok()) upload = std::move(begun).value();
        return failed.is_ok();
      },
      [&](const char* bytes, size_t count) {
        if (upload) failed = upload->append({bytes, count});
        return failed.is_ok();
      });
  SLUICE_RETURN_IF_ERROR(failed);
  SLUICE_RETURN_IF_ERROR(body_of(endpoint_, result).status());
  if (!upload) return Status::unavailable("no executable came");
  return upload->finish();
}

Status SessionConnection::upload(const std::string& executable, const std::string& sha256) const {
  struct stat found {};
  if (::stat(executable.c_str(), &found) != 0) return Status::from_errno(errno, executable);
  std::ifstream file(executable, std::ios::binary);
  if (!file) return Status::from_errno(errno, "open " + executable);
  const auto http = connect_to(endpoint_, kArtefactTimeout);
  http->set_write_timeout(kArtefactTimeout);
  std::vector<char> block(kBlockBytes);
  const auto send = [&](size_t /*offset*/, size_t left, httplib::DataSink& sink) {
    file.read(block.data(), static_cast<std::streamsize>(std::min(left, block.size())));
    const auto got = static_cast<size_t>(file.gcount());
    return got > 0 && sink.write(block.data(), got);
  };
  return body_of(endpoint_, http->Put(kArtefacts + sha256, static_cast<size_t>(found.st_size), send,
                                      "application/octet-stream"))
      .status();
}

Result<std::string> SessionConnection::submit(const std::string& executable,
                                              Submission submission) const {
  SLUICE_ASSIGN_OR_RETURN(submission.artefact, sha256_of(executable));
  const std::string body = to_json(submission);
  const auto post = [&] {
    return body_of(endpoint_,
                   connect_to(endpoint_, kCallTimeout)->Post("/v1/session/jobs", body, kJson));
  };
  auto answer = post();
  if (answer.status().code() == StatusCode::kNotFound) {
    SLUICE_RETURN_IF_ERROR(upload(executable, submission.artefact));
    answer = post();
  }
  if (!answer.is_ok()) return answer.status();
  const auto said = nlohmann::json::parse(*answer, nullptr, false);
  const std::string id = said.is_object() ? said.value("id", "") : "";
  if (!is_job_id(id)) return Status::unavailable("an answer that cannot be read");
  return id;
}

Result<JobRecord> SessionConnection::wait_for_end(const std::string& job) const {
  const auto http = connect_to(endpoint_, kEndWait + kCallTimeout);
  SLUICE_ASSIGN_OR_RETURN(
      const std::string body,
      body_of(endpoint_, http->Get("/v1/session/jobs/" + job +
                                   "/end?timeout-ms=" + std::to_string(kEndWait.count()))));
  return job_record_from_json(body);
}

}  // namespace sluice
