#include "graph/regions.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace sluice {
namespace {

/// Sets of task indices that only grow together.
class RegionSets {
 public:
  explicit RegionSets(size_t tasks) : parent_(tasks) {
    std::iota(parent_.begin(), parent_.end(), size_t{0});
  }
  size_t root_of(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(size_t a, size_t b) {
    a = root_of(a);
    b = root_of(b);
    // The smaller index stays the root, so regions come out in order.
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parent_;
};

RegionSets join_along_channels(const ExecutionGraph& graph) {
  const auto& tasks = graph.tasks();
  RegionSets sets(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (const auto& output : tasks[i].outputs) sets.join(i, graph.index_of(output.task));
  }
  return sets;
}

}  // namespace

std::vector<std::vector<TaskId>> pipelined_regions(const ExecutionGraph& graph) {
  const auto& tasks = graph.tasks();
  RegionSets sets = join_along_channels(graph);
  std::vector<std::vector<TaskId>> regions;
  std::vector<size_t> region_of(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    const size_t root = sets.root_of(i);
    if (root == i) {
      region_of[i] = regions.size();
      regions.emplace_back();
    }
    regions[region_of[root]].push_back(tasks[i].id);
  }
  return regions;
}

std::vector<size_t> failover_regions(const ExecutionGraph& graph) {
  const auto& tasks = graph.tasks();
  RegionSets sets = join_along_channels(graph);
  std::map<VertexId, size_t> first_of_source;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!graph.chained().vertex(tasks[i].id.vertex).is_source) continue;
    sets.join(first_of_source.emplace(tasks[i].id.vertex, i).first->second, i);
  }
  std::vector<size_t> regions(tasks.size());
  std::map<size_t, size_t> number_of_root;
  for (size_t i = 0; i < tasks.size(); ++i) {
    regions[i] = number_of_root.emplace(sets.root_of(i), number_of_root.size()).first->second;
  }
  return regions;
}

}  // namespace sluice
