#include "graph/logical_graph.h"

#include <set>

namespace sluice {

LogicalNode& LogicalGraph::add_node(LogicalNode node) {
  node.id = NodeId{size()};
  nodes_.push_back(std::make_unique<LogicalNode>(std::move(node)));
  return *nodes_.back();
}

int LogicalGraph::side_output_index(NodeId id, const SideOutput& side) {
  auto& sides = node(id).side_outputs;
  for (size_t i = 0; i < sides.size(); ++i) {
    if (sides[i].tag_id == side.tag_id) return static_cast<int>(i) + 1;
  }
  sides.push_back(side);
  return static_cast<int>(sides.size());
}

Status LogicalGraph::validate() const {
  std::set<std::string> uids;
  bool has_sink = false;
  for (const auto& node : nodes_) {
    has_sink = has_sink || node->kind == NodeKind::kSink;
    if (!node->uid.empty() && !uids.insert(node->uid).second) {
      return Status::invalid_argument("two operators have the uid '" + node->uid + "'");
    }
    if (node->parallelism_max > 0 && node->parallelism > node->parallelism_max) {
      return Status::invalid_argument("operator '" + node->name + "' can run at most " +
                                      std::to_string(node->parallelism_max) + " subtasks, not " +
                                      std::to_string(node->parallelism));
    }
    if (node->parallelism < 0 || node->parallelism > kMaxParallelismLimit) {
      return Status::invalid_argument("operator '" + node->name + "': parallelism " +
                                      std::to_string(node->parallelism) + " is not in 1..32768");
    }
    for (const auto& edge : node->inputs) {
      // Builders can only name nodes that exist, so a later id would be a cycle.
      if (edge.from.value < 0 || edge.from >= node->id) {
        return Status::invalid_argument("operator '" + node->name +
                                        "' reads from an operator that comes after it: the job "
                                        "graph has a cycle");
      }
    }
  }
  if (!has_sink) {
    return Status::invalid_argument("the job has no sink: nothing would be computed");
  }
  return Status::ok();
}

}  // namespace sluice
