#include "session/session_server.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <httplib.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "control/control_routes.h"
#include "control/http_listener.h"
#include "core/file_system.h"

namespace sluice {
namespace {

constexpr int64_t kBodyBytesMax = 1 << 20;
/// Agents wait in one each (SessionState::Settings::agents_max), commands that wait, too.
constexpr size_t kThreads = 128;
constexpr time_t kReadSecondsMax = 5;
constexpr size_t kBlockBytes = 256 << 10;
constexpr Duration kEndWait{5000};
constexpr std::string_view kArtefacts = "/v1/session/artefacts/";

/// The name in the certificate that a client has shown.
std::string certificate_name(const httplib::Request& request) {
  if (request.ssl == nullptr) return "";
  X509* certificate = SSL_get1_peer_certificate(request.ssl);
  if (certificate == nullptr) return "";
  std::array<char, 256> name{};
  X509_NAME_oneline(X509_get_subject_name(certificate), name.data(), name.size());
  X509_free(certificate);
  return name.data();
}

std::string caller_of(const httplib::Request& request) {
  const std::string name = certificate_name(request);
  return request.remote_addr + ":" + std::to_string(request.remote_port) +
         (name.empty() ? "" : " " + name);
}

/// An open file that is sent in blocks; closed when the answer is done.
class SentFile {
 public:
  explicit SentFile(int file) : file_(file) {}
  ~SentFile() { ::close(file_); }
  SentFile(const SentFile&) = delete;
  SentFile& operator=(const SentFile&) = delete;

  bool send(size_t offset, size_t length, httplib::DataSink& sink) const {
    std::string block(std::min(length, kBlockBytes), '\0');
    const ssize_t got = ::pread(file_, block.data(), block.size(), static_cast<off_t>(offset));
    return got > 0 && sink.write(block.data(), static_cast<size_t>(got));
  }

 private:
  const int file_;
};

}  // namespace

class SessionServer::Impl {
 public:
  Impl(Dispatcher& dispatcher, SessionService& service, Settings settings)
      : dispatcher_(dispatcher), service_(service), settings_(std::move(settings)) {}

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
  bool has_tls() const { return !settings_.tls.ca.empty(); }

  Status make_server() {
    if (!has_tls()) {
      server_ = std::make_unique<httplib::Server>();
      return Status::ok();
    }
    auto secure = std::make_unique<httplib::SSLServer>(
        settings_.tls.certificate.c_str(), settings_.tls.key.c_str(), settings_.tls.ca.c_str());
    if (!secure->is_valid()) {
      return Status::invalid_argument("certificate " + settings_.tls.certificate + ", key " +
                                      settings_.tls.key + " or CA " + settings_.tls.ca +
                                      " cannot be used");
    }
    SSL_CTX_set_min_proto_version(secure->ssl_context(), TLS1_2_VERSION);
    server_ = std::move(secure);
    return Status::ok();
  }

  void limit() {
    // The server owns what it is given here.
    server_->new_task_queue = [] {
      return std::make_unique<httplib::ThreadPool>(kThreads).release();
    };
    server_->set_payload_max_length(
        static_cast<size_t>(dispatcher_.artefacts().limits().artefact_bytes_max));
    server_->set_read_timeout(kReadSecondsMax);
    server_->set_write_timeout(kReadSecondsMax);
    server_->set_keep_alive_max_count(1);
  }

  void route() {
    server_->set_pre_routing_handler([this](const auto& request, auto& response) {
      return admit(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                      : httplib::Server::HandlerResponse::Handled;
    });
    install_error_answers(*server_);
    install_job_routes(*server_, service_);
    server_->Put(std::string(kArtefacts) + "([0-9a-f]{64})",
                 [this](const auto& request, auto& response, const auto& read) {
                   store_artefact(request, response, read);
                 });
    server_->Get(std::string(kArtefacts) + "([0-9a-f]{64})",
                 [this](const auto& request, auto& response) { send_artefact(request, response); });
    server_->Post("/v1/session/jobs",
                  [this](const auto& request, auto& response) { submit(request, response); });
    server_->Get("/v1/session/jobs/([^/]+)/end",
                 [this](const auto& request, auto& response) { tell_end(request, response); });
    server_->Post("/v1/session/agents/report", [this](const auto& request, auto& response) {
      const auto report = agent_report_from_json(request.body);
      if (!report.is_ok()) return answer_status(response, report.status());
      const auto orders = dispatcher_.beat(*report);
      if (!orders.is_ok()) return answer_status(response, orders.status());
      answer_json(response, to_json(*orders));
    });
  }

  // -- who may ask --

  /// Answers itself and returns false when the request may not be made.
  bool admit(const httplib::Request& request, httplib::Response& response) {
    const auto refuse = [&](int http_status, const std::string& text) {
      answer_error(response, http_status, StatusCode::kFailedPrecondition, text);
      audit(request, "refused: " + text);
      return false;
    };
    if (!has_tls() && (request.get_header_value_count("Host") != 1 ||
                       !is_own_host(request.get_header_value("Host"), port()))) {
      return refuse(403, "the Host header names another server");
    }
    if (request.has_header("Origin")) return refuse(403, "web pages may not ask");
    const AccessRole role =
        has_tls() ? AccessRole::kOperate
                  : role_of(settings_.tokens, request.get_header_value("Authorization"));
    if (role == AccessRole::kNone) return refuse(401, "a valid bearer token is needed");
    const bool looks = request.method == "GET" || request.method == "HEAD";
    if (!looks && role != AccessRole::kOperate) {
      return refuse(403, "this token may look, not steer");
    }
    const bool is_artefact = request.method == "PUT" && request.path.starts_with(kArtefacts);
    const bool submits = is_artefact || request.path == "/v1/session/jobs";
    if (submits && !settings_.allow_submission) {
      return refuse(403, "jobs cannot be submitted here; --allow-submission of sluiced permits it");
    }
    if (!looks && !has_fitting_size(request, is_artefact)) {
      return refuse(
          413, "a body needs a length, of " + std::to_string(kBodyBytesMax) + " bytes at most");
    }
    const bool is_report = request.path == "/v1/session/agents/report";
    if (!looks && !submits && !is_report) audit(request, "accepted");
    return true;
  }

  static bool has_fitting_size(const httplib::Request& request, bool is_artefact) {
    // A body without a length would be read until its end.
    if (request.has_header("Transfer-Encoding")) return false;
    if (!request.has_header("Content-Length")) return !is_artefact;
    return is_artefact || request.get_header_value<uint64_t>("Content-Length") <= kBodyBytesMax;
  }

  void audit(const httplib::Request& request, const std::string& what) const {
    if (!settings_.audit) return;
    settings_.audit(
        one_line_of({request.method, request.target, "from", caller_of(request), what}));
  }

  // -- artefacts --

  void store_artefact(const httplib::Request& request, httplib::Response& response,
                      const httplib::ContentReader& read) {
    const std::string sha256 = request.matches[1];
    const auto size = request.get_header_value<uint64_t>("Content-Length");
    auto upload = dispatcher_.artefacts().begin(sha256, static_cast<int64_t>(size));
    if (!upload.is_ok()) return answer_status(response, upload.status());
    Status written;
    const bool complete = read([&](const char* bytes, size_t count) {
      written = (*upload)->append({bytes, count});
      return written.is_ok();
    });
    if (written.is_ok() && !complete) written = Status::corruption("the upload broke off");
    if (written.is_ok()) written = (*upload)->finish();
    audit(request, written.is_ok() ? std::to_string(size) + " bytes stored"
                                   : "refused: " + written.message());
    if (!written.is_ok()) return answer_status(response, written);
    answer_json(response, "{}");
  }

  void send_artefact(const httplib::Request& request, httplib::Response& response) {
    const auto path = dispatcher_.artefacts().find(request.matches[1]);
    if (!path.is_ok()) return answer_status(response, path.status());
    const int descriptor = ::open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) return answer_status(response, Status::from_errno(errno, "open artefact"));
    const auto file = std::make_shared<SentFile>(descriptor);
    struct stat found {};
    if (::fstat(descriptor, &found) != 0) {
      return answer_status(response, Status::from_errno(errno, "stat artefact"));
    }
    response.set_content_provider(static_cast<size_t>(found.st_size), "application/octet-stream",
                                  [file](size_t offset, size_t length, httplib::DataSink& sink) {
                                    return file->send(offset, length, sink);
                                  });
  }

  // -- jobs --

  void submit(const httplib::Request& request, httplib::Response& response) {
    const auto submission = submission_from_json(request.body);
    if (!submission.is_ok()) return answer_status(response, submission.status());
    const auto id = dispatcher_.submit(*submission, caller_of(request));
    // The executable comes first when it is not here yet: no event.
    if (id.status().code() != StatusCode::kNotFound) {
      audit(request, "program " + submission->program + " " + submission->artefact + " flags " +
                         one_line_of(without_secrets(submission->words)) + ": " +
                         (id.is_ok() ? "job " + *id : "refused, " + id.status().message()));
    }
    if (!id.is_ok()) return answer_status(response, id.status());
    answer_json(response, "{\"id\":\"" + *id + "\"}");
  }

  void tell_end(const httplib::Request& request, httplib::Response& response) {
    const auto timeout = number_of(request, "timeout-ms", 0, kEndWait.count());
    if (!timeout.is_ok()) return answer_status(response, timeout.status());
    const auto job = dispatcher_.find(request.matches[1]);
    if (!job.is_ok()) return answer_status(response, job.status());
    auto ended = dispatcher_.wait_for_end(job->id, Duration(*timeout));
    if (!ended.is_ok()) return answer_status(response, ended.status());
    ended->submission.words = without_secrets(ended->submission.words);
    answer_json(response, to_json(*ended));
  }

  Dispatcher& dispatcher_;
  SessionService& service_;
  const Settings settings_;
  std::unique_ptr<httplib::Server> server_;
  HttpListener listener_;  // After the server, which it uses.
};

SessionServer::SessionServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SessionServer::~SessionServer() = default;
int SessionServer::port() const { return impl_->port(); }

Result<std::unique_ptr<SessionServer>> SessionServer::start(Dispatcher& dispatcher,
                                                            SessionService& service,
                                                            Settings settings) {
  auto impl = std::make_unique<Impl>(dispatcher, service, std::move(settings));
  SLUICE_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<SessionServer>(new SessionServer(std::move(impl)));
}

}  // namespace sluice
