#include "graph/regions.h"

#include <numeric>

namespace sluice {

std::vector<std::vector<TaskId>> pipelined_regions(const ExecutionGraph& graph) {
  const auto& tasks = graph.tasks();
  std::vector<size_t> parent(tasks.size());
  std::iota(parent.begin(), parent.end(), size_t{0});
  const auto root_of = [&](size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (const auto& output : tasks[i].outputs) {
      const size_t a = root_of(i);
      const size_t b = root_of(graph.index_of(output.task));
      // The smaller index stays the root, so regions come out in order.
      parent[std::max(a, b)] = std::min(a, b);
    }
  }
  std::vector<std::vector<TaskId>> regions;
  std::vector<size_t> region_of(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    const size_t root = root_of(i);
    if (root == i) {
      region_of[i] = regions.size();
      regions.emplace_back();
    }
    regions[region_of[root]].push_back(tasks[i].id);
  }
  return regions;
}

}  // namespace sluice
