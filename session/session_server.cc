#include "session/session_server.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "control/control_routes.h"
#include "control/guarded_server.h"
#include "core/file_system.h"

namespace sluice {
namespace {

constexpr int64_t kBodyBytesMax = 1 << 20;
/// Agents wait in one each (SessionState::Settings::agents_max), commands that wait, too.
constexpr size_t kThreads = 512;
constexpr time_t kSecondsMax = 5;
constexpr size_t kBlockBytes = 256 << 10;
constexpr Duration kEndWait{5000};
constexpr const char* kArtefacts = "/v1/session/artefacts/";
constexpr const char* kJobs = "/v1/session/jobs";
constexpr const char* kReport = "/v1/session/agents/report";

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

using Refusal = GuardedServer::Refusal;

bool is_upload(const httplib::Request& request) {
  return request.method == "PUT" && request.path.starts_with(kArtefacts);
}

bool submits(const httplib::Request& request) {
  return is_upload(request) || request.path == kJobs;
}

bool has_fitting_size(const httplib::Request& request) {
  // A body without a length would be read until its end.
  if (request.has_header("Transfer-Encoding")) return false;
  if (!request.has_header("Content-Length")) return !is_upload(request);
  return is_upload(request) ||
         request.get_header_value<uint64_t>("Content-Length") <= kBodyBytesMax;
}

}  // namespace

class SessionServer::Impl {
 public:
  Impl(Dispatcher& dispatcher, Settings settings)
      : dispatcher_(dispatcher), settings_(std::move(settings)) {}

  Status start(SessionService& service) {
    GuardedServer::Settings guarded;
    guarded.name = "session";
    guarded.host = settings_.host;
    guarded.port = settings_.port;
    guarded.tls = settings_.tls;
    guarded.tokens = settings_.tokens;
    guarded.threads = kThreads;
    guarded.body_bytes_max =
        static_cast<size_t>(dispatcher_.artefacts().limits().artefact_bytes_max);
    guarded.seconds_max = kSecondsMax;
    guarded.refuses = [this](const auto& request) { return refusal_of(request); };
    // Submissions and uploads say more themselves; agents report all the time.
    guarded.is_quiet = [](const auto& request) {
      return submits(request) || request.path == kReport;
    };
    guarded.audit = settings_.audit;
    SLUICE_ASSIGN_OR_RETURN(server_, GuardedServer::open(std::move(guarded)));
    install_job_routes(server_->http(), service);
    install_session_routes(server_->http());
    return server_->listen();
  }
  int port() const { return server_->port(); }

 private:
  std::optional<Refusal> refusal_of(const httplib::Request& request) const {
    if (submits(request) && !settings_.allow_submission) {
      return Refusal{403,
                     "jobs cannot be submitted here; --allow-submission of sluiced permits it"};
    }
    const bool has_body = request.method != "GET" && request.method != "HEAD";
    if (has_body && !has_fitting_size(request)) {
      return Refusal{
          413, "a body needs a length, of " + std::to_string(kBodyBytesMax) + " bytes at most"};
    }
    return std::nullopt;
  }

  void install_session_routes(httplib::Server& http) {
    const std::string artefact = std::string(kArtefacts) + "([0-9a-f]{64})";
    http.Put(artefact, [this](const auto& request, auto& response, const auto& read) {
      store_artefact(request, response, read);
    });
    http.Get(artefact,
             [this](const auto& request, auto& response) { send_artefact(request, response); });
    http.Post(kJobs, [this](const auto& request, auto& response) { submit(request, response); });
    http.Get("/v1/session/jobs/([^/]+)/end",
             [this](const auto& request, auto& response) { tell_end(request, response); });
    http.Post(kReport, [this](const auto& request, auto& response) {
      const auto report = agent_report_from_json(request.body);
      if (!report.is_ok()) return answer_status(response, report.status());
      const auto orders = dispatcher_.beat(*report);
      if (!orders.is_ok()) return answer_status(response, orders.status());
      answer_json(response, to_json(*orders));
    });
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
    server_->audit(request, written.is_ok() ? std::to_string(size) + " bytes stored"
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
    const auto id = dispatcher_.submit(*submission, GuardedServer::caller_of(request));
    // The executable comes first when it is not here yet: no event.
    if (id.status().code() != StatusCode::kNotFound) {
      server_->audit(request,
                     "program " + submission->program + " " + submission->artefact + " flags " +
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
  const Settings settings_;
  std::unique_ptr<GuardedServer> server_;
};

SessionServer::SessionServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SessionServer::~SessionServer() = default;
int SessionServer::port() const { return impl_->port(); }

Result<std::unique_ptr<SessionServer>> SessionServer::start(Dispatcher& dispatcher,
                                                            SessionService& service,
                                                            Settings settings) {
  auto impl = std::make_unique<Impl>(dispatcher, std::move(settings));
  SLUICE_RETURN_IF_ERROR(impl->start(service));
  return std::unique_ptr<SessionServer>(new SessionServer(std::move(impl)));
}

}  // namespace sluice
