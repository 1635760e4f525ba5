#include "actors/job_inspection.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <unistd.h>

#include "core/partitioning.h"

namespace sluice {

void describe_plan(const JobPlan& plan, JobInspection& look) {
  const ChainedGraph& graph = plan.graph.chained();
  char fingerprint[17];
  std::snprintf(fingerprint, sizeof fingerprint, "%016llx",
                static_cast<unsigned long long>(graph_fingerprint(graph)));
  look.fingerprint = fingerprint;
  look.slots = graph.slot_count();
  look.vertices.clear();
  for (const ChainedVertex& vertex : graph.vertices) {
    VertexInspection& one = look.vertices.emplace_back();
    one.id = vertex.id.value;
    one.name = vertex.name;
    one.parallelism = vertex.parallelism;
    one.max_parallelism = vertex.max_parallelism;
    one.is_source = vertex.is_source;
    one.is_sink = std::any_of(vertex.stages.begin(), vertex.stages.end(), [&](const auto& stage) {
      return plan.logical->node(stage.node).kind == NodeKind::kSink;
    });
  }
  look.edges.clear();
  for (const VertexEdge& edge : graph.edges) {
    look.edges.push_back(
        {edge.from.value, edge.to.value, edge.to_input, partitioning_name(edge.partitioning)});
  }
}

CheckpointLook look_of(const CheckpointStats& stats, int64_t now_ms) {
  CheckpointLook look;
  look.id = stats.id.value;
  look.purpose = stats.purpose == SnapshotPurpose::kSavepoint ? "savepoint" : "checkpoint";
  look.outcome = checkpoint_outcome_name(stats.outcome);
  look.triggered = stats.triggered_ms;
  look.duration_ms = stats.outcome == CheckpointOutcome::kPending ? now_ms - stats.triggered_ms
                                                                  : stats.duration_ms();
  look.alignment_ms = stats.alignment_ms();
  look.sync_ms = stats.sync_ms();
  look.async_ms = stats.async_ms();
  look.full_bytes = static_cast<int64_t>(stats.full_bytes());
  look.incremental_bytes = static_cast<int64_t>(stats.incremental_bytes());
  look.acknowledged = stats.acknowledged();
  look.failure = stats.failure;
  for (const SubtaskCheckpointStats& subtask : stats.subtasks) {
    SubtaskCheckpointLook& one = look.subtasks.emplace_back();
    one.vertex = subtask.task.vertex.value;
    one.subtask = subtask.task.subtask;
    one.acknowledged = subtask.acknowledged;
    one.acknowledged_at = subtask.acknowledged_ms;
    one.alignment_ms = subtask.alignment_ms;
    one.sync_ms = subtask.sync_ms;
    one.async_ms = subtask.async_ms;
    one.full_bytes = static_cast<int64_t>(subtask.full_bytes);
    one.incremental_bytes = static_cast<int64_t>(subtask.incremental_bytes);
  }
  return look;
}

void summarize_tasks(JobInspection& look) {
  look.summary.tasks = static_cast<int64_t>(look.tasks.size());
  look.summary.tasks_running =
      std::count_if(look.tasks.begin(), look.tasks.end(),
                    [](const TaskInspection& task) { return task.state == "RUNNING"; });
}

std::string this_node() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return std::string(host.data()) + ":" + std::to_string(::getpid());
}

}  // namespace sluice
