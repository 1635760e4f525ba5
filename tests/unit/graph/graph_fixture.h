// Logical graphs in a few words, for tests of the planner.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "graph/logical_graph.h"

namespace sluice {

class GraphFixture {
 public:
  LogicalNode& source(const std::string& name, int parallelism = 0) {
    LogicalNode node;
    node.kind = NodeKind::kSource;
    node.name = name;
    node.input_count = 0;
    node.parallelism = parallelism;
    return graph_.add_node(std::move(node));
  }
  LogicalNode& add(const std::string& name, std::initializer_list<LogicalEdge> inputs,
                   NodeKind kind = NodeKind::kOperator) {
    LogicalNode node;
    node.kind = kind;
    node.name = name;
    node.inputs = inputs;
    for (const auto& edge : node.inputs) {
      node.input_count = std::max(node.input_count, edge.to_input + 1);
    }
    return graph_.add_node(std::move(node));
  }
  LogicalNode& sink(const std::string& name, std::initializer_list<LogicalEdge> inputs) {
    return add(name, inputs, NodeKind::kSink);
  }
  static LogicalEdge from(const LogicalNode& node,
                          Partitioning partitioning = Partitioning::kForward, int output = 0,
                          int input = 0) {
    LogicalEdge edge;
    edge.from = node.id;
    edge.from_output = output;
    edge.to_input = input;
    edge.partitioning = partitioning;
    edge.type = &record_type<int64_t>();
    return edge;
  }
  LogicalGraph& graph() { return graph_; }

 private:
  LogicalGraph graph_;
};

}  // namespace sluice
