#include "actors/worker_job.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace sluice {
namespace {

Result<Options> worker_options(const proto::JobDescription& job,
                               const std::string& state_subdirectory) {
  Options options;
  for (const auto& [key, value] : job.options()) {
    SLUICE_RETURN_IF_ERROR(options.set(key, value));
  }
  const std::string state = options.get(options::kStateDirectory);
  // Two TaskManagers of one host must not share a directory.
  if (!state.empty()) options.put(options::kStateDirectory, join_path(state, state_subdirectory));
  return options;
}

Result<std::shared_ptr<const JobPlan>> worker_plan(const proto::JobDescription& job,
                                                   const Options& options,
                                                   const GraphBuilder& build) {
  SLUICE_ASSIGN_OR_RETURN(LogicalGraph graph, build(options));
  (void)assign_uids(graph);
  for (const auto& node : graph.nodes()) {
    const auto found = job.max_parallelism().find(node->uid);
    if (found != job.max_parallelism().end()) node->max_parallelism = found->second;
  }
  // The JobManager has put the parallelism into the options.
  return make_job_plan(std::move(graph), job.job_name(), options, 1);
}

}  // namespace

Result<WorkerJob> prepare_worker_job(const proto::DeployTasks& command,
                                     const WorkerJobSettings& settings) {
  const proto::JobDescription& description = command.job();
  WorkerJob job;
  SLUICE_ASSIGN_OR_RETURN(const Options options,
                          worker_options(description, settings.state_subdirectory));
  SLUICE_ASSIGN_OR_RETURN(job.plan, worker_plan(description, options, settings.build));
  const std::string own = plan_fingerprint(*job.plan);
  if (own != description.fingerprint()) {
    return Status::failed_precondition("the JobManager's graph has fingerprint " +
                                       description.fingerprint() + ", this process's " + own +
                                       ": they do not run the same job");
  }
  job.metrics = std::make_shared<JobMetrics>(job.plan);
  auto setup = std::make_shared<CheckpointSetup>();
  setup->files = settings.files;
  setup->job_id = description.job_id();
  if (!description.checkpoint_directory().empty()) {
    setup->storage = CheckpointStorage::attach(*settings.files, description.checkpoint_directory());
  }
  if (!command.restore_path().empty()) {
    SLUICE_ASSIGN_OR_RETURN(CheckpointMetadata metadata,
                            load_metadata(*settings.files, command.restore_path()));
    job.restore = std::make_shared<CheckpointMetadata>(std::move(metadata));
  }
  job.checkpoints = std::move(setup);
  return job;
}

proto::JobDescription describe_job(const JobPlan& plan, const CheckpointSetup* checkpoints) {
  proto::JobDescription job;
  job.set_job_name(plan.job_name);
  for (const auto& [key, value] : plan.options.values()) (*job.mutable_options())[key] = value;
  for (const auto& node : plan.logical->nodes()) {
    if (node->max_parallelism > 0)
      (*job.mutable_max_parallelism())[node->uid] = node->max_parallelism;
  }
  job.set_fingerprint(plan_fingerprint(plan));
  if (checkpoints != nullptr && checkpoints->storage) {
    // Relative to this process's directory, which is not the other's.
    job.set_checkpoint_directory(
        std::filesystem::absolute(checkpoints->storage->directory()).string());
    job.set_job_id(checkpoints->job_id);
  }
  return job;
}

Status check_sendable(const JobPlan& plan) {
  for (const VertexEdge& edge : plan.graph.chained().edges) {
    if (edge.type == nullptr || edge.type->is_encodable) continue;
    return Status::invalid_argument(
        "records of type " + std::string(edge.type->name) + " between '" +
        plan.graph.chained().vertex(edge.from).name + "' and '" +
        plan.graph.chained().vertex(edge.to).name +
        "' have no codec (SLUICE_RECORD), so they cannot leave the process");
  }
  return Status::ok();
}

const RecordType* edge_type(const JobPlan& plan, const ChannelEnd& sender) {
  for (const TaskOutputEdge& edge : plan.graph.task(sender.task).edges) {
    if (sender.channel >= edge.first_channel + edge.channels) continue;
    return plan.graph.chained().edges[static_cast<size_t>(edge.edge)].type;
  }
  SLUICE_CHECK_MSG(false, "an output channel without an edge");
  return nullptr;
}

std::string plan_fingerprint(const JobPlan& plan) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx",
                static_cast<unsigned long long>(graph_fingerprint(plan.graph.chained())));
  return text.data();
}

}  // namespace sluice
