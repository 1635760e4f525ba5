#include "actors/cluster_client.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "actors/awaited.h"
#include "actors/embedded_client.h"
#include "actors/embedded_cluster.h"
#include "actors/job_log.h"
#include "core/clock.h"
#include "core/process_memory.h"
#include "graph/explain.h"

namespace sluice {

// Requests reach the cluster through a listener while there is one; earlier ones wait here.
class JobControl::Impl {
 public:
  enum class Request { kStop, kDrain, kSavepoint, kCancel };
  using Listener = std::function<void(Request)>;

  void request(Request request) {
    const std::lock_guard lock(mutex_);
    if (listener_) {
      listener_(request);
    } else {
      waiting_.push_back(request);
    }
  }
  void listen(Listener listener) {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
    if (!listener_) return;
    for (const Request request : std::exchange(waiting_, {})) listener_(request);
  }

 private:
  std::mutex mutex_;
  std::vector<Request> waiting_;
  Listener listener_;
};

JobControl::JobControl() : impl_(std::make_unique<Impl>()) {}
JobControl::~JobControl() = default;
void JobControl::request_stop(bool drain) {
  impl_->request(drain ? Impl::Request::kDrain : Impl::Request::kStop);
}
void JobControl::request_savepoint() { impl_->request(Impl::Request::kSavepoint); }
void JobControl::request_cancel() { impl_->request(Impl::Request::kCancel); }

namespace {

using Outcome = Awaited<JobResult>;

int machine_cores() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

EmbeddedCluster::Settings cluster_settings(const JobPlan& plan) {
  EmbeddedCluster::Settings settings;
  const int64_t threads = plan.options.get(options::kSchedulerThreads);
  settings.scheduler_threads =
      static_cast<size_t>(threads > 0 ? threads : static_cast<int64_t>(machine_cores()));
  settings.io_threads = static_cast<size_t>(plan.options.get(options::kIoThreads));
  settings.slots = plan.graph.chained().slot_count();
  settings.clock = &system_clock();
  return settings;
}

using Note = std::function<void(const std::string&)>;

void take_savepoint(EmbeddedCluster& cluster, const Note& note) {
  SnapshotJob snapshot;
  snapshot.answer = [note](const Status& status, const std::string& path) {
    note(status.is_ok() ? "savepoint in " + path : "no savepoint: " + status.message());
  };
  cluster.snapshot(std::move(snapshot));
}

void steer(EmbeddedCluster& cluster, JobControl::Impl::Request request, const Note& note) {
  using Request = JobControl::Impl::Request;
  switch (request) {
    case Request::kStop:
    case Request::kDrain:
      return cluster.stop_jobs({.drain = request == Request::kDrain});
    case Request::kSavepoint:
      return take_savepoint(cluster, note);
    case Request::kCancel:
      return cluster.cancel_jobs();
  }
}

JobResult wait_for_end(Outcome& outcome, const JobSettings& settings, const JobMetrics& metrics) {
  constexpr Duration kNoProgressWait{60'000};
  const int64_t start_ns = system_clock().steady_ns();
  const Duration interval = settings.on_progress ? settings.progress_interval : kNoProgressWait;
  for (;;) {
    if (auto result = outcome.wait(interval)) return *std::move(result);
    if (!settings.on_progress) continue;
    JobProgress progress = metrics.progress();
    progress.job = settings.name;
    progress.seconds = static_cast<double>(system_clock().steady_ns() - start_ns) / 1e9;
    settings.on_progress(progress);
  }
}

}  // namespace

Result<JobResult> run_embedded(LogicalGraph graph, const JobSettings& settings) {
  const auto log = std::make_shared<JobLog>();
  const Note note = [log, on_note = settings.on_note](const std::string& text) {
    log->add(system_clock().wall_ms(), text);
    if (on_note) on_note(text);
  };
  const auto unnamed = assign_uids(graph);
  SLUICE_ASSIGN_OR_RETURN(const std::shared_ptr<const CheckpointSetup> checkpoints,
                          prepare_checkpoints(settings.name, settings.options, settings.restore,
                                              local_file_system(), system_clock()));
  if (settings.options.get(options::kCheckpointInterval).count() > 0 && !unnamed.empty()) {
    note(std::to_string(unnamed.size()) +
         " operators have no uid; state is found by their names, so a changed job may lose it");
  }
  for (const std::string& text : checkpoints->notes) note(text);
  if (checkpoints->restore) {
    SLUICE_RETURN_IF_ERROR(adopt_max_parallelism(graph, settings.options, *checkpoints->restore));
    note("starting from " + checkpoints->restored_from);
  }
  SLUICE_ASSIGN_OR_RETURN(
      const std::shared_ptr<const JobPlan> plan,
      make_job_plan(std::move(graph), settings.name, settings.options, machine_cores()));
  SLUICE_RETURN_IF_ERROR(check_restorable(plan->graph.chained(), *checkpoints));
  const auto metrics = std::make_shared<JobMetrics>(plan);
  const auto outcome = std::make_shared<Outcome>();
  EmbeddedCluster cluster(cluster_settings(*plan));
  cluster.submit({plan, metrics, [outcome](JobResult result) { outcome->set(std::move(result)); },
                  checkpoints, note});
  if (settings.control != nullptr) {
    settings.control->impl().listen(
        [&cluster, note](JobControl::Impl::Request request) { steer(cluster, request, note); });
  }
  EmbeddedClient client({&cluster, plan, metrics, checkpoints, log, outcome, &system_clock()});
  std::shared_ptr<void> served = settings.serve ? settings.serve(client) : nullptr;
  JobResult result = wait_for_end(*outcome, settings, *metrics);
  served.reset();
  if (settings.control != nullptr) settings.control->impl().listen(nullptr);
  if (result.tasks_left_behind) cluster.abandon();
  result.first_dead_letters = metrics->dead_letters();
  result.peak_memory_bytes = peak_memory_bytes();
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
