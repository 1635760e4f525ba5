#include "session/slot_ledger.h"

#include <algorithm>
#include <utility>

namespace sluice {

void SlotLedger::add_agent(const std::string& agent, int slots) {
  SLUICE_CHECK(slots > 0);
  SLUICE_CHECK(agents_.emplace(agent, slots).second);
}

std::vector<SlotLease> SlotLedger::remove_agent(const std::string& agent) {
  std::vector<SlotLease> over = leases_of_agent(agent);
  for (const SlotLease& lease : over) leases_.erase(lease.id);
  agents_.erase(agent);
  return over;
}

/// How many slots of each agent; the caller knows that there are enough.
std::map<std::string, int> SlotLedger::share_out(int slots) const {
  std::map<std::string, int> free;
  for (const auto& [agent, count] : agents_) free[agent] = free_of(agent);
  std::map<std::string, int> taken;
  const auto most_free = [&free] {
    return std::max_element(free.begin(), free.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; });
  };
  while (slots > 0) {
    auto from = most_free();
    int count = 1;
    if (placement_ == Placement::kPack) {
      // The agent that fits best, or all of the largest one.
      for (auto it = free.begin(); it != free.end(); ++it) {
        if (it->second >= slots && it->second < from->second) from = it;
      }
      count = std::min(slots, from->second);
    }
    taken[from->first] += count;
    from->second -= count;
    slots -= count;
  }
  return taken;
}

Result<std::vector<SlotLease>> SlotLedger::lend(const std::string& job, int slots) {
  SLUICE_CHECK(slots > 0);
  if (free() < slots) {
    return Status::resource_exhausted(std::to_string(slots) + " more slots are needed, " +
                                      std::to_string(free()) + " of " + std::to_string(total()) +
                                      " are free");
  }
  std::vector<SlotLease> lent;
  for (const auto& [agent, count] : share_out(slots)) {
    SlotLease lease{prefix_ + std::to_string(next_lease_++), agent, job, count};
    leases_[lease.id] = lease;
    lent.push_back(std::move(lease));
  }
  return lent;
}

void SlotLedger::end_lease(const std::string& id) { leases_.erase(id); }

void SlotLedger::end_leases_of_job(const std::string& job) {
  std::erase_if(leases_, [&](const auto& entry) { return entry.second.job == job; });
}

const SlotLease* SlotLedger::find(const std::string& id) const {
  const auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : &found->second;
}

std::vector<SlotLease> SlotLedger::leases_of_agent(const std::string& agent) const {
  std::vector<SlotLease> found;
  for (const auto& [id, lease] : leases_) {
    if (lease.agent == agent) found.push_back(lease);
  }
  return found;
}

std::vector<SlotLease> SlotLedger::leases_of_job(const std::string& job) const {
  std::vector<SlotLease> found;
  for (const auto& [id, lease] : leases_) {
    if (lease.job == job) found.push_back(lease);
  }
  return found;
}

int SlotLedger::lent_to(const std::string& job) const {
  int slots = 0;
  for (const SlotLease& lease : leases_of_job(job)) slots += lease.slots;
  return slots;
}

int SlotLedger::total() const {
  int slots = 0;
  for (const auto& [agent, count] : agents_) slots += count;
  return slots;
}

int SlotLedger::free() const {
  int slots = 0;
  for (const auto& [agent, count] : agents_) slots += free_of(agent);
  return slots;
}

int SlotLedger::free_of(const std::string& agent) const {
  const auto found = agents_.find(agent);
  if (found == agents_.end()) return 0;
  int slots = found->second;
  for (const SlotLease& lease : leases_of_agent(agent)) slots -= lease.slots;
  return slots;
}

}  // namespace sluice
