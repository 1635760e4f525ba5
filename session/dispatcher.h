// The session's JobManager without its network: takes jobs, keeps their records, has each of them
// supervised, and answers agents.
//
// Threads: one per job that has not ended (session/job_supervisor.h), one that watches agents, and
// the callers'. One lock; nothing that waits for a process or the network happens under it. A
// record is on disk before anybody is told of what it says.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/endpoint_file.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "session/artefact_store.h"
#include "session/job_record.h"
#include "session/job_supervisor.h"
#include "session/log_requests.h"
#include "session/session_state.h"
#include "session/session_store.h"

namespace sluice {

class Dispatcher {
 public:
  struct Settings {
    std::string bind_host = "127.0.0.1";
    TlsFiles tls;
    std::string work_directory;
    /// Records, masters' knowledge and artefacts are kept there when given, and survive.
    std::string ha_directory;
    int64_t epoch = 0;
    SessionState::Settings state;
    int64_t master_memory_bytes = 0;
    Duration cancel_grace{5000};
    ArtefactStore::Limits artefacts;
    std::function<void(const std::string&)> on_note;  // Any thread.
  };
  /// Goes on with the jobs of an earlier JobManager.
  static Result<std::unique_ptr<Dispatcher>> open(Settings settings, FileSystem& files,
                                                  const Clock& clock);
  /// Ends all processes. Jobs that have not ended go on under the next JobManager, if their records
  /// are kept.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  ArtefactStore& artefacts() { return *artefacts_; }

  /// The id of the job. kNotFound when its executable has to come first.
  Result<std::string> submit(const Submission& submission, const std::string& caller);
  Result<AgentOrders> beat(const AgentReport& report);
  std::vector<TaskManagerInspection> agents(const SessionState::WorkersByJob& workers) const;

  /// Records of all jobs, the newest first.
  std::vector<JobRecord> jobs() const;
  /// By id, by name, or by the beginning of the id.
  Result<JobRecord> find(const std::string& job) const;
  /// Where the job's master answers; kUnavailable while there is none.
  Result<ControlEndpoint> master_of(const std::string& id) const;
  /// What its master said last; of a job that has not begun only the summary is known.
  JobInspection last_look(const std::string& id) const;
  std::string log_of(const std::string& id) const;
  /// The ends of the logs of its workers, of those agents that answer in time.
  Result<std::vector<std::string>> worker_logs(const std::string& id, int lines_max,
                                               Duration timeout);

  /// Waits until the job has ended.
  Result<JobRecord> cancel(const std::string& id, Duration timeout);
  Result<JobRecord> wait_for_end(const std::string& id, Duration timeout);
  /// Slots for a job that is about to be rescaled: refused when there are too few. 0: it is done.
  Status prepare_rescale(const std::string& id, int parallelism);

 private:
  class Run;
  struct Job {
    JobRecord record;
    std::optional<ControlEndpoint> master;
    std::string address;  // Where workers register.
    JobInspection look;
    int rescaling_to = 0;
    int64_t surplus_since = 0;  // More slots than it needs.
    std::unique_ptr<Run> run;
    std::thread thread;
  };

  Dispatcher(Settings settings, FileSystem& files, const Clock& clock);
  void start(Job& job);
  JobSupervisor::Settings supervisor_settings(const JobRecord& record, std::string program) const;
  void supervise(const std::string& id);
  void await_last_death(std::unique_lock<std::mutex>& lock, const std::string& id);
  void end(const std::string& id, const JobEnd& end);
  void forget_oldest();
  void watch();
  void save(const JobRecord& record);
  void note(const std::string& text) const;
  int64_t now_ms() const { return clock_.steady_ns() / 1'000'000; }

  const Settings settings_;
  const Clock& clock_;
  SessionStore store_;
  std::unique_ptr<ArtefactStore> artefacts_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  SessionState state_;
  LogRequests logs_;
  std::map<std::string, std::unique_ptr<Job>> jobs_;
  bool closing_ = false;
  std::thread watcher_;
};

}  // namespace sluice
