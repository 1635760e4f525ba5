#include "graph/chain_operators.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/stable_hash.h"

namespace sluice {
namespace {

/// An edge as it will run: logical, with the partitioning that its parallelism leaves possible.
struct PlannedEdge {
  LogicalEdge edge;
  NodeId to;
};

class Chainer {
 public:
  Chainer(const LogicalGraph& graph, const ChainingOptions& options)
      : graph_(graph), options_(options), nodes_(static_cast<size_t>(graph.size())) {}

  ChainedGraph chain() {
    find_kept_nodes();
    resolve_parallelism();
    absorb_fused_nodes();
    plan_edges();
    make_vertices();
    connect_vertices();
    return std::move(result_);
  }

 private:
  /// What is decided about a logical node.
  struct NodePlan {
    bool kept = false;
    bool absorbed = false;
    int parallelism = 1;
    int consumers = 0;                        // Edges of kept nodes that read from it.
    const FusedAlternative* fused = nullptr;  // The alternative that is used.
    std::vector<NodeId> absorbed_nodes;       // First one first.
    std::vector<const LogicalEdge*> inputs;   // Its own, or the fused alternative's.

    /// The node that reads those inputs.
    NodeId reader(NodeId self) const {
      return absorbed_nodes.empty() ? self : absorbed_nodes.front();
    }
  };

  NodePlan& plan(NodeId id) { return nodes_[static_cast<size_t>(id.value)]; }

  /// Only what a sink reads in the end is worth running.
  void find_kept_nodes() {
    for (int i = graph_.size() - 1; i >= 0; --i) {
      const LogicalNode& node = graph_.node(NodeId{i});
      NodePlan& own = plan(node.id);
      own.kept = own.kept || node.kind == NodeKind::kSink;
      if (!own.kept) continue;
      for (const auto& edge : node.inputs) {
        plan(edge.from).kept = true;
        ++plan(edge.from).consumers;
        own.inputs.push_back(&edge);
      }
    }
    for (const auto& node : graph_.nodes()) {
      if (!plan(node->id).kept) result_.pruned.push_back(node->id);
    }
  }

  void resolve_parallelism() {
    for (const auto& node : graph_.nodes()) {
      int wanted = node->parallelism > 0 ? node->parallelism : options_.default_parallelism;
      if (node->parallelism_max > 0) wanted = std::min(wanted, node->parallelism_max);
      if (node->max_parallelism > 0) wanted = std::min(wanted, node->max_parallelism);
      plan(node->id).parallelism = wanted;
    }
  }

  /// Whether both ends of a forward edge may run in one task, as far as the ends themselves say.
  bool may_join(const LogicalNode& from, const LogicalNode& to) {
    return options_.chaining_enabled && from.chain_with_outputs && to.chain_with_inputs &&
           plan(from.id).parallelism == plan(to.id).parallelism &&
           from.slot_sharing_group == to.slot_sharing_group &&
           (to.max_parallelism == 0 || to.max_parallelism == from.max_parallelism);
  }

  /// The longest alternative whose absorbed nodes nobody else reads. Later nodes choose first,
  /// since their alternatives reach further back.
  void absorb_fused_nodes() {
    for (int i = graph_.size() - 1; i >= 0; --i) {
      const LogicalNode& node = graph_.node(NodeId{i});
      NodePlan& own = plan(node.id);
      if (!own.kept || own.absorbed) continue;
      const LogicalNode* reader = &node;
      for (const auto& alternative : node.fused) {
        const LogicalNode& before = graph_.node(alternative.absorbed);
        if (!absorbs(before, *reader)) break;
        own.fused = &alternative;
        own.absorbed_nodes.insert(own.absorbed_nodes.begin(), before.id);
        reader = &before;
      }
      if (own.fused == nullptr) continue;
      own.inputs = {&own.fused->input};
      for (const NodeId absorbed : own.absorbed_nodes) plan(absorbed).absorbed = true;
    }
  }

  bool absorbs(const LogicalNode& before, const LogicalNode& reader) {
    return before.kind == NodeKind::kOperator && plan(before.id).consumers == 1 &&
           reader.inputs.size() == 1 && reader.inputs[0].from == before.id &&
           reader.inputs[0].from_output == 0 &&
           reader.inputs[0].partitioning == Partitioning::kForward && may_join(before, reader);
  }

  void plan_edges() {
    for (const auto& node : graph_.nodes()) {
      const NodePlan& own = plan(node->id);
      if (!own.kept || own.absorbed) continue;
      for (const LogicalEdge* edge : own.inputs) {
        PlannedEdge planned{*edge, node->id};
        if (edge->partitioning == Partitioning::kForward &&
            plan(edge->from).parallelism != own.parallelism) {
          planned.edge.partitioning = Partitioning::kRebalance;
        }
        edges_.push_back(std::move(planned));
      }
    }
  }

  bool is_chained(const PlannedEdge& planned) {
    const LogicalNode& to = graph_.node(plan(planned.to).reader(planned.to));
    return planned.edge.partitioning == Partitioning::kForward && to.input_count == 1 &&
           plan(planned.to).inputs.size() == 1 && may_join(graph_.node(planned.edge.from), to);
  }

  /// Node ids are a topological order, so the head of a chain comes before its other nodes.
  void make_vertices() {
    for (const auto& node : graph_.nodes()) {
      NodePlan& own = plan(node->id);
      if (!own.kept || own.absorbed) continue;
      const PlannedEdge* chained = nullptr;
      for (const auto& planned : edges_) {
        if (planned.to == node->id && is_chained(planned)) chained = &planned;
      }
      if (chained == nullptr) {
        start_vertex(*node);
      } else {
        append_stage(*node, *chained);
      }
    }
    for (auto& vertex : result_.vertices) finish_vertex(vertex);
  }

  void start_vertex(const LogicalNode& node) {
    ChainedVertex vertex;
    vertex.id = VertexId{static_cast<int>(result_.vertices.size())};
    vertex.parallelism = plan(node.id).parallelism;
    vertex.is_source = node.kind == NodeKind::kSource;
    vertex.bounded = node.bounded;
    vertex.input_count = vertex.is_source ? 0 : node.input_count;
    vertex.slot_sharing_group = node.slot_sharing_group;
    result_.vertices.push_back(std::move(vertex));
    add_stage(result_.vertices.back(), node);
  }

  void append_stage(const LogicalNode& node, const PlannedEdge& chained) {
    const ChainedGraph::Place from = result_.places.at(chained.edge.from);
    ChainedVertex& vertex = result_.vertices[static_cast<size_t>(from.vertex.value)];
    const int stage = static_cast<int>(vertex.stages.size());
    vertex.links.push_back({from.stage, chained.edge.from_output, stage});
    add_stage(vertex, node);
  }

  void add_stage(ChainedVertex& vertex, const LogicalNode& node) {
    const NodePlan& own = plan(node.id);
    const ChainedGraph::Place place{vertex.id, static_cast<int>(vertex.stages.size())};
    ChainStage stage;
    stage.node = node.id;
    stage.absorbed = own.absorbed_nodes;
    for (const NodeId absorbed : own.absorbed_nodes) {
      stage.name += graph_.node(absorbed).name + " -> ";
      vertex.may_block = vertex.may_block || graph_.node(absorbed).may_block;
      result_.places[absorbed] = place;
    }
    stage.name += node.name;
    stage.uid = node.uid;
    stage.factory = own.fused != nullptr ? own.fused->factory : node.factory;
    stage.side_outputs = node.side_outputs;
    vertex.may_block = vertex.may_block || node.may_block;
    vertex.stages.push_back(std::move(stage));
    result_.places[node.id] = place;
  }

  void finish_vertex(ChainedVertex& vertex) {
    int explicit_max = 0;
    for (const auto& stage : vertex.stages) {
      vertex.name += (vertex.name.empty() ? "" : " -> ") + stage.name;
      if (explicit_max == 0) explicit_max = graph_.node(stage.node).max_parallelism;
    }
    if (explicit_max == 0) explicit_max = options_.max_parallelism;
    vertex.max_parallelism =
        explicit_max > 0 ? explicit_max : default_max_parallelism(vertex.parallelism);
  }

  void connect_vertices() {
    for (const auto& planned : edges_) {
      if (is_chained(planned)) continue;
      const auto from = result_.places.at(planned.edge.from);
      const auto to = result_.places.at(planned.to);
      result_.edges.push_back({from.vertex, from.stage, planned.edge.from_output, to.vertex,
                               planned.edge.to_input, planned.edge.partitioning,
                               planned.edge.selector, planned.edge.type});
    }
    std::stable_sort(result_.edges.begin(), result_.edges.end(),
                     [](const VertexEdge& a, const VertexEdge& b) {
                       return std::tie(a.from, a.from_stage, a.from_output, a.to, a.to_input) <
                              std::tie(b.from, b.from_stage, b.from_output, b.to, b.to_input);
                     });
  }

  const LogicalGraph& graph_;
  const ChainingOptions& options_;
  std::vector<NodePlan> nodes_;
  std::vector<PlannedEdge> edges_;
  ChainedGraph result_;
};

Status check_parallelism(const ChainedGraph& graph) {
  for (const auto& vertex : graph.vertices) {
    if (vertex.parallelism > vertex.max_parallelism) {
      return Status::invalid_argument(
          "operator '" + vertex.name + "': parallelism " + std::to_string(vertex.parallelism) +
          " is larger than its max parallelism " + std::to_string(vertex.max_parallelism));
    }
  }
  return Status::ok();
}

}  // namespace

int ChainedGraph::task_count() const {
  int tasks = 0;
  for (const auto& vertex : vertices) tasks += vertex.parallelism;
  return tasks;
}

int ChainedGraph::slot_count() const {
  std::map<std::string, int> largest;
  for (const auto& vertex : vertices) {
    int& slots = largest[vertex.slot_sharing_group];
    slots = std::max(slots, vertex.parallelism);
  }
  int slots = 0;
  for (const auto& [group, count] : largest) slots += count;
  return slots;
}

Result<ChainedGraph> chain_operators(const LogicalGraph& graph, const ChainingOptions& options) {
  SLUICE_RETURN_IF_ERROR(graph.validate());
  if (options.default_parallelism < 1 || options.default_parallelism > kMaxParallelismLimit) {
    return Status::invalid_argument("parallelism " + std::to_string(options.default_parallelism) +
                                    " is not in 1..32768");
  }
  ChainedGraph chained = Chainer(graph, options).chain();
  SLUICE_RETURN_IF_ERROR(check_parallelism(chained));
  return chained;
}

uint64_t graph_fingerprint(const ChainedGraph& graph) {
  uint64_t hash = 1;
  const auto add = [&](const auto& value) { hash = combine_hashes(hash, stable_hash(value)); };
  add(static_cast<int64_t>(graph.vertices.size()));
  for (const auto& vertex : graph.vertices) {
    add(vertex.name);
    add(vertex.parallelism);
    add(vertex.max_parallelism);
    add(vertex.slot_sharing_group);
    for (const auto& stage : vertex.stages) {
      add(stage.node.value);
      add(stage.name);
      add(stage.uid);
    }
    for (const auto& link : vertex.links) {
      add(link.from_stage);
      add(link.from_output);
      add(link.to_stage);
    }
  }
  for (const auto& edge : graph.edges) {
    add(edge.from.value);
    add(edge.from_stage);
    add(edge.from_output);
    add(edge.to.value);
    add(edge.to_input);
    add(std::string(partitioning_name(edge.partitioning)));
  }
  return hash;
}

}  // namespace sluice
