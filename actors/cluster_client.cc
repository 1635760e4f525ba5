#include "actors/cluster_client.h"

#include <utility>

#include "actors/awaited.h"
#include "actors/checkpoint_retention.h"
#include "actors/embedded_client.h"
#include "actors/embedded_cluster.h"
#include "actors/job_log.h"
#include "actors/job_preparation.h"
#include "core/clock.h"
#include "core/process_memory.h"
#include "graph/explain.h"

namespace sluice {

namespace {

EmbeddedCluster::Settings cluster_settings(const JobPlan& plan) {
  EmbeddedCluster::Settings settings;
  settings.scheduler_threads = scheduler_threads(plan.options);
  settings.io_threads = static_cast<size_t>(plan.options.get(options::kIoThreads));
  settings.slots = plan.graph.chained().slot_count();
  settings.clock = &system_clock();
  return settings;
}

/// Afterwards no actor of the run is left, unless tasks were left behind.
JobResult run_to_end(const PreparedJob& job, const JobSettings& settings,
                     const std::shared_ptr<JobLog>& log) {
  const auto outcome = std::make_shared<JobOutcome>();
  EmbeddedCluster cluster(cluster_settings(*job.plan));
  cluster.submit({job.plan, job.metrics,
                  [outcome](JobResult result) { outcome->set(std::move(result)); }, job.checkpoints,
                  settings.on_note, /*is_held=*/true});
  if (settings.control != nullptr) {
    settings.control->impl().listen(
        [&cluster, note = settings.on_note](auto request) { steer(cluster, request, note); });
  }
  EmbeddedClient client(
      {&cluster, job.plan, job.metrics, job.checkpoints, log, outcome, &system_clock(), nullptr});
  std::shared_ptr<void> served =
      settings.serve ? settings.serve(client, settings.on_note) : nullptr;
  cluster.start_jobs();
  JobResult result = wait_for_end(*outcome, settings, *job.metrics);
  served.reset();
  if (settings.control != nullptr) settings.control->impl().listen(nullptr);
  if (result.tasks_left_behind) cluster.abandon();
  result.first_dead_letters = job.metrics->dead_letters();
  result.peak_memory_bytes = peak_memory_bytes();
  return result;
}

}  // namespace

Result<JobResult> run_embedded(LogicalGraph graph, const JobSettings& settings) {
  const auto log = std::make_shared<JobLog>();
  JobSettings noted = settings;
  noted.on_note = [log, on_note = settings.on_note](const std::string& text) {
    log->add(system_clock().wall_ms(), text);
    if (on_note) on_note(text);
  };
  SLUICE_ASSIGN_OR_RETURN(const PreparedJob job,
                          prepare_job(std::move(graph), noted, machine_cores()));
  JobResult result = run_to_end(job, noted, log);
  end_checkpoints(*job.checkpoints, job.plan->options, result, noted.on_note);
  return result;
}

Result<std::string> explain_plan(const LogicalGraph& graph, const JobSettings& settings,
                                 PlanFormat format) {
  SLUICE_ASSIGN_OR_RETURN(
      const ChainedGraph chained,
      chain_operators(graph, chaining_options(settings.options, machine_cores())));
  switch (format) {
    case PlanFormat::kText:
      return explain_text(chained);
    case PlanFormat::kJson:
      return explain_json(chained);
    case PlanFormat::kDot:
      return explain_dot(chained);
  }
  return Status::internal("no such plan format");
}

}  // namespace sluice
