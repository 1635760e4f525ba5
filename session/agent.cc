#include "session/agent.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>
#include <unistd.h>
#include <utility>

#include "core/process_memory.h"
#include "core/version.h"
#include "session/log_tail.h"
#include "session/private_directory.h"
#include "session/session_connection.h"

namespace sluice {
namespace {

constexpr Duration kLook{20};
constexpr Duration kRetry{200};
constexpr int64_t kLogBytesMax = 16 << 20;
constexpr int kLastLines = 5;
/// Threads and allocators map more than they use; the resident size is what is watched.
constexpr int64_t kDataBeyondResident = int64_t{8} << 30;

}  // namespace

Agent::Agent(Settings settings, const Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {}
Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::open(Settings settings, const Clock& clock) {
  std::unique_ptr<Agent> agent(new Agent(std::move(settings), clock));
  const std::string& directory = agent->settings_.work_directory;
  // Logs of an earlier agent.
  std::error_code error;
  std::filesystem::remove_all(directory + "/jobs", error);
  if (error) return Status::from_errno(error.value(), "remove " + directory + "/jobs");
  SLUICE_RETURN_IF_ERROR(make_private_directory(directory + "/jobs"));
  SLUICE_ASSIGN_OR_RETURN(agent->artefacts_, ArtefactStore::open(directory + "/artefacts", {}));
  return agent;
}

void Agent::note(const std::string& text) const {
  if (settings_.on_note) settings_.on_note(text);
}

void Agent::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

// ---- the JobManager -----------------------------------------------------------------------------

AgentReport Agent::make_report() const {
  AgentReport report;
  report.incarnation = settings_.incarnation;
  report.name = settings_.name;
  report.version = kSluiceVersion;
  report.host = settings_.bind_host;
  report.pid = ::getpid();
  report.slots = settings_.slots;
  report.resident_bytes = resident_memory_bytes();
  report.revision = orders_.revision;
  report.workers = reports_;
  return report;
}

/// The first one: the others come again, and a report has a limit.
std::vector<LogAnswer> Agent::answer_logs(const std::vector<LogOrder>& orders) const {
  if (orders.empty()) return {};
  const LogOrder& order = orders.front();
  LogAnswer answer{order.id, {}};
  for (const std::string& line : tail_of_logs(settings_.work_directory + "/jobs/" + order.job,
                                              order.lines_max, kLogAnswerBytesMax)) {
    answer.lines.push_back(settings_.name + " " + line);
  }
  return {std::move(answer)};
}

/// The thread that reports, and takes orders.
void Agent::talk() {
  int64_t heard = now_ms();
  bool is_connected = false;
  std::string said;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    AgentReport report = make_report();
    const std::vector<LogOrder> logs = orders_.logs;
    lock.unlock();
    report.logs = answer_logs(logs);
    // Looked for each time: a restarted JobManager has other tokens.
    const auto session = find_session(settings_.manager);
    auto orders = session.is_ok() ? SessionConnection(*session).report(report)
                                  : Result<AgentOrders>(session.status());
    if (orders.is_ok()) {
      heard = now_ms();
      if (!is_connected) note("lends " + std::to_string(settings_.slots) + " slots to the session");
      is_connected = true;
      said.clear();
    } else if (orders.status().message() != said) {
      said = orders.status().message();
      note(said);
      is_connected = false;
    }
    const bool is_lost = now_ms() - heard > settings_.patience.count();
    lock.lock();
    if (orders.is_ok()) {
      const bool is_new = orders->revision != orders_.revision;
      orders_ = *std::move(orders);
      if (is_new) changed_.notify_all();
    } else {
      if (is_lost) orders_ = {};
      changed_.wait_for(lock, kRetry, [this] { return stopping_; });
    }
  }
  AgentReport last = make_report();
  last.is_leaving = true;
  lock.unlock();
  const auto session = find_session(settings_.manager);
  // Nobody may be there any more; then nobody misses us.
  if (session.is_ok()) (void)SessionConnection(*session).report(last);
}

// ---- workers ------------------------------------------------------------------------------------

void Agent::run() {
  std::thread talker([this] { talk(); });
  for (;;) {
    std::vector<WorkerOrder> wanted;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kLook);
      stopping = stopping_;
      if (!stopping) wanted = orders_.workers;
    }
    reconcile(wanted);
    publish();
    if (stopping && workers_.empty()) break;
  }
  talker.join();
}

void Agent::reconcile(const std::vector<WorkerOrder>& wanted) {
  for (const WorkerOrder& order : wanted) {
    if (!workers_.contains(order.id)) add(order);
  }
  for (auto it = workers_.begin(); it != workers_.end();) {
    const bool is_wanted = std::any_of(wanted.begin(), wanted.end(), [&](const WorkerOrder& order) {
      return order.id == it->first;
    });
    Worker& worker = it->second;
    step(worker, is_wanted);
    if (is_wanted || worker.report.state != "ended") {
      ++it;
      continue;
    }
    if (!worker.log.empty()) logs_.add(worker.order.job, worker.log);
    artefacts_->let_go(worker.order.artefact);
    it = workers_.erase(it);
  }
}

void Agent::add(const WorkerOrder& order) {
  Worker& worker = workers_[order.id];
  worker.order = order;
  worker.report.id = order.id;
  worker.report.state = "starting";
  artefacts_->hold(order.artefact);
  if (artefacts_->find(order.artefact).is_ok()) {
    start(worker);
    return;
  }
  worker.fetched = std::async(std::launch::async, [this, artefact = order.artefact]() -> Status {
    SLUICE_ASSIGN_OR_RETURN(const ControlEndpoint session, find_session(settings_.manager));
    return SessionConnection(session).download(artefact, *artefacts_);
  });
}

void Agent::step(Worker& worker, bool is_wanted) {
  if (worker.fetched.valid() && worker.fetched.wait_for(Duration(0)) == std::future_status::ready) {
    const Status fetched = worker.fetched.get();
    if (!fetched.is_ok()) {
      ended(worker, "its executable did not come: " + fetched.message(), false);
    } else if (is_wanted) {
      start(worker);
    } else {
      ended(worker, "not wanted any more", true);
    }
  }
  if (worker.process) watch(worker);
  if (worker.process && !is_wanted) end(worker);
}

int64_t Agent::memory_of(const Worker& worker) const {
  return settings_.memory_bytes / settings_.slots * worker.order.slots;
}

void Agent::start(Worker& worker) {
  const std::string directory = settings_.work_directory + "/jobs/" + worker.order.job;
  const Status made = make_private_directory(directory);
  const auto program = artefacts_->find(worker.order.artefact);
  if (!made.is_ok()) return ended(worker, made.message(), false);
  if (!program.is_ok()) return ended(worker, program.status().message(), false);
  worker.log = directory + "/worker-" + std::to_string(next_log_++) + ".log";
  ChildSettings child;
  child.program = *program;
  child.words = agent_words(settings_.bind_host, settings_.tls, false);
  child.words.insert(child.words.end(), worker.order.words.begin(), worker.order.words.end());
  child.directory = worker.order.directory;
  child.otherwise = directory;
  child.output_file = worker.log;
  child.error_file = worker.log;
  if (memory_of(worker) > 0) child.data_bytes_max = memory_of(worker) + kDataBeyondResident;
  auto process = ChildProcess::start(child);
  if (!process.is_ok()) return ended(worker, process.status().message(), false);
  worker.process.emplace(std::move(process).value());
  worker.report.pid = worker.process->pid();
  worker.report.state = "running";
}

/// Whether it has ended, and whether it keeps to its limits.
void Agent::watch(Worker& worker) {
  if (const auto end = worker.process->poll()) {
    worker.process.reset();
    return ended(worker, worker.killed_because.empty() ? end->to_text() : worker.killed_because,
                 end->is_good());
  }
  trim_log(worker.log, kLogBytesMax);
  const int64_t most = memory_of(worker);
  if (most == 0 || worker.process->resident_bytes() <= most) return;
  worker.killed_because =
      "killed: it took more memory than the " + std::to_string(most >> 20) + " MiB it may have";
  worker.process->signal(SIGKILL);
}

void Agent::end(Worker& worker) {
  if (worker.told_to_end == 0) {
    worker.told_to_end = now_ms();
    worker.process->signal(SIGTERM);
  } else if (now_ms() - worker.told_to_end > settings_.kill_grace.count() && !worker.was_killed) {
    note("worker " + std::to_string(worker.process->pid()) + " of job " + worker.order.job +
         " does not end when it is told to; it is killed");
    worker.was_killed = true;
    worker.process->signal(SIGKILL);
  }
}

void Agent::ended(Worker& worker, const std::string& how, bool well) {
  worker.report.state = "ended";
  worker.report.how = how;
  worker.report.ended_well = well;
  if (well || worker.told_to_end != 0) return;
  if (!worker.log.empty()) worker.report.last_words = last_words_of(worker.log, kLastLines);
  note("worker of job " + worker.order.job + " ended, " + how);
}

/// Tells the other thread what there is.
void Agent::publish() {
  std::vector<WorkerReport> reports;
  for (const auto& [id, worker] : workers_) reports.push_back(worker.report);
  const std::lock_guard lock(mutex_);
  reports_ = std::move(reports);
}

}  // namespace sluice
