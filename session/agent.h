// A TaskManager agent of a session: lends slots, and runs the worker processes that the session's
// JobManager wants in them.
//
// The agent itself runs no user code: a worker is the job's own program in the role of a
// TaskManager. run() starts and watches the processes on its thread, so that they die with it; a
// second thread talks to the JobManager, others fetch executables. What is told to run and does not
// is started once; when it ends its end is reported until the JobManager wants it no more.
#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/cluster_client.h"
#include "core/clock.h"
#include "session/agent_protocol.h"
#include "session/artefact_store.h"
#include "session/child_process.h"
#include "session/job_command.h"
#include "session/log_history.h"

namespace sluice {

class Agent {
 public:
  struct Settings {
    ClusterAddress manager;  // With certificates: of this agent.
    std::string incarnation;
    std::string name;
    std::string bind_host =
        "127.0.0.1";  // At which workers of other hosts reach those of this one.
    TlsFiles tls;
    int slots = 1;
    int64_t memory_bytes = 0;  // Of all workers together, shared out by slots; 0: no limit.
    std::string work_directory;
    /// Between the request to end and the kill.
    Duration kill_grace{3000};
    /// Without the JobManager for so long, workers are ended.
    Duration patience{30'000};
    std::function<void(const std::string&)> on_note;
  };
  static Result<std::unique_ptr<Agent>> open(Settings settings, const Clock& clock);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Until stop(); then all workers have ended.
  void run();
  void stop();

 private:
  struct Worker {
    WorkerOrder order;
    WorkerReport report;
    std::future<Status> fetched;
    std::optional<ChildProcess> process;
    std::string log;
    std::string killed_because;
    int64_t told_to_end = 0;  // When; 0: it was not.
    bool was_killed = false;
  };

  Agent(Settings settings, const Clock& clock);
  void talk();
  AgentReport make_report() const;
  std::vector<LogAnswer> answer_logs(const std::vector<LogOrder>& orders) const;
  void reconcile(const std::vector<WorkerOrder>& wanted);
  void add(const WorkerOrder& order);
  void step(Worker& worker, bool is_wanted);
  void start(Worker& worker);
  void watch(Worker& worker);
  void end(Worker& worker);
  void ended(Worker& worker, const std::string& how, bool well);
  void publish();
  void note(const std::string& text) const;
  int64_t now_ms() const { return clock_.steady_ns() / 1'000'000; }
  int64_t memory_of(const Worker& worker) const;

  const Settings settings_;
  const Clock& clock_;
  std::unique_ptr<ArtefactStore> artefacts_;
  std::map<std::string, Worker> workers_;  // By lease; of run()'s thread.
  int64_t next_log_ = 0;
  LogHistory logs_{LogHistory::Limits{}};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  AgentOrders orders_;
  std::vector<WorkerReport> reports_;  // What run() has seen last.
};

}  // namespace sluice
