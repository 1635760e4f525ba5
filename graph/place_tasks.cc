#include "graph/place_tasks.h"

#include <algorithm>
#include <map>
#include <string>

namespace sluice {

std::vector<int> place_tasks(const ExecutionGraph& graph) {
  std::map<std::string, int> group_slots;
  for (const auto& vertex : graph.chained().vertices) {
    int& slots = group_slots[vertex.slot_sharing_group];
    slots = std::max(slots, vertex.parallelism);
  }
  std::map<std::string, int> first_slot;
  int next = 0;
  for (const auto& [group, slots] : group_slots) {
    first_slot[group] = next;
    next += slots;
  }
  std::vector<int> placement;
  for (const auto& task : graph.tasks()) {
    const auto& vertex = graph.chained().vertex(task.id.vertex);
    placement.push_back(first_slot[vertex.slot_sharing_group] + task.id.subtask);
  }
  return placement;
}

}  // namespace sluice
