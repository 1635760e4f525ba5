// The job as its author wrote it: operators and edges, before chaining and before subtasks.
//
// Built by api/, read by graph/chain_operators and by the job's plan output. Operator factories are
// opaque here. Node ids are dense indexes in the order of creation, the same in every process that
// runs the same builder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/operator.h"
#include "core/partitioning.h"
#include "core/sink.h"
#include "core/source.h"
#include "core/status.h"

namespace sluice {

/// An edge into a node.
struct LogicalEdge {
  NodeId from;
  int from_output = 0;  // 0 = main, 1.. = side outputs of `from` in order.
  int to_input = 0;     // Several edges may enter one input (union).
  Partitioning partitioning = Partitioning::kForward;
  RowSelectorFactory selector;  // kHash and kCustom.
  const RecordType* type = nullptr;
};

enum class NodeKind { kSource, kOperator, kSink };

/// Another way to run a node: its function fused with that of the node before it, reading that
/// node's own input. Used when the absorbed node has no other consumer, the same parallelism and
/// nothing that separates them.
struct FusedAlternative {
  NodeId absorbed;
  LogicalEdge input;
  OperatorFactory factory;
};

struct LogicalNode {
  NodeId id;
  NodeKind kind = NodeKind::kOperator;
  std::string name;
  std::string uid;  // Empty: derived from the position, with a warning once checkpoints are on.
  std::vector<LogicalEdge> inputs;
  int input_count = 1;
  std::vector<SideOutput> side_outputs;

  OperatorFactory factory;
  std::vector<FusedAlternative> fused;  // Longest last.

  /// Sources: one per job, made where the JobManager runs.
  std::function<std::unique_ptr<SplitEnumerator>()> enumerator_factory;
  bool bounded = true;
  /// Sinks with a committer.
  std::function<std::unique_ptr<Committer>()> committer_factory;
  /// Checks arguments against the world (missing file, non-empty output) before anything runs.
  std::function<Status(bool fresh_start)> validate;

  int parallelism = 0;             // 0 = the job's default.
  int parallelism_max = 0;         // Largest possible (1 for a socket); 0 = any.
  int max_parallelism = 0;         // Key groups; 0 = the job's.
  bool chain_with_inputs = true;   // false: start_new_chain() / disable_chaining().
  bool chain_with_outputs = true;  // false: disable_chaining().
  std::string slot_sharing_group = "default";
  /// The operator may block its thread (blocking connector): its task is detached.
  bool may_block = false;
  /// Uses keyed state: its inputs are hash partitioned.
  bool keyed = false;
  /// Watermark alignment group of a source with the largest drift; empty = none.
  std::string alignment_group;
  Duration alignment_drift_max{0};
};

class LogicalGraph {
 public:
  /// Assigns the id.
  LogicalNode& add_node(LogicalNode node);
  LogicalNode& node(NodeId id) { return *nodes_[static_cast<size_t>(id.value)]; }
  const LogicalNode& node(NodeId id) const { return *nodes_[static_cast<size_t>(id.value)]; }
  int size() const { return static_cast<int>(nodes_.size()); }
  const std::vector<std::unique_ptr<LogicalNode>>& nodes() const { return nodes_; }

  /// Index of the side output of `node` with this tag, adding it if needed (1-based output index).
  int side_output_index(NodeId node, const SideOutput& side);

  /// No cycles, edges name existing nodes and outputs, at least one sink, unique uids, parallelism
  /// in bounds.
  Status validate() const;

 private:
  std::vector<std::unique_ptr<LogicalNode>> nodes_;
};

}  // namespace sluice
