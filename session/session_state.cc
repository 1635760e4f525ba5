#include "session/session_state.h"

#include <algorithm>
#include <set>

namespace sluice {
namespace {

/// Between the end of a worker and its successor, doubled while workers do not live long.
constexpr Duration kPauseMin{200};
constexpr Duration kPauseMax{10'000};
/// A worker that ends well was told that the job has ended; its master says so soon.
constexpr Duration kPauseAfterGoodEnd{2000};
constexpr Duration kLongLife{60'000};

}  // namespace

Result<SessionState::Beat> SessionState::beat(const AgentReport& report, int64_t now_ms) {
  Beat beat;
  auto found = agents_.find(report.incarnation);
  if (found == agents_.end()) {
    if (agents_.size() >= settings_.agents_max) {
      return Status::resource_exhausted("this session has " + std::to_string(agents_.size()) +
                                        " agents, no more are taken");
    }
    found = agents_.emplace(report.incarnation, Agent{}).first;
    found->second.registered_ms = now_ms;
    ledger_.add_agent(report.incarnation, report.slots);
    beat.is_new = true;
    ++revision_;
  } else if (found->second.report.slots != report.slots) {
    return Status::invalid_argument("an agent cannot change its slots");
  }
  Agent& agent = found->second;
  agent.report = report;
  agent.heard_ms = now_ms;
  for (const WorkerReport& worker : report.workers) {
    if (worker.state != "ended") continue;
    if (auto death = end_worker(agent, worker, now_ms)) beat.deaths.push_back(*std::move(death));
  }
  return beat;
}

/// What to say about a worker that ended badly.
std::optional<std::string> SessionState::end_worker(const Agent& agent, const WorkerReport& worker,
                                                    int64_t now_ms) {
  const SlotLease* lease = ledger_.find(worker.id);
  if (lease == nullptr || lease->agent != agent.report.incarnation) return std::nullopt;
  Job& job = jobs_.at(lease->job);
  const std::string id = lease->job;
  ledger_.end_lease(worker.id);
  ++revision_;
  const bool lived_long = now_ms - job.last_end > kLongLife.count();
  job.pause = lived_long ? kPauseMin : std::min(kPauseMax, std::max(kPauseMin, job.pause * 2));
  job.last_end = now_ms;
  job.not_before = now_ms + (worker.ended_well ? kPauseAfterGoodEnd : job.pause).count();
  if (worker.ended_well) return std::nullopt;
  job.last_death = "a worker on " + agent.report.name + " ended, " + worker.how +
                   (worker.last_words.empty() ? "" : ": " + worker.last_words);
  return "job " + id + ": " + job.last_death;
}

AgentOrders SessionState::orders_of(const std::string& incarnation) const {
  AgentOrders orders;
  orders.revision = revision_;
  for (const SlotLease& lease : ledger_.leases_of_agent(incarnation)) {
    const JobNeed& need = jobs_.at(lease.job).need;
    WorkerOrder order{lease.id, lease.job, need.artefact, need.words, need.directory, lease.slots};
    order.words.insert(order.words.begin(), {"--slots", std::to_string(lease.slots)});
    orders.workers.push_back(std::move(order));
  }
  return orders;
}

void SessionState::end_leases_of_agent(const std::string& incarnation, const std::string& why) {
  for (const SlotLease& lease : ledger_.remove_agent(incarnation)) {
    jobs_.at(lease.job).last_death =
        "agent " + agents_.at(incarnation).report.name + " " + why + " with its workers";
  }
  ++revision_;
}

void SessionState::leave(const std::string& incarnation) {
  if (!agents_.contains(incarnation)) return;
  end_leases_of_agent(incarnation, "has left");
  agents_.erase(incarnation);
}

std::vector<std::string> SessionState::expire(int64_t now_ms) {
  std::vector<std::string> gone;
  for (auto it = agents_.begin(); it != agents_.end();) {
    if (now_ms - it->second.heard_ms <= settings_.agent_timeout.count()) {
      ++it;
      continue;
    }
    end_leases_of_agent(it->first, "is lost");
    gone.push_back(it->second.report.name);
    it = agents_.erase(it);
  }
  return gone;
}

std::set<std::string> SessionState::incarnations() const {
  std::set<std::string> all;
  for (const auto& [incarnation, agent] : agents_) all.insert(incarnation);
  return all;
}

const TaskManagerInspection* SessionState::worker_of(
    const SlotLease& lease, const std::vector<TaskManagerInspection>& workers) const {
  const AgentReport& agent = agents_.at(lease.agent).report;
  const auto report = std::find_if(agent.workers.begin(), agent.workers.end(),
                                   [&](const WorkerReport& one) { return one.id == lease.id; });
  if (report == agent.workers.end()) return nullptr;
  // In containers many processes have the same number.
  const auto found = std::find_if(workers.begin(), workers.end(), [&](const auto& worker) {
    return worker.pid == report->pid && worker.node.starts_with(agent.host + ":");
  });
  return found == workers.end() ? nullptr : &*found;
}

std::vector<TaskManagerInspection> SessionState::agents(int64_t now_wall_ms, int64_t now_ms,
                                                        const WorkersByJob& workers) const {
  std::vector<TaskManagerInspection> looks;
  for (const auto& [incarnation, agent] : agents_) {
    TaskManagerInspection look;
    look.node = agent.report.name;
    look.slots = agent.report.slots;
    look.slots_free = ledger_.free_of(incarnation);
    look.registered = now_wall_ms - (now_ms - agent.registered_ms);
    look.heartbeat = now_wall_ms - (now_ms - agent.heard_ms);
    look.resident_bytes = agent.report.resident_bytes;
    look.pid = agent.report.pid;
    for (const SlotLease& lease : ledger_.leases_of_agent(incarnation)) {
      const auto of_job = workers.find(lease.job);
      if (of_job == workers.end()) continue;
      const TaskManagerInspection* worker = worker_of(lease, of_job->second);
      if (worker != nullptr) look.tasks += worker->tasks;
    }
    looks.push_back(std::move(look));
  }
  return looks;
}

void SessionState::set_need(const std::string& job, const JobNeed& need) {
  auto found = jobs_.find(job);
  if (found == jobs_.end()) {
    found = jobs_.emplace(job, Job{}).first;
    found->second.number = next_job_++;
  }
  found->second.need = need;
}

void SessionState::drop(const std::string& job) {
  if (jobs_.erase(job) == 0) return;
  ledger_.end_leases_of_job(job);
  ++revision_;
}

void SessionState::allocate(int64_t now_ms) {
  std::vector<std::pair<int64_t, std::string>> waiting;
  for (const auto& [id, job] : jobs_) {
    if (job.not_before <= now_ms && ledger_.lent_to(id) < job.need.slots) {
      waiting.emplace_back(job.number, id);
    }
  }
  std::sort(waiting.begin(), waiting.end());
  for (const auto& [number, id] : waiting) {
    const int missing = jobs_.at(id).need.slots - ledger_.lent_to(id);
    if (ledger_.lend(id, missing).is_ok()) ++revision_;
  }
}

void SessionState::release_idle(const std::string& job,
                                const std::vector<TaskManagerInspection>& workers) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  for (const SlotLease& lease : ledger_.leases_of_job(job)) {
    if (ledger_.lent_to(job) - lease.slots < found->second.need.slots) continue;
    const TaskManagerInspection* worker = worker_of(lease, workers);
    if (worker == nullptr || worker->tasks > 0) continue;
    ledger_.end_lease(lease.id);
    ++revision_;
  }
}

std::string SessionState::waits_for(const std::string& job) const {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return "";
  const int missing = found->second.need.slots - ledger_.lent_to(job);
  if (missing <= 0) return "";
  std::string text = "waiting for slots: " + std::to_string(found->second.need.slots) +
                     " are needed, it has " + std::to_string(ledger_.lent_to(job)) + ", " +
                     std::to_string(ledger_.free()) + " of the session's " +
                     std::to_string(ledger_.total()) + " are free";
  if (!found->second.last_death.empty()) text += "; " + found->second.last_death;
  return text;
}

std::string SessionState::last_death(const std::string& job) const {
  const auto found = jobs_.find(job);
  return found == jobs_.end() ? "" : found->second.last_death;
}

}  // namespace sluice
