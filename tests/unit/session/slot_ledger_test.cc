#include "session/slot_ledger.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

std::map<std::string, int> by_agent(const std::vector<SlotLease>& leases) {
  std::map<std::string, int> slots;
  for (const SlotLease& lease : leases) slots[lease.agent] += lease.slots;
  return slots;
}

TEST_CASE("slot_ledger: a job gets all it asks for or nothing") {
  SlotLedger ledger(Placement::kPack, "1-");
  ledger.add_agent("a", 2);
  ledger.add_agent("b", 2);
  const auto none = ledger.lend("job", 5);
  CHECK(none.status().code() == StatusCode::kResourceExhausted);
  CHECK(none.status().message() == "5 more slots are needed, 4 of 4 are free");
  CHECK(ledger.free() == 4);
  CHECK(by_agent(*ledger.lend("job", 3)) == std::map<std::string, int>{{"a", 2}, {"b", 1}});
  CHECK(ledger.lent_to("job") == 3);
  CHECK(ledger.free() == 1);
}

TEST_CASE("slot_ledger: packed slots are those of the agent they fit best") {
  SlotLedger ledger(Placement::kPack, "");
  ledger.add_agent("large", 8);
  ledger.add_agent("small", 2);
  CHECK(by_agent(*ledger.lend("one", 2)) == std::map<std::string, int>{{"small", 2}});
  CHECK(by_agent(*ledger.lend("two", 3)) == std::map<std::string, int>{{"large", 3}});
}

TEST_CASE("slot_ledger: spread slots are taken from the agents with most free ones") {
  SlotLedger ledger(Placement::kSpread, "");
  ledger.add_agent("a", 3);
  ledger.add_agent("b", 2);
  CHECK(by_agent(*ledger.lend("job", 3)) == std::map<std::string, int>{{"a", 2}, {"b", 1}});
}

TEST_CASE("slot_ledger: slots come back with a lease, a job and an agent") {
  SlotLedger ledger(Placement::kPack, "7-");
  ledger.add_agent("a", 2);
  ledger.add_agent("b", 2);
  const auto leases = *ledger.lend("one", 4);
  CHECK(leases.size() == 2);
  CHECK(leases[0].id == "7-1");
  ledger.end_lease(leases[0].id);
  ledger.end_lease("unknown");
  CHECK(ledger.free() == 2);
  CHECK(ledger.lend("two", 1).is_ok());
  const auto over = ledger.remove_agent("a");
  CHECK(over.size() == 1);
  CHECK(over[0].job == "two");
  CHECK(ledger.total() == 2);
  ledger.end_leases_of_job("one");
  CHECK(ledger.free() == 2);
  CHECK(ledger.lent_to("one") == 0);
}

}  // namespace
}  // namespace sluice
