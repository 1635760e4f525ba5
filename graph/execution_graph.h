// Chained graph → execution graph: one task per vertex and subtask, and the channels between them.
//
// A channel is an ordered pair (output channel of the sender, input channel of the receiver).
// Output channels of a task are numbered edge by edge in the order of the sender's edges, targets
// rising; input channels are numbered input by input, then edge by edge, senders rising. Both ends
// are computed from the graph alone, so every process agrees on the numbers.
#pragma once

#include <string>
#include <vector>

#include "core/ids.h"
#include "graph/chain_operators.h"

namespace sluice {

/// One end of a channel.
struct ChannelEnd {
  TaskId task;
  int channel = 0;
  friend constexpr auto operator<=>(const ChannelEnd&, const ChannelEnd&) = default;
};

/// The channels of one edge that leave one task: [first_channel, first_channel + channels).
struct TaskOutputEdge {
  int edge = 0;  // Index into ChainedGraph::edges.
  int first_channel = 0;
  int channels = 0;
};

struct TaskInput {
  int input = 0;  // Input of the head operator.
  ChannelEnd source;
};

struct ExecutionTask {
  TaskId id;
  std::vector<TaskOutputEdge> edges;
  std::vector<ChannelEnd> outputs;  // By output channel: the receiver and its input channel.
  std::vector<TaskInput> inputs;    // By input channel.
};

class ExecutionGraph {
 public:
  explicit ExecutionGraph(ChainedGraph chained);

  const ChainedGraph& chained() const { return chained_; }
  const std::vector<ExecutionTask>& tasks() const { return tasks_; }
  const ExecutionTask& task(TaskId id) const { return tasks_[index_of(id)]; }
  /// Dense index of a task in tasks().
  size_t index_of(TaskId id) const {
    const int index = first_task_[static_cast<size_t>(id.vertex.value)] + id.subtask;
    return static_cast<size_t>(index);
  }
  /// "csv_file -> map (2/4)".
  std::string display_name(TaskId id) const;

 private:
  ChainedGraph chained_;
  std::vector<int> first_task_;  // By vertex.
  std::vector<ExecutionTask> tasks_;
};

/// The subtasks of `to` that subtask `from_subtask` sends to over an edge. Forward: the same one.
/// Rescale: its local group, so that no subtask is without a partner. All others: every subtask.
struct SubtaskRange {
  int first = 0;
  int last = -1;  // Inclusive.
  friend constexpr bool operator==(SubtaskRange, SubtaskRange) = default;
};
SubtaskRange targets_of(Partitioning partitioning, int from_subtask, int from_parallelism,
                        int to_parallelism);

}  // namespace sluice
