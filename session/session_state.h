// What a session's JobManager decides: which agents there are, what each of them should run, and
// what a job waits for. Pure: events in, orders out; the caller gives the time and holds the lock.
//
// A job asks for slots once its master listens and has said how many it needs. It gets all that it
// misses at once, or waits and says why; a job behind it that needs fewer may go first. A worker
// that ends by itself gives its slots back, and the job gets others after a pause that grows while
// its workers die fast. An agent that is not heard for `agent_timeout` is gone with its slots; when
// it comes back it is a new one, and its old workers are no longer wanted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/inspection.h"
#include "core/status.h"
#include "core/time.h"
#include "session/agent_protocol.h"
#include "session/slot_ledger.h"

namespace sluice {

class SessionState {
 public:
  struct Settings {
    Placement placement = Placement::kPack;
    Duration agent_timeout{2000};
    size_t agents_max = 96;  // Each may wait in a thread of the server.
    std::string lease_prefix;
  };
  explicit SessionState(Settings settings)
      : settings_(std::move(settings)), ledger_(settings_.placement, settings_.lease_prefix) {}

  /// How a job's workers are started.
  struct JobNeed {
    std::string artefact;
    std::string directory;
    std::vector<std::string> words;  // A worker_command() without "--slots".
    int slots = 0;
  };

  // -- agents --

  struct Beat {
    bool is_new = false;              // The agent was not known before.
    std::vector<std::string> deaths;  // Workers that ended badly, as text.
  };
  Result<Beat> beat(const AgentReport& report, int64_t now_ms);
  AgentOrders orders_of(const std::string& incarnation) const;
  /// Grows when the orders of any agent may have changed.
  int64_t revision() const { return revision_; }
  /// For newer orders agents report at once what they have.
  void ask_agents() { ++revision_; }
  /// The agent ends, and its workers with it.
  void leave(const std::string& incarnation);
  /// Names of the agents that are gone now.
  std::vector<std::string> expire(int64_t now_ms);
  /// By job: what its master says of its workers.
  using WorkersByJob = std::map<std::string, std::vector<TaskManagerInspection>>;
  std::vector<TaskManagerInspection> agents(int64_t now_wall_ms, int64_t now_ms,
                                            const WorkersByJob& workers) const;
  std::set<std::string> incarnations() const;

  // -- jobs --

  void set_need(const std::string& job, const JobNeed& need);
  /// It has ended, or its master has: its workers are not wanted any more.
  void drop(const std::string& job);
  /// Lends free slots to jobs that miss some, the first submitted first.
  void allocate(int64_t now_ms);
  /// Gives back a worker that runs no task, when the job has more slots than it needs.
  void release_idle(const std::string& job, const std::vector<TaskManagerInspection>& workers);

  /// Why the job has too few slots; empty when it has enough.
  std::string waits_for(const std::string& job) const;
  /// How its latest worker ended that ended badly; empty: none did.
  std::string last_death(const std::string& job) const;
  int free_slots() const { return ledger_.free(); }
  int lent_to(const std::string& job) const { return ledger_.lent_to(job); }

 private:
  struct Agent {
    AgentReport report;
    int64_t heard_ms = 0;
    int64_t registered_ms = 0;
  };
  struct Job {
    JobNeed need;
    int64_t number = 0;      // Order of submission.
    int64_t not_before = 0;  // No new workers earlier: they die.
    int64_t last_end = 0;
    Duration pause{0};
    std::string last_death;
  };
  /// Which of the workers is that of the lease; null: none.
  const TaskManagerInspection* worker_of(const SlotLease& lease,
                                         const std::vector<TaskManagerInspection>& workers) const;
  void end_leases_of_agent(const std::string& incarnation, const std::string& why);
  std::optional<std::string> end_worker(const Agent& agent, const WorkerReport& worker,
                                        int64_t now_ms);

  const Settings settings_;
  SlotLedger ledger_;
  std::map<std::string, Agent> agents_;  // By incarnation.
  std::map<std::string, Job> jobs_;
  int64_t revision_ = 1;
  int64_t next_job_ = 0;
};

}  // namespace sluice
