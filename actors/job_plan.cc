#include "actors/job_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/check.h"

namespace sluice {
namespace {

TaskLimits limits_of(const Options& options) {
  TaskLimits limits;
  limits.input_budget_bytes = static_cast<size_t>(options.get(options::kTaskInputMemory));
  limits.output_budget_bytes = static_cast<size_t>(options.get(options::kTaskOutputMemory));
  limits.batch_rows = static_cast<uint32_t>(options.get(options::kBatchRows));
  limits.buffer_timeout = options.get(options::kBufferTimeout);
  limits.latency_marker_interval = options.get(options::kLatencyInterval);
  return limits;
}

Status check_runtime_mode(const LogicalGraph& graph, const Options& options) {
  if (options.get(options::kRuntimeMode) != "batch") return Status::ok();
  for (const auto& node : graph.nodes()) {
    if (node->kind == NodeKind::kSource && !node->bounded) {
      return Status::invalid_argument("execution.runtime-mode is batch, but source '" + node->name +
                                      "' never ends");
    }
  }
  return Status::ok();
}

int edge_of_output(const ExecutionTask& sender, int channel) {
  for (const TaskOutputEdge& edge : sender.edges) {
    if (channel < edge.first_channel + edge.channels) return edge.edge;
  }
  SLUICE_CHECK_MSG(false, "an output channel without an edge");
  return -1;
}

size_t batch_bytes_of(const JobPlan& plan, const ExecutionTask& task) {
  return batch_bytes_for(plan.limits, static_cast<int>(task.outputs.size()));
}

}  // namespace

ChainingOptions chaining_options(const Options& options, int cores) {
  ChainingOptions chaining;
  const auto parallelism = static_cast<int>(options.get(options::kParallelism));
  chaining.default_parallelism = parallelism > 0 ? parallelism : std::max(1, cores);
  chaining.max_parallelism = static_cast<int>(options.get(options::kMaxParallelism));
  if (chaining.max_parallelism > 0 && parallelism == 0) {
    chaining.default_parallelism = std::min(chaining.default_parallelism, chaining.max_parallelism);
  }
  chaining.chaining_enabled = options.get(options::kOperatorChaining);
  return chaining;
}

Result<std::shared_ptr<const JobPlan>> make_job_plan(LogicalGraph graph, std::string job_name,
                                                     const Options& options, int cores) {
  SLUICE_RETURN_IF_ERROR(check_runtime_mode(graph, options));
  SLUICE_ASSIGN_OR_RETURN(ChainedGraph chained,
                          chain_operators(graph, chaining_options(options, cores)));
  return std::shared_ptr<const JobPlan>(std::make_shared<JobPlan>(
      JobPlan{std::move(job_name), options, std::make_shared<LogicalGraph>(std::move(graph)),
              ExecutionGraph(std::move(chained)), limits_of(options)}));
}

std::vector<const LogicalNode*> JobPlan::nodes() const {
  std::vector<const LogicalNode*> kept;
  for (const auto& node : logical->nodes()) {
    if (graph.chained().places.count(node->id) > 0) kept.push_back(node.get());
  }
  return kept;
}

bool JobPlan::checkpointing() const {
  return options.get(options::kCheckpointInterval).count() > 0;
}

TaskSpec make_task_spec(const JobPlan& plan, TaskId id, AttemptId attempt) {
  const ExecutionTask& task = plan.graph.task(id);
  const ChainedVertex& vertex = plan.graph.chained().vertex(id.vertex);
  TaskSpec spec;
  spec.id = id;
  spec.info.job_name = plan.job_name;
  spec.info.operator_name = vertex.name;
  spec.info.operator_uid = vertex.stages.front().uid;
  spec.info.subtask = id.subtask;
  spec.info.parallelism = vertex.parallelism;
  spec.info.max_parallelism = vertex.max_parallelism;
  spec.info.attempt = attempt.value;
  for (const auto& stage : vertex.stages) {
    spec.stages.push_back({stage.node, stage.factory, stage.side_outputs, stage.name, stage.uid});
  }
  for (const auto& link : vertex.links) {
    spec.links.push_back({link.from_stage, link.from_output, link.to_stage});
  }
  for (const auto& out : task.edges) {
    const VertexEdge& edge = plan.graph.chained().edges[static_cast<size_t>(out.edge)];
    spec.edges.push_back({edge.from_stage, edge.from_output, edge.partitioning, edge.selector,
                          edge.type, out.first_channel, out.channels,
                          plan.graph.chained().vertex(edge.to).max_parallelism, edge.to});
  }
  std::map<int, int> input_edges;  // Edge of the graph → edge into this task.
  for (const auto& input : task.inputs) {
    const ExecutionTask& sender = plan.graph.task(input.source.task);
    const int edge = edge_of_output(sender, input.source.channel);
    const auto [at, is_new] = input_edges.emplace(edge, static_cast<int>(spec.input_edges.size()));
    if (is_new) {
      const VertexEdge& from = plan.graph.chained().edges[static_cast<size_t>(edge)];
      spec.input_edges.push_back({input.input, from.partitioning, from.selector, from.type});
    }
    const uint32_t credit = credits_for(plan.limits, static_cast<int>(task.inputs.size()),
                                        batch_bytes_of(plan, sender));
    spec.input_channels.push_back({input.input, credit, at->second, sender.id.subtask});
  }
  spec.input_count = vertex.input_count;
  spec.is_source = vertex.is_source;
  spec.may_block = vertex.may_block;
  spec.limits = plan.limits;
  return spec;
}

std::vector<uint32_t> initial_credits(const JobPlan& plan, TaskId id) {
  const ExecutionTask& task = plan.graph.task(id);
  const size_t batch_bytes = batch_bytes_of(plan, task);
  std::vector<uint32_t> credits;
  for (const auto& output : task.outputs) {
    const auto inputs = static_cast<int>(plan.graph.task(output.task).inputs.size());
    credits.push_back(credits_for(plan.limits, inputs, batch_bytes));
  }
  return credits;
}

StateMemory state_memory_per_task(const JobPlan& plan) {
  constexpr int64_t kRocksDbDefaultBytes = 256LL << 20;
  const bool is_rocksdb = plan.options.get(options::kStateBackend) == "rocksdb";
  int64_t budget = plan.options.get(options::kStateMemory);
  if (budget == 0 && is_rocksdb) budget = kRocksDbDefaultBytes;
  int64_t keyed_tasks = 0;
  for (const LogicalNode* node : plan.nodes()) {
    if (!node->keyed) continue;
    const auto& place = plan.graph.chained().places.at(node->id);
    keyed_tasks += plan.graph.chained().vertex(place.vertex).parallelism;
  }
  const auto share = static_cast<size_t>(budget / std::max<int64_t>(1, keyed_tasks));
  if (!is_rocksdb) return {.rows = share, .store = 0};
  // A decoded row in memory is worth more than its block: most of the budget is for rows.
  return {.rows = share / 4 * 3, .store = share / 4};
}

}  // namespace sluice
