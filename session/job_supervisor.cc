#include "session/job_supervisor.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <unistd.h>

#include "control/http_client.h"
#include "core/clock.h"
#include "session/log_tail.h"
#include "session/private_directory.h"

namespace sluice {
namespace {

/// While it starts and while it ends, somebody waits.
constexpr Duration kQuickLook{4};
constexpr Duration kLook{50};
constexpr Duration kInspectInterval{200};
constexpr int kCrashesMax = 3;
constexpr Duration kLongLife{60'000};
constexpr Duration kPauseAfterCrash{500};
constexpr int64_t kLogBytesMax = 16 << 20;
constexpr int kLastLines = 5;
/// Threads and allocators map more than they use; the resident size is what is watched.
constexpr int64_t kDataBeyondResident = int64_t{8} << 30;

int64_t now_ms() { return system_clock().steady_ns() / 1'000'000; }

std::optional<int> read_port(const std::string& path) {
  std::ifstream file(path);
  int port = 0;
  if (!(file >> port) || port <= 0) return std::nullopt;
  return port;
}

}  // namespace

std::optional<JobEnd> JobSupervisor::run() {
  for (int crashes = 0;;) {
    const int64_t started = now_ms();
    auto end = run_master();
    if (!end || !crashed_) return end;
    if (now_ms() - started > kLongLife.count()) crashes = 0;
    if (!events_.can_go_on() || ++crashes > kCrashesMax) return end;
    events_.master_gone(end->reason);
    const auto wish = events_.wait(kPauseAfterCrash * crashes);
    if (wish == SupervisorEvents::Wish::kAbandon) return std::nullopt;
    if (wish == SupervisorEvents::Wish::kCancel) return JobEnd{"CANCELLED", "", {}};
  }
}

Result<ChildProcess> JobSupervisor::start_master() {
  ++attempt_;
  endpoint_.reset();
  const std::string run = settings_.directory + "/run";
  SLUICE_RETURN_IF_ERROR(make_private_directory(settings_.directory));
  SLUICE_RETURN_IF_ERROR(make_private_directory(run));
  output_file_ = settings_.directory + "/master.out";
  ::unlink(output_file_.c_str());
  ::unlink(settings_.place.port_file.c_str());
  ChildSettings child;
  child.program = settings_.program;
  child.words = master_command(settings_.words, settings_.place);
  child.environment = {{"SLUICE_RUNTIME_DIR", run}};
  child.directory = settings_.working_directory;
  child.otherwise = settings_.directory;
  child.output_file = output_file_;
  child.error_file = log_of(settings_.directory);
  if (settings_.memory_bytes_max > 0) {
    child.data_bytes_max = settings_.memory_bytes_max + kDataBeyondResident;
  }
  return ChildProcess::start(child);
}

std::optional<JobEnd> JobSupervisor::run_master() {
  crashed_ = false;
  killed_because_.clear();
  cancelled_at_ = 0;
  auto master = start_master();
  if (!master.is_ok()) {
    return JobEnd{"FAILED", "its master cannot be started: " + master.status().message(), {}};
  }
  for (int64_t next_inspection = 0;;) {
    if (const auto ended = master->poll()) return judge(*ended);
    if (!endpoint_) look_for_master(*master);
    const bool is_ending = cancelled_at_ != 0;
    if (endpoint_ && !is_ending && now_ms() >= next_inspection) {
      look_for_master(*master);
      look_at_job();
      trim_log(log_of(settings_.directory), kLogBytesMax);
      next_inspection = now_ms() + kInspectInterval.count();
    }
    if (settings_.memory_bytes_max > 0 && master->resident_bytes() > settings_.memory_bytes_max) {
      killed_because_ = "its master took more memory than the " +
                        std::to_string(settings_.memory_bytes_max >> 20) + " MiB it may have";
      master->signal(SIGKILL);
    }
    switch (events_.wait(endpoint_ && !is_ending ? kLook : kQuickLook)) {
      case SupervisorEvents::Wish::kRun:
        break;
      case SupervisorEvents::Wish::kCancel:
        cancel(*master);
        break;
      case SupervisorEvents::Wish::kAbandon:
        return std::nullopt;  // The destructor kills it.
    }
  }
}

/// Its address, and where it answers; a rescale changes the latter.
void JobSupervisor::look_for_master(const ChildProcess& master) {
  const auto port = read_port(settings_.place.port_file);
  if (!port) return;
  auto endpoint =
      read_endpoint(settings_.directory + "/run/" + std::to_string(master.pid()) + ".json");
  if (!endpoint.is_ok()) return;  // Not announced yet, or between two runs.
  if (endpoint_ && endpoint_->port == endpoint->port) return;
  endpoint_ = *std::move(endpoint);
  const std::string& host = settings_.place.bind_host;
  events_.master_listens(
      (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(*port),
      *endpoint_);
}

void JobSupervisor::look_at_job() {
  const auto job = make_http_client(*endpoint_)->inspect(endpoint_->job, false);
  // One that is busy or about to end answers later, or not at all.
  if (job.is_ok()) events_.master_looked(*job);
}

/// The job's own way first; when that does not end it in time, nobody is asked any more.
void JobSupervisor::cancel(ChildProcess& master) {
  if (cancelled_at_ == 0) {
    cancelled_at_ = now_ms();
    if (endpoint_) {
      // Its answer comes when the job has ended, or not at all: the clock decides.
      (void)make_http_client(*endpoint_)->cancel(endpoint_->job, settings_.cancel_grace);
    }
  }
  const bool is_late = now_ms() - cancelled_at_ >= settings_.cancel_grace.count();
  if (!endpoint_ || is_late) master.signal(SIGKILL);
}

JobEnd JobSupervisor::judge(const ChildEnd& end) {
  const auto lines = tail_of_log(output_file_, 1);
  const auto summary = lines.empty() ? Result<MasterSummary>(Status::corruption("no output"))
                                     : master_summary_from_json(lines.back());
  if (summary.is_ok()) return {summary->status, summary->error, *summary};
  std::string reason =
      killed_because_.empty() ? "its master ended, " + end.to_text() : killed_because_;
  const std::string words = last_words_of(log_of(settings_.directory), kLastLines);
  if (!words.empty()) reason += ": " + words;
  if (cancelled_at_ != 0) return {"CANCELLED", "", {}};
  crashed_ = true;
  return {"FAILED", reason, {}};
}

}  // namespace sluice
