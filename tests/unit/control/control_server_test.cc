// Server and client of the control endpoint over a real socket, in front of a made-up cluster.
#include "control/control_server.h"

#include <arpa/inet.h>
#include <mutex>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "control/http_client.h"
#include "core/clock.h"
#include "core/inspection.h"

namespace sluice {
namespace {

class MadeUpCluster final : public ClusterClient {
 public:
  Result<std::vector<JobSummary>> list() override {
    JobSummary job;
    job.name = "bids";
    return std::vector<JobSummary>{job};
  }
  Result<JobInspection> inspect(const std::string& job, bool with_details) override {
    if (job != "bids & more") return Status::not_found("no job '" + job + "' here");
    JobInspection look;
    look.summary.name = job;
    look.attempt = with_details ? 2 : 1;
    return look;
  }
  Result<std::vector<ActorInspection>> actors() override {
    return Status::deadline_exceeded("too late");
  }
  Result<std::vector<TaskManagerInspection>> task_managers() override {
    return std::vector<TaskManagerInspection>(3);
  }
  Result<std::vector<LogLine>> logs(const std::string& /*job*/, int lines_max) override {
    return std::vector<LogLine>(static_cast<size_t>(lines_max));
  }
  Result<JobResult> result(const std::string& /*job*/) override {
    return Status::internal("not asked");
  }
  Result<SteeringOutcome> cancel(const std::string& job, Duration timeout) override {
    note("cancel " + job + " " + std::to_string(timeout.count()));
    return SteeringOutcome{"CANCELLED", ""};
  }
  Result<SteeringOutcome> stop(const std::string& job, const StopRequest& request,
                               Duration /*timeout*/) override {
    note("stop " + job + (request.drain ? " drain " : " ") + request.target);
    return SteeringOutcome{"FINISHED", request.target + "/savepoint-1"};
  }
  Result<SteeringOutcome> savepoint(const std::string& job, const std::string& target,
                                    Duration /*timeout*/) override {
    note("savepoint " + job + " " + target);
    return SteeringOutcome{"RUNNING", target};
  }
  Result<SteeringOutcome> checkpoint(const std::string& job, Duration /*timeout*/) override {
    note("checkpoint " + job);
    return Status::failed_precondition("none here");
  }
  Result<SteeringOutcome> rescale(const std::string& job, int parallelism,
                                  Duration /*timeout*/) override {
    note("rescale " + job + " " + std::to_string(parallelism));
    return SteeringOutcome{"RUNNING", ""};
  }
  std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  void note(std::string call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
  }
  std::mutex mutex_;
  std::vector<std::string> calls_;
};

struct Served {
  Served() {
    ControlServer::Settings settings;
    settings.tokens = {"look", "steer"};
    settings.audit = [this](const std::string& line) {
      const std::lock_guard lock(mutex);
      audit.push_back(line);
    };
    auto started = ControlServer::start(cluster, std::move(settings));
    REQUIRE_MESSAGE(started.is_ok(), started.status().to_string());
    server = std::move(started).value();
  }
  std::unique_ptr<ClusterClient> client(const std::string& read, const std::string& operate) {
    ControlEndpoint endpoint;
    endpoint.host = "127.0.0.1";
    endpoint.port = server->port();
    endpoint.read_token = read;
    endpoint.operate_token = operate;
    return make_http_client(endpoint);
  }
  MadeUpCluster cluster;
  std::mutex mutex;
  std::vector<std::string> audit;
  std::unique_ptr<ControlServer> server;
};

int connect_to(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

/// Sends bytes as they are and returns the first line of the answer.
std::string raw_request(int port, const std::string& bytes) {
  const int socket = connect_to(port);
  (void)!::write(socket, bytes.data(), bytes.size());
  char buffer[512];
  const ssize_t got = ::read(socket, buffer, sizeof buffer);
  ::close(socket);
  const std::string answer(buffer, static_cast<size_t>(std::max<ssize_t>(0, got)));
  return answer.substr(0, answer.find("\r\n"));
}

TEST_CASE("control server: every call comes through with its arguments and its answer") {
  Served served;
  const auto client = served.client("", "steer");
  REQUIRE(client->list().is_ok());
  CHECK(client->list()->at(0).name == "bids");
  const auto look = client->inspect("bids & more", true);
  REQUIRE_MESSAGE(look.is_ok(), look.status().to_string());
  CHECK(look->attempt == 2);
  CHECK(client->inspect("bids & more", false)->attempt == 1);
  CHECK_FALSE(client->inspect("bids & more/../x", false).is_ok());
  CHECK(client->task_managers()->size() == 3);
  CHECK(client->logs("bids", 7)->size() == 7);
  CHECK(client->cancel("bids", Duration(1234))->state == "CANCELLED");
  CHECK(client->stop("bids", {true, "/data/x y"}, Duration(1000))->path == "/data/x y/savepoint-1");
  CHECK(client->savepoint("bids", "", Duration(1000)).is_ok());
  CHECK(client->rescale("bids", 4, Duration(1000)).is_ok());
  CHECK(served.cluster.calls() == std::vector<std::string>{"cancel bids 1234",
                                                           "stop bids drain /data/x y",
                                                           "savepoint bids ", "rescale bids 4"});
}

TEST_CASE("control server: errors keep their kind and their text") {
  Served served;
  const auto client = served.client("", "steer");
  const auto missing = client->inspect("nope", false);
  CHECK(missing.status().code() == StatusCode::kNotFound);
  CHECK(missing.status().message() == "no job 'nope' here");
  CHECK(client->actors().status().code() == StatusCode::kDeadlineExceeded);
  CHECK(client->checkpoint("bids", Duration(1000)).status().code() ==
        StatusCode::kFailedPrecondition);
  for (const char* target : {"..", "/a/../b", "../x", "/a/.."}) {
    CHECK(client->savepoint("bids", target, Duration(1000)).status().code() ==
          StatusCode::kInvalidArgument);
  }
  CHECK(client->rescale("bids", 0, Duration(1000)).status().code() == StatusCode::kInvalidArgument);
  served.server.reset();
  const auto gone = client->list();
  CHECK(gone.status().code() == StatusCode::kUnavailable);
}

TEST_CASE("control server: each route with each token") {
  Served served;
  const std::string looks[] = {"/v1/jobs", "/v1/jobs/bids/log", "/v1/taskmanagers"};
  const std::string steers[] = {"cancel", "stop", "savepoint", "rescale?parallelism=2"};
  const auto request = [&](const std::string& verb, const std::string& path,
                           const std::string& headers) {
    return raw_request(served.server->port(), verb + " " + path +
                                                  " HTTP/1.1\r\nHost: localhost\r\n" + headers +
                                                  "Content-Length: 0\r\n\r\n");
  };
  for (const auto& path : looks) {
    CAPTURE(path);
    CHECK(request("GET", path, "") == "HTTP/1.1 401 Unauthorized");
    CHECK(request("GET", path, "Authorization: Bearer nonsense\r\n") ==
          "HTTP/1.1 401 Unauthorized");
    CHECK(request("GET", path, "Authorization: Bearer look\r\n") == "HTTP/1.1 200 OK");
    CHECK(request("GET", path, "Authorization: Bearer steer\r\n") == "HTTP/1.1 200 OK");
    CHECK(request("GET", path, "Authorization: Bearer look\r\nOrigin: http://localhost\r\n") ==
          "HTTP/1.1 403 Forbidden");
    CHECK(request("GET", path, "Host: evil.example\r\nAuthorization: Bearer look\r\n") ==
          "HTTP/1.1 403 Forbidden");
  }
  for (const auto& verb : steers) {
    const std::string path = "/v1/jobs/bids/" + verb;
    CAPTURE(path);
    CHECK(request("POST", path, "") == "HTTP/1.1 401 Unauthorized");
    CHECK(request("POST", path, "Authorization: Bearer look\r\n") == "HTTP/1.1 403 Forbidden");
    CHECK(served.cluster.calls().empty());
  }
  for (const auto& verb : steers) {
    CHECK(request("POST", "/v1/jobs/bids/" + verb, "Authorization: Bearer steer\r\n") ==
          "HTTP/1.1 200 OK");
  }
  CHECK(served.cluster.calls().size() == 4);
  CHECK(request("POST", "/v1/jobs/bids/explode", "Authorization: Bearer steer\r\n") ==
        "HTTP/1.1 404 Not Found");
  CHECK(request("DELETE", "/v1/jobs/bids", "Authorization: Bearer steer\r\n") ==
        "HTTP/1.1 404 Not Found");
  CHECK(raw_request(served.server->port(),
                    "GET /v1/jobs HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer "
                    "look\r\n\r\n") == "HTTP/1.1 403 Forbidden");
}

TEST_CASE("control server: steering leaves one line each in the audit log, looking none") {
  Served served;
  const auto client = served.client("", "steer");
  CHECK(client->list().is_ok());
  CHECK(client->cancel("bids", Duration(10)).is_ok());
  CHECK_FALSE(served.client("look", "")->cancel("bids", Duration(10)).is_ok());
  REQUIRE(served.audit.size() == 2);
  CHECK(served.audit[0].find("POST /v1/jobs/bids/cancel") != std::string::npos);
  CHECK(served.audit[0].find("from 127.0.0.1:") != std::string::npos);
  CHECK(served.audit[0].ends_with("accepted"));
  CHECK(served.audit[1].ends_with("refused: this token may look, not steer"));
  CHECK(served.audit[0].find("steer ") == std::string::npos);
}

TEST_CASE("control server: strangers with large or broken requests are sent away") {
  Served served;
  const int port = served.server->port();
  const std::string head = "Host: localhost\r\nAuthorization: Bearer steer\r\n";
  CHECK(raw_request(port, "POST /v1/jobs/bids/cancel HTTP/1.1\r\n" + head +
                              "Content-Length: 99999999999\r\n\r\n")
            .starts_with("HTTP/1.1 4"));
  CHECK(raw_request(port, "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n" + head + "\r\n")
            .starts_with("HTTP/1.1 4"));
  CHECK(raw_request(port, "\x16\x03\x01 nonsense\r\n\r\n").starts_with("HTTP/1.1 4"));
  CHECK(served.cluster.calls().empty());
  CHECK(served.client("look", "")->list().is_ok());
}

TEST_CASE("control server: strangers that connect and say nothing keep nobody waiting") {
  Served served;
  std::vector<int> strangers;
  for (int i = 0; i < 200; ++i) {
    strangers.push_back(connect_to(served.server->port()));
    // Every other one begins a request and does not go on.
    if (i % 2 == 0) (void)!::write(strangers.back(), "GET /v1/jobs HT", 15);
  }
  const int64_t begin_ms = system_clock().wall_ms();
  for (int i = 0; i < 5; ++i) CHECK(served.client("look", "")->list().is_ok());
  // They are sent away after one and two seconds, eight at a time it took a minute.
  CHECK(system_clock().wall_ms() - begin_ms < 5000);
  for (const int stranger : strangers) ::close(stranger);
}

TEST_CASE("control server: does not listen beyond loopback") {
  MadeUpCluster cluster;
  ControlServer::Settings settings;
  settings.host = "0.0.0.0";
  const auto started = ControlServer::start(cluster, settings);
  REQUIRE_FALSE(started.is_ok());
  CHECK(started.status().message().find("loopback") != std::string::npos);
}

}  // namespace
}  // namespace sluice
