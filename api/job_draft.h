// What a job builder has put together so far: graph, options and the first mistake.
//
// Shared by the environment and every stream made from it; streams are handles into it. One thread.
// A mistake that can be seen while building (parallelism 0, a window of 0) is kept here instead of
// ending the program; whoever runs the job asks for status() first.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "core/status.h"
#include "graph/logical_graph.h"

namespace sluice {

class JobDraft {
 public:
  LogicalGraph& graph() { return graph_; }
  Options& options() { return options_; }
  std::string& name() { return name_; }

  /// Keeps the first failure.
  void fail(Status status) {
    if (status_.is_ok()) status_ = std::move(status);
  }
  const Status& status() const { return status_; }

  /// Adds a node that reads `inputs` (edges of all its inputs).
  NodeId add_operator(std::string name, std::vector<LogicalEdge> inputs, OperatorFactory factory,
                      int input_count = 1) {
    LogicalNode node;
    node.name = std::move(name);
    node.inputs = std::move(inputs);
    node.input_count = input_count;
    node.factory = std::move(factory);
    return graph_.add_node(std::move(node)).id;
  }

 private:
  LogicalGraph graph_;
  Options options_;
  std::string name_ = "job";
  Status status_;
};

/// The edges through which a stream's records leave, ready to enter input 0 of the next node.
/// Several when streams were united.
using StreamEdges = std::vector<LogicalEdge>;

inline StreamEdges edges_into(StreamEdges edges, int input) {
  for (auto& edge : edges) edge.to_input = input;
  return edges;
}

}  // namespace sluice
