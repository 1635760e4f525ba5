#include "session/dispatcher.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "control/http_access.h"
#include "control/http_client.h"
#include "session/private_directory.h"

namespace sluice {
namespace {

/// How long an agent's report waits for news.
constexpr Duration kBeatHold{250};
constexpr Duration kWatchInterval{50};
/// Slots a job does not use any more go back after that.
constexpr Duration kSurplusPause{1000};
constexpr size_t kRunningJobsMax = 256;
constexpr size_t kEndedJobsMax = 200;
constexpr int kSavesMax = 3;
/// Together 300 ms.
constexpr Duration kDeathLook{20};
constexpr int kDeathLooksMax = 15;

std::string make_job_id() { return make_token().substr(0, kJobIdDigits); }

}  // namespace

// ---- Run ----------------------------------------------------------------------------------------

/// What a supervisor tells, and is told.
class Dispatcher::Run final : public SupervisorEvents {
 public:
  Run(Dispatcher& dispatcher, std::string id) : dispatcher_(dispatcher), id_(std::move(id)) {}

  Wish wait(Duration time) override {
    std::unique_lock lock(dispatcher_.mutex_);
    const bool has_wish =
        dispatcher_.changed_.wait_for(lock, time, [&] { return wish() != last_wish_; });
    if (has_wish) last_wish_ = wish();
    return wish();
  }
  void master_listens(const std::string& address, const ControlEndpoint& endpoint) override {
    const std::lock_guard lock(dispatcher_.mutex_);
    job().address = address;
    job().master = endpoint;
  }
  void master_looked(const JobInspection& look) override;
  void master_gone(const std::string& why) override {
    dispatcher_.note("job " + id_ + ": " + why + "; a new master goes on");
    const std::lock_guard lock(dispatcher_.mutex_);
    job().master.reset();
    job().record.summary.state = "RESTARTING";
    job().record.summary.reason = why;
    dispatcher_.state_.drop(id_);
    dispatcher_.changed_.notify_all();
  }
  bool can_go_on() const override {
    const std::lock_guard lock(dispatcher_.mutex_);
    return job().record.checkpointing;
  }

 private:
  Job& job() const { return *dispatcher_.jobs_.at(id_); }
  Wish wish() const {
    if (dispatcher_.closing_) return Wish::kAbandon;
    return job().record.cancel_wanted ? Wish::kCancel : Wish::kRun;
  }
  void release_surplus();

  Dispatcher& dispatcher_;
  const std::string id_;
  Wish last_wish_ = Wish::kRun;
};

void Dispatcher::Run::master_looked(const JobInspection& look) {
  bool has_surplus = false;
  {
    const std::lock_guard lock(dispatcher_.mutex_);
    JobRecord& record = job().record;
    const bool was_known =
        record.checkpointing == look.checkpointing && record.summary.name == look.summary.name;
    const int64_t state_since = record.summary.state == look.summary.state
                                    ? record.summary.state_since
                                    : look.summary.state_since;
    job().look = look;
    record.summary = look.summary;
    record.summary.id = id_;
    record.summary.started = record.submitted;
    record.summary.state_since = state_since;
    record.checkpointing = look.checkpointing;
    if (!was_known) dispatcher_.save(record);
    SessionState& state = dispatcher_.state_;
    SessionState::JobNeed need;
    need.artefact = record.submission.artefact;
    need.directory = record.submission.directory;
    need.words = worker_command(record.submission.words, job().address, id_);
    need.slots = std::max(static_cast<int>(look.slots), job().rescaling_to);
    state.set_need(id_, need);
    state.allocate(dispatcher_.now_ms());
    dispatcher_.changed_.notify_all();
    const std::string waits = state.waits_for(id_);
    if (!waits.empty()) record.summary.reason = waits;
    const int64_t now = dispatcher_.now_ms();
    if (state.lent_to(id_) <= need.slots) job().surplus_since = now;
    has_surplus = now - job().surplus_since > kSurplusPause.count();
  }
  if (has_surplus) release_surplus();
}

void Dispatcher::Run::release_surplus() {
  const auto endpoint = dispatcher_.master_of(id_);
  if (!endpoint.is_ok()) return;
  const auto workers = make_http_client(*endpoint)->task_managers();
  if (!workers.is_ok()) return;
  const std::lock_guard lock(dispatcher_.mutex_);
  dispatcher_.state_.release_idle(id_, *workers);
  job().surplus_since = dispatcher_.now_ms();
  dispatcher_.changed_.notify_all();
}

// ---- Dispatcher ---------------------------------------------------------------------------------

Dispatcher::Dispatcher(Settings settings, FileSystem& files, const Clock& clock)
    : settings_(std::move(settings)),
      clock_(clock),
      store_(files, settings_.ha_directory),
      state_(settings_.state) {}

Result<std::unique_ptr<Dispatcher>> Dispatcher::open(Settings settings, FileSystem& files,
                                                     const Clock& clock) {
  settings.state.lease_prefix = std::to_string(settings.epoch) + "-";
  std::unique_ptr<Dispatcher> dispatcher(new Dispatcher(std::move(settings), files, clock));
  const Settings& given = dispatcher->settings_;
  const std::string keep = given.ha_directory.empty() ? given.work_directory : given.ha_directory;
  SLUICE_RETURN_IF_ERROR(make_private_directory(given.work_directory + "/jobs"));
  SLUICE_ASSIGN_OR_RETURN(dispatcher->artefacts_,
                          ArtefactStore::open(keep + "/artefacts", given.artefacts));
  SLUICE_ASSIGN_OR_RETURN(auto records, dispatcher->store_.load());
  for (JobRecord& record : records) {
    auto job = std::make_unique<Job>();
    job->record = std::move(record);
    const std::string id = job->record.id;
    dispatcher->jobs_[id] = std::move(job);
  }
  for (auto& [id, job] : dispatcher->jobs_) {
    if (job->record.has_ended()) continue;
    dispatcher->note("job " + id + " of an earlier JobManager goes on");
    job->record.summary.state = "RESTARTING";
    dispatcher->start(*job);
  }
  dispatcher->watcher_ = std::thread([raw = dispatcher.get()] { raw->watch(); });
  return dispatcher;
}

Dispatcher::~Dispatcher() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  for (auto& [id, job] : jobs_) {
    if (job->thread.joinable()) job->thread.join();
  }
}

void Dispatcher::note(const std::string& text) const {
  if (settings_.on_note) settings_.on_note(text);
}

/// Under the lock: nobody may see what is not on disk.
void Dispatcher::save(const JobRecord& record) {
  Status saved;
  for (int i = 0; i < kSavesMax; ++i) {
    saved = store_.save(record);
    if (saved.is_ok()) return;
  }
  note("job " + record.id + " is not remembered: " + saved.message());
}

void Dispatcher::start(Job& job) {
  const std::string id = job.record.id;
  artefacts_->hold(job.record.submission.artefact);
  job.run = std::make_unique<Run>(*this, id);
  job.thread = std::thread([this, id] { supervise(id); });
}

Result<std::string> Dispatcher::submit(const Submission& submission, const std::string& caller) {
  SLUICE_RETURN_IF_ERROR(check_job_words(submission.words));
  SLUICE_RETURN_IF_ERROR(artefacts_->find(submission.artefact).status());
  const std::lock_guard lock(mutex_);
  const auto running = std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
    return !entry.second->record.has_ended();
  });
  if (static_cast<size_t>(running) >= kRunningJobsMax) {
    return Status::resource_exhausted("this session runs " + std::to_string(running) +
                                      " jobs, no more are taken");
  }
  forget_oldest();
  auto job = std::make_unique<Job>();
  JobRecord& record = job->record;
  record.id = make_job_id();
  record.submission = submission;
  record.caller = caller;
  record.submitted = clock_.wall_ms();
  record.summary.id = record.id;
  record.summary.name = submission.program;
  record.summary.state = "STARTING";
  record.summary.state_since = record.summary.started = record.submitted;
  SLUICE_RETURN_IF_ERROR(store_.save(record));
  const std::string id = record.id;
  Job& placed = *(jobs_[id] = std::move(job));
  start(placed);
  return id;
}

/// Ended jobs are remembered up to a number.
void Dispatcher::forget_oldest() {
  std::vector<std::pair<int64_t, std::string>> ended;
  for (const auto& [id, job] : jobs_) {
    if (job->record.has_ended()) ended.emplace_back(job->record.ended, id);
  }
  if (ended.size() < kEndedJobsMax) return;
  const std::string id = std::min_element(ended.begin(), ended.end())->second;
  if (jobs_.at(id)->thread.joinable()) jobs_.at(id)->thread.join();
  const Status forgotten = store_.forget(id);
  if (!forgotten.is_ok()) note("job " + id + " cannot be forgotten: " + forgotten.message());
  std::error_code error;
  std::filesystem::remove_all(settings_.work_directory + "/jobs/" + id, error);
  if (error) note("the files of job " + id + " stay: " + error.message());
  jobs_.erase(id);
}

JobSupervisor::Settings Dispatcher::supervisor_settings(const JobRecord& record,
                                                        std::string program) const {
  JobSupervisor::Settings settings;
  settings.program = std::move(program);
  settings.words = record.submission.words;
  settings.working_directory = record.submission.directory;
  settings.directory = settings_.work_directory + "/jobs/" + record.id;
  settings.place.bind_host = settings_.bind_host;
  settings.place.cluster_id = record.id;
  settings.place.ha_directory = settings_.ha_directory.empty()
                                    ? settings.directory + "/ha"
                                    : settings_.ha_directory + "/masters/" + record.id;
  settings.place.port_file = settings.directory + "/port";
  settings.place.tls = settings_.tls;
  settings.memory_bytes_max = settings_.master_memory_bytes;
  settings.cancel_grace = settings_.cancel_grace;
  return settings;
}

/// The thread of one job.
void Dispatcher::supervise(const std::string& id) {
  JobRecord record;
  SupervisorEvents* events = nullptr;
  {
    const std::lock_guard lock(mutex_);
    record = jobs_.at(id)->record;
    events = jobs_.at(id)->run.get();
  }
  std::optional<JobEnd> ended;
  const auto program = artefacts_->find(record.submission.artefact);
  if (program.is_ok()) {
    ended = JobSupervisor(supervisor_settings(record, *program), *events).run();
  } else {
    ended = JobEnd{"FAILED", "its executable is gone: " + program.status().message(), {}};
  }
  artefacts_->let_go(record.submission.artefact);
  if (ended) end(id, *ended);
}

/// The master of a job notices the death of a worker before the agent has told how it died.
void Dispatcher::await_last_death(std::unique_lock<std::mutex>& lock, const std::string& id) {
  const auto is_over = [&] { return closing_ || !state_.last_death(id).empty(); };
  for (int look = 0; look < kDeathLooksMax && !is_over(); ++look) {
    state_.ask_agents();
    changed_.notify_all();
    changed_.wait_for(lock, kDeathLook, is_over);
  }
}

void Dispatcher::end(const std::string& id, const JobEnd& end) {
  std::string text = "job " + id + " " + end.state;
  {
    std::unique_lock lock(mutex_);
    if (end.state == "FAILED") await_last_death(lock, id);
    Job& job = *jobs_.at(id);
    JobRecord& record = job.record;
    record.ended = clock_.wall_ms();
    record.summary.state = end.state;
    record.summary.state_since = record.ended;
    record.summary.tasks_running = 0;
    record.summary.reason = end.reason;
    if (!end.summary.name.empty()) {
      // A program that could not even name its job calls itself by its file, which is the hash.
      const bool has_name = end.summary.name != record.submission.artefact;
      if (has_name) record.summary.name = end.summary.name;
      record.summary.records_in = end.summary.records_in;
      record.summary.records_out = end.summary.records_out;
      record.summary.restarts = end.summary.restarts;
      record.savepoint = end.summary.savepoint;
    }
    const std::string death = state_.last_death(id);
    if (end.state == "FAILED" && !death.empty()) record.summary.reason += "; " + death;
    if (!record.summary.reason.empty()) text += ": " + record.summary.reason;
    job.master.reset();
    save(record);
    state_.drop(id);
    state_.allocate(now_ms());
    changed_.notify_all();
  }
  note(text);
}

Result<AgentOrders> Dispatcher::beat(const AgentReport& report) {
  std::unique_lock lock(mutex_);
  if (report.is_leaving) {
    note("agent " + report.name + " leaves");
    state_.leave(report.incarnation);
    changed_.notify_all();
    return AgentOrders{};
  }
  SLUICE_ASSIGN_OR_RETURN(const SessionState::Beat beat, state_.beat(report, now_ms()));
  if (beat.is_new) {
    note("agent " + report.name + " lends " + std::to_string(report.slots) + " slots");
    state_.allocate(now_ms());
  }
  for (const std::string& death : beat.deaths) note(death);
  for (const LogAnswer& answer : report.logs) logs_.take(report.incarnation, answer);
  changed_.notify_all();
  changed_.wait_for(lock, kBeatHold, [&] {
    return closing_ || state_.revision() != report.revision ||
           !logs_.orders_of(report.incarnation).empty();
  });
  AgentOrders orders = state_.orders_of(report.incarnation);
  orders.logs = logs_.orders_of(report.incarnation);
  return orders;
}

std::vector<TaskManagerInspection> Dispatcher::agents(
    const SessionState::WorkersByJob& workers) const {
  const std::lock_guard lock(mutex_);
  return state_.agents(clock_.wall_ms(), now_ms(), workers);
}

Result<std::vector<std::string>> Dispatcher::worker_logs(const std::string& id, int lines_max,
                                                         Duration timeout) {
  std::unique_lock lock(mutex_);
  SLUICE_ASSIGN_OR_RETURN(const int64_t request, logs_.ask(id, lines_max, state_.incarnations()));
  changed_.notify_all();
  changed_.wait_for(lock, timeout, [&] { return closing_ || logs_.is_complete(request); });
  return logs_.finish(request);
}

/// Notices agents that are gone, and pauses that are over.
void Dispatcher::watch() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    changed_.wait_for(lock, kWatchInterval, [&] { return closing_; });
    const int64_t before = state_.revision();
    for (const std::string& gone : state_.expire(now_ms())) {
      note("agent " + gone + " is lost: not heard for " + to_text(settings_.state.agent_timeout));
    }
    state_.allocate(now_ms());
    if (state_.revision() != before) changed_.notify_all();
  }
}

std::vector<JobRecord> Dispatcher::jobs() const {
  std::vector<JobRecord> records;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, job] : jobs_) records.push_back(job->record);
  }
  std::stable_sort(records.begin(), records.end(), [](const JobRecord& a, const JobRecord& b) {
    return a.submitted > b.submitted;
  });
  return records;
}

Result<JobRecord> Dispatcher::find(const std::string& job) const {
  std::vector<JobRecord> found;
  for (JobRecord& record : jobs()) {
    if (record.id == job) return record;
    if (record.summary.name == job || (!job.empty() && record.id.starts_with(job))) {
      found.push_back(std::move(record));
    }
  }
  // Of several runs of one name the one that runs is meant.
  const auto running = std::count_if(found.begin(), found.end(),
                                     [](const JobRecord& record) { return !record.has_ended(); });
  if (running == 1)
    std::erase_if(found, [](const JobRecord& record) { return record.has_ended(); });
  if (found.size() == 1) return found.front();
  if (found.empty()) return Status::not_found("this session has no job '" + job + "'");
  std::string ids;
  for (const JobRecord& record : found) ids += (ids.empty() ? "" : ", ") + record.id;
  return Status::invalid_argument("'" + job + "' is not one job: there is " + ids);
}

Result<ControlEndpoint> Dispatcher::master_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return Status::not_found("this session has no job '" + id + "'");
  const JobSummary& summary = found->second->record.summary;
  if (found->second->record.has_ended()) {
    return Status::failed_precondition("job " + id + " has ended: " + summary.state);
  }
  if (found->second->master) return *found->second->master;
  return Status::unavailable("job " + id + " is " + summary.state +
                             ": its master does not answer yet" +
                             (summary.reason.empty() ? "" : "; " + summary.reason));
}

JobInspection Dispatcher::last_look(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return {};
  JobInspection look = found->second->look;
  look.summary = found->second->record.summary;
  look.checkpointing = found->second->record.checkpointing;
  return look;
}

std::string Dispatcher::log_of(const std::string& id) const {
  SLUICE_CHECK(is_job_id(id));
  return JobSupervisor::log_of(settings_.work_directory + "/jobs/" + id);
}

Result<JobRecord> Dispatcher::cancel(const std::string& id, Duration timeout) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return Status::not_found("this session has no job '" + id + "'");
    JobRecord& record = found->second->record;
    if (record.has_ended()) {
      return Status::failed_precondition("job " + id + " has ended: " + record.summary.state);
    }
    record.cancel_wanted = true;
    SLUICE_RETURN_IF_ERROR(store_.save(record));
  }
  changed_.notify_all();
  return wait_for_end(id, timeout);
}

Result<JobRecord> Dispatcher::wait_for_end(const std::string& id, Duration timeout) {
  std::unique_lock lock(mutex_);
  if (!jobs_.contains(id)) return Status::not_found("this session has no job '" + id + "'");
  const bool ended = changed_.wait_for(lock, timeout, [&] {
    const auto found = jobs_.find(id);
    return closing_ || found == jobs_.end() || found->second->record.has_ended();
  });
  const auto found = jobs_.find(id);
  if (!ended || found == jobs_.end() || !found->second->record.has_ended()) {
    return Status::deadline_exceeded("job " + id + " has not ended within " + to_text(timeout));
  }
  return found->second->record;
}

Status Dispatcher::prepare_rescale(const std::string& id, int parallelism) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return Status::not_found("this session has no job '" + id + "'");
  const int missing = parallelism - state_.lent_to(id);
  if (missing > state_.free_slots()) {
    return Status::resource_exhausted("parallelism " + std::to_string(parallelism) + " needs " +
                                      std::to_string(missing) + " more slots, " +
                                      std::to_string(state_.free_slots()) + " are free");
  }
  found->second->rescaling_to = parallelism;
  return Status::ok();
}

}  // namespace sluice
