// What one subtask has to run: its chain of operators, its output edges and its input channels.
// Built by graph/execution_graph from the chained logical graph; plain data plus factories.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/element.h"
#include "core/operator.h"
#include "core/partitioning.h"

namespace sluice {

/// One operator of the chain. Stage 0 is the head: it reads the input gate, or is a source.
struct StageSpec {
  NodeId node;
  OperatorFactory factory;
  std::vector<SideOutput> side_outputs;
  std::string name;
  std::string uid;
};

/// Output `from_output` of stage `from_stage` feeds stage `to_stage` in the same task. A chain is a
/// tree: every stage but the head has exactly one link into it, and to_stage > from_stage.
struct ChainLink {
  int from_stage = 0;
  int from_output = 0;
  int to_stage = 0;
};

/// An edge to another vertex. Its channels are numbered [first_channel, first_channel + channels)
/// among all output channels of the task.
struct OutputEdgeSpec {
  int from_stage = 0;
  int from_output = 0;
  Partitioning partitioning = Partitioning::kForward;
  RowSelectorFactory selector;
  const RecordType* type = nullptr;
  int first_channel = 0;
  int channels = 1;
  int max_parallelism = kDefaultMaxParallelism;  // Of the downstream vertex.
  VertexId target;                               // The downstream vertex.
};

/// An edge into the task, seen from the reader.
struct InputEdgeSpec {
  int input = 0;
  Partitioning partitioning = Partitioning::kForward;
  RowSelectorFactory selector;
  const RecordType* type = nullptr;
};

/// An input channel: which input of the head operator its rows belong to.
struct InputChannelSpec {
  int input = 0;
  /// Credits the upstream task starts with.
  uint32_t initial_credit = 2;
  /// Index into TaskSpec::input_edges, and the subtask at the other end. -1: not known, which does
  /// for tasks without unaligned checkpoints.
  int edge = -1;
  int sender = 0;
};

/// Named bounds of a task; see docs/options.md.
struct TaskLimits {
  size_t output_budget_bytes = 1 << 20;  // task.output-memory
  size_t input_budget_bytes = 1 << 20;   // task.input-memory
  size_t batch_bytes_min = 2 * 1024;     // Smallest batch size.
  size_t batch_bytes_max = 64 * 1024;    // Largest batch size.
  uint32_t batch_rows = 0;               // execution.batch-rows: 0 = by bytes.
  Duration buffer_timeout{10};           // execution.buffer-timeout
  Duration latency_marker_interval{0};   // metrics.latency.interval: 0 = off.
};

struct TaskSpec {
  TaskId id;
  /// operator_name is the chain's name, e.g. "csv_file -> map -> filter".
  TaskInfo info;
  std::vector<StageSpec> stages;
  std::vector<ChainLink> links;
  std::vector<OutputEdgeSpec> edges;
  std::vector<InputEdgeSpec> input_edges;
  std::vector<InputChannelSpec> input_channels;
  int input_count = 0;  // Inputs of the head operator; 0 for a source.
  bool is_source = false;
  bool may_block = false;
  TaskLimits limits;

  int output_channel_count() const {
    return edges.empty() ? 0 : edges.back().first_channel + edges.back().channels;
  }
};

/// clamp(budget / channels, 2 KiB, 64 KiB): the size of batches sent over an edge.
size_t batch_bytes_for(const TaskLimits& limits, int output_channels);
/// Credits of one channel: budget / (channels × batch size), at least 2.
uint32_t credits_for(const TaskLimits& limits, int input_channels, size_t batch_bytes);

}  // namespace sluice
