#include "session/log_requests.h"

#include <algorithm>
#include <utility>

namespace sluice {

Result<int64_t> LogRequests::ask(const std::string& job, int lines_max,
                                 std::set<std::string> agents) {
  if (requests_.size() >= kRequestsMax) {
    return Status::resource_exhausted("too many others look at logs of workers just now");
  }
  const int64_t id = next_++;
  requests_[id] = {job, std::clamp(lines_max, 0, kLogLinesMax), std::move(agents), {}};
  return id;
}

std::vector<LogOrder> LogRequests::orders_of(const std::string& agent) const {
  std::vector<LogOrder> orders;
  for (const auto& [id, request] : requests_) {
    if (request.waits_for.contains(agent)) orders.push_back({id, request.job, request.lines_max});
  }
  return orders;
}

void LogRequests::take(const std::string& agent, const LogAnswer& answer) {
  const auto found = requests_.find(answer.id);
  if (found == requests_.end() || found->second.waits_for.erase(agent) == 0) return;
  std::vector<std::string>& lines = found->second.lines;
  lines.insert(lines.end(), answer.lines.begin(), answer.lines.end());
}

std::vector<std::string> LogRequests::finish(int64_t id) {
  return std::move(requests_.extract(id).mapped().lines);
}

}  // namespace sluice
