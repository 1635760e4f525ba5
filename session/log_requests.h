// Who wants to see the ends of which workers' logs: they lie with the agents.
//
// Pure; the owner holds its lock. A request goes to the agents there are when it is made, again
// with each of their orders until they have answered; whoever asked waits, and takes what has come.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/status.h"
#include "session/agent_protocol.h"

namespace sluice {

class LogRequests {
 public:
  static constexpr size_t kRequestsMax = 16;

  /// `agents`: their incarnations. The id of the request.
  Result<int64_t> ask(const std::string& job, int lines_max, std::set<std::string> agents);
  /// What the agent has not answered yet.
  std::vector<LogOrder> orders_of(const std::string& agent) const;
  /// Answers to requests that nobody waits for any more are passed over.
  void take(const std::string& agent, const LogAnswer& answer);
  bool is_complete(int64_t id) const { return requests_.at(id).waits_for.empty(); }
  /// Forgets the request. Lines that came, in the order of the agents that had some.
  std::vector<std::string> finish(int64_t id);

 private:
  struct Request {
    std::string job;
    int lines_max = 0;
    std::set<std::string> waits_for;
    std::vector<std::string> lines;
  };
  std::map<int64_t, Request> requests_;
  int64_t next_ = 1;
};

}  // namespace sluice
