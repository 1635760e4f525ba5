// Logical graph → chained graph: operators that may run in one task are put into one vertex.
//
// An edge is chained when it is forward, both ends have the same parallelism and slot sharing
// group, neither end forbids it, and the reader has no other input edge. Chains are trees: an
// operator may feed several others of its chain. Inside a chain, functions that the API could fuse
// at compile time run as one operator (LogicalNode::fused), unless something reads between them.
//
// Pure functions of the logical graph; the same in every process that has the same graph.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/status.h"
#include "graph/logical_graph.h"

namespace sluice {

/// What the job says for operators that do not say it themselves.
struct ChainingOptions {
  int default_parallelism = 1;
  int max_parallelism = 0;  // 0 = default_max_parallelism() of each vertex.
  bool chaining_enabled = true;
};

/// One operator of a chain.
struct ChainStage {
  NodeId node;
  /// Nodes whose functions are fused into this stage's operator, first one first.
  std::vector<NodeId> absorbed;
  std::string name;  // With fused functions: "map -> filter".
  std::string uid;
  OperatorFactory factory;
  std::vector<SideOutput> side_outputs;
};

/// Output `from_output` of one stage feeds another stage of the same vertex.
struct StageLink {
  int from_stage = 0;
  int from_output = 0;
  int to_stage = 0;
};

struct ChainedVertex {
  VertexId id;
  std::string name;  // "source -> map -> filter".
  /// Stage 0 is the head; every other stage has exactly one link into it, from an earlier one.
  std::vector<ChainStage> stages;
  std::vector<StageLink> links;
  int parallelism = 1;
  int max_parallelism = kDefaultMaxParallelism;
  int input_count = 0;  // Of the head; 0 for sources.
  bool is_source = false;
  bool bounded = true;  // Of a source.
  bool may_block = false;
  std::string slot_sharing_group;
};

/// An edge between vertices.
struct VertexEdge {
  VertexId from;
  int from_stage = 0;
  int from_output = 0;
  VertexId to;
  int to_input = 0;
  Partitioning partitioning = Partitioning::kForward;
  RowSelectorFactory selector;
  const RecordType* type = nullptr;
};

struct ChainedGraph {
  std::vector<ChainedVertex> vertices;  // By id; sources and other heads in order of creation.
  /// Sorted by (from, from_stage, from_output, to, to_input).
  std::vector<VertexEdge> edges;
  /// Where each kept node runs; absorbed nodes are at the stage that runs their function.
  struct Place {
    VertexId vertex;
    int stage = 0;
  };
  std::map<NodeId, Place> places;
  /// Nodes that lead to no sink; they do not run.
  std::vector<NodeId> pruned;

  const ChainedVertex& vertex(VertexId id) const { return vertices[static_cast<size_t>(id.value)]; }
  int task_count() const;
  /// Slots needed: for each slot sharing group its largest parallelism.
  int slot_count() const;
};

/// Validates the graph and chains it.
Result<ChainedGraph> chain_operators(const LogicalGraph& graph, const ChainingOptions& options);

/// A hash over topology, names, uids, partitioning and parallelism: two processes that run the same
/// job have the same one.
uint64_t graph_fingerprint(const ChainedGraph& graph);

}  // namespace sluice
