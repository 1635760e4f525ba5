// Which agent lends how many slots to which job.
//
// Pure bookkeeping. A lease is what one worker process gets: some slots of one agent for one job.
// Invariants: an agent never lends more slots than it has; a job gets all it asked for or nothing,
// so that jobs which wait do not hold what others could use.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/status.h"

namespace sluice {

enum class Placement {
  kPack,    // As few agents as possible.
  kSpread,  // Each slot from the agent with most free ones.
};

struct SlotLease {
  std::string id;
  std::string agent;
  std::string job;
  int slots = 0;
};

class SlotLedger {
 public:
  /// `prefix`: makes the ids of leases differ from those of every earlier ledger.
  SlotLedger(Placement placement, std::string prefix)
      : placement_(placement), prefix_(std::move(prefix)) {}

  void add_agent(const std::string& agent, int slots);
  /// Its leases are over; they are returned.
  std::vector<SlotLease> remove_agent(const std::string& agent);

  /// `slots` more for the job, one lease an agent. kResourceExhausted says how many are free.
  Result<std::vector<SlotLease>> lend(const std::string& job, int slots);
  /// Unknown ids are passed over: an agent may tell late what is known already.
  void end_lease(const std::string& id);
  void end_leases_of_job(const std::string& job);

  const SlotLease* find(const std::string& id) const;
  std::vector<SlotLease> leases_of_agent(const std::string& agent) const;
  std::vector<SlotLease> leases_of_job(const std::string& job) const;
  int lent_to(const std::string& job) const;
  int total() const;
  int free() const;
  int free_of(const std::string& agent) const;

 private:
  std::map<std::string, int> share_out(int slots) const;

  const Placement placement_;
  const std::string prefix_;
  std::map<std::string, int> agents_;  // Slots.
  std::map<std::string, SlotLease> leases_;
  int64_t next_lease_ = 1;
};

}  // namespace sluice
