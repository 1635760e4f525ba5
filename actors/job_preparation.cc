#include "actors/job_preparation.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "core/clock.h"

namespace sluice {

int machine_cores() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

size_t scheduler_threads(const Options& options) {
  const int64_t threads = options.get(options::kSchedulerThreads);
  return static_cast<size_t>(threads > 0 ? threads : static_cast<int64_t>(machine_cores()));
}

Result<PreparedJob> prepare_job(LogicalGraph graph, const JobSettings& settings, int cores,
                                const std::string& leftover) {
  const auto note = [&](const std::string& text) {
    if (settings.on_note) settings.on_note(text);
  };
  const auto unnamed = assign_uids(graph);
  PreparedJob job;
  SLUICE_ASSIGN_OR_RETURN(job.checkpoints,
                          prepare_checkpoints(settings.name, settings.options, settings.restore,
                                              local_file_system(), system_clock()));
  if (!leftover.empty() && job.checkpoints->claimed.empty()) {
    auto owned = std::make_shared<CheckpointSetup>(*job.checkpoints);
    owned->claimed = leftover;
    job.checkpoints = std::move(owned);
  }
  if (settings.options.get(options::kCheckpointInterval).count() > 0 && !unnamed.empty()) {
    note(std::to_string(unnamed.size()) +
         " operators have no uid; state is found by their names, so a changed job may lose it");
  }
  for (const std::string& text : job.checkpoints->notes) note(text);
  if (job.checkpoints->restore) {
    SLUICE_RETURN_IF_ERROR(
        adopt_max_parallelism(graph, settings.options, *job.checkpoints->restore));
    note("starting from " + job.checkpoints->restored_from);
  }
  SLUICE_ASSIGN_OR_RETURN(job.plan,
                          make_job_plan(std::move(graph), settings.name, settings.options, cores));
  SLUICE_RETURN_IF_ERROR(check_restorable(job.plan->graph.chained(), *job.checkpoints));
  job.metrics = std::make_shared<JobMetrics>(job.plan);
  return job;
}

JobResult wait_for_end(JobOutcome& outcome, const JobSettings& settings,
                       const JobMetrics& metrics) {
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

void JobControl::Impl::request(Request request) {
  const std::lock_guard lock(mutex_);
  if (listener_) {
    listener_(request);
  } else {
    waiting_.push_back(request);
  }
}

void JobControl::Impl::listen(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
  if (!listener_) return;
  for (const Request request : std::exchange(waiting_, {})) listener_(request);
}

JobControl::JobControl() : impl_(std::make_unique<Impl>()) {}
JobControl::~JobControl() = default;
void JobControl::request_stop(bool drain) {
  impl_->request(drain ? Impl::Request::kDrain : Impl::Request::kStop);
}
void JobControl::request_savepoint() { impl_->request(Impl::Request::kSavepoint); }
void JobControl::request_cancel() { impl_->request(Impl::Request::kCancel); }

}  // namespace sluice
