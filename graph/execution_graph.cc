#include "graph/execution_graph.h"

#include <utility>

namespace sluice {
namespace {

/// The first of `to` subtasks whose group belongs to sender `index` or a later one, when the
/// receivers are dealt out to `from` senders evenly.
int group_start(int index, int from, int to) { return (index * to + from - 1) / from; }

}  // namespace

SubtaskRange targets_of(Partitioning partitioning, int from_subtask, int from_parallelism,
                        int to_parallelism) {
  if (partitioning == Partitioning::kForward) return {from_subtask, from_subtask};
  if (partitioning != Partitioning::kRescale) return {0, to_parallelism - 1};
  if (from_parallelism >= to_parallelism) {
    const auto target = static_cast<int>(int64_t{from_subtask} * to_parallelism / from_parallelism);
    return {target, target};
  }
  return {group_start(from_subtask, from_parallelism, to_parallelism),
          group_start(from_subtask + 1, from_parallelism, to_parallelism) - 1};
}

ExecutionGraph::ExecutionGraph(ChainedGraph chained) : chained_(std::move(chained)) {
  for (const auto& vertex : chained_.vertices) {
    first_task_.push_back(static_cast<int>(tasks_.size()));
    for (int subtask = 0; subtask < vertex.parallelism; ++subtask) {
      ExecutionTask task;
      task.id = {vertex.id, subtask};
      tasks_.push_back(std::move(task));
    }
  }
  // Output channels: by sender, edge, target. Edges are sorted by sender already.
  for (size_t e = 0; e < chained_.edges.size(); ++e) {
    const VertexEdge& edge = chained_.edges[e];
    const int from_parallelism = chained_.vertex(edge.from).parallelism;
    const int to_parallelism = chained_.vertex(edge.to).parallelism;
    for (int subtask = 0; subtask < from_parallelism; ++subtask) {
      ExecutionTask& sender = tasks_[index_of({edge.from, subtask})];
      const SubtaskRange range =
          targets_of(edge.partitioning, subtask, from_parallelism, to_parallelism);
      sender.edges.push_back({static_cast<int>(e), static_cast<int>(sender.outputs.size()),
                              range.last - range.first + 1});
      for (int target = range.first; target <= range.last; ++target) {
        sender.outputs.push_back({{edge.to, target}, -1});
      }
    }
  }
  // Input channels: by input, edge, sender.
  for (const auto& vertex : chained_.vertices) {
    for (int input = 0; input < vertex.input_count; ++input) {
      for (size_t e = 0; e < chained_.edges.size(); ++e) {
        const VertexEdge& edge = chained_.edges[e];
        if (edge.to != vertex.id || edge.to_input != input) continue;
        for (int subtask = 0; subtask < chained_.vertex(edge.from).parallelism; ++subtask) {
          ExecutionTask& sender = tasks_[index_of({edge.from, subtask})];
          for (const auto& out : sender.edges) {
            if (out.edge != static_cast<int>(e)) continue;
            for (int c = out.first_channel; c < out.first_channel + out.channels; ++c) {
              ChannelEnd& end = sender.outputs[static_cast<size_t>(c)];
              ExecutionTask& receiver = tasks_[index_of(end.task)];
              end.channel = static_cast<int>(receiver.inputs.size());
              receiver.inputs.push_back({input, {sender.id, c}});
            }
          }
        }
      }
    }
  }
}

std::string ExecutionGraph::display_name(TaskId id) const {
  const ChainedVertex& vertex = chained_.vertex(id.vertex);
  return vertex.name + " (" + std::to_string(id.subtask + 1) + "/" +
         std::to_string(vertex.parallelism) + ")";
}

}  // namespace sluice
