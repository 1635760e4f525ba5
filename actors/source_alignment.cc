#include "actors/source_alignment.h"

#include <algorithm>

namespace sluice {

SourceAlignment::SourceAlignment(const JobPlan& plan) {
  for (const LogicalNode* node : plan.nodes()) {
    if (node->alignment_group.empty()) continue;
    Group& group = groups_[node->alignment_group];
    // Sources may give different drifts; the strictest holds for all.
    group.drift_max = group.watermarks.empty()
                          ? node->alignment_drift_max
                          : std::min(group.drift_max, node->alignment_drift_max);
    const VertexId vertex = plan.graph.chained().places.at(node->id).vertex;
    for (int i = 0; i < plan.graph.chained().vertex(vertex).parallelism; ++i) {
      group.watermarks[{vertex, i}] = kMinTime;
      group_of_[{vertex, i}] = node->alignment_group;
    }
  }
}

std::vector<TaskId> SourceAlignment::tasks() const {
  std::vector<TaskId> tasks;
  for (const auto& [task, group] : group_of_) tasks.push_back(task);
  return tasks;
}

void SourceAlignment::report(TaskId task, EventTime watermark) {
  const auto found = group_of_.find(task);
  if (found != group_of_.end()) groups_[found->second].watermarks[task] = watermark;
}

EventTime SourceAlignment::limit_of(TaskId task) const {
  const auto found = group_of_.find(task);
  if (found == group_of_.end()) return kMaxTime;
  const Group& group = groups_.at(found->second);
  EventTime slowest = kMaxTime;
  for (const auto& [member, watermark] : group.watermarks) {
    if (member != task) slowest = std::min(slowest, watermark);
  }
  return saturating_add(slowest, group.drift_max);
}

}  // namespace sluice
