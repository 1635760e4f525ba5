#include "actors/embedded_client.h"

#include <algorithm>
#include <utility>

#include "actors/job_inspection.h"
#include "core/process_memory.h"

namespace sluice {
namespace {

/// Actors answer within milliseconds; one that is stuck must not keep the caller.
constexpr Duration kLookTimeout{2000};
/// How often a wait looks whether the job has ended meanwhile: its actors are gone then.
constexpr Duration kEndLook{50};

/// What `answer` gets, or nothing when the job ends or the time is up first.
template <class T>
std::optional<T> wait_or_end(Awaited<T>& answer, const Awaited<JobResult>& outcome,
                             Duration timeout, const Clock& clock) {
  const int64_t end_ns = clock.steady_ns() + timeout.count() * 1'000'000;
  for (;;) {
    const Duration left((end_ns - clock.steady_ns()) / 1'000'000);
    if (left.count() <= 0) return answer.get();
    if (auto value = answer.wait(std::min(kEndLook, left))) return value;
    if (outcome.get()) return answer.get();
  }
}

}  // namespace

EmbeddedClient::EmbeddedClient(Settings settings)
    : settings_(std::move(settings)), node_(this_node()), started_ms_(settings_.clock->wall_ms()) {}

Status EmbeddedClient::check_job(const std::string& job) const {
  if (job == settings_.checkpoints->job_id || job == settings_.plan->job_name) return Status::ok();
  return Status::not_found("no job '" + job + "' here");
}

// ---- looking ------------------------------------------------------------------------------------

Result<JobInspection> EmbeddedClient::look(bool with_details) {
  const auto answer = std::make_shared<Awaited<JobInspection>>();
  settings_.cluster->inspect({0, [answer](JobInspection look) { answer->set(std::move(look)); }});
  JobInspection look;
  if (auto answered = wait_or_end(*answer, *settings_.outcome, kLookTimeout, *settings_.clock)) {
    look = *std::move(answered);
  } else if (!settings_.outcome->get()) {
    return Status::deadline_exceeded("the job's master does not answer");
  }
  if (const auto ended = settings_.outcome->get()) {
    look.summary.state = job_status_name(ended->status);
    look.summary.restarts = ended->restarts;
    if (!ended->error.is_ok()) look.summary.reason = ended->error.to_string();
  }
  describe_plan(*settings_.plan, look);
  look.restored_from = settings_.checkpoints->restored_from;
  look.tasks = settings_.metrics->inspect(*settings_.clock, with_details);
  look.looked = settings_.clock->wall_ms();
  for (TaskInspection& task : look.tasks) {
    // In a cluster a task without a node has no place yet.
    if (task.node.empty() && !settings_.task_managers) task.node = node_;
  }
  summarize_tasks(look);
  const JobProgress progress = settings_.metrics->progress();
  look.summary.records_in = progress.records_in;
  look.summary.records_out = progress.records_out;
  look.summary.id = settings_.checkpoints->job_id;
  look.summary.name = settings_.plan->job_name;
  look.summary.started = started_ms_;
  return look;
}

Result<std::vector<JobSummary>> EmbeddedClient::list() {
  SLUICE_ASSIGN_OR_RETURN(const JobInspection one, look(false));
  return std::vector<JobSummary>{one.summary};
}

Result<JobInspection> EmbeddedClient::inspect(const std::string& job, bool with_details) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  return look(with_details);
}

Result<std::vector<ActorInspection>> EmbeddedClient::actors() {
  std::vector<ActorInspection> actors = settings_.cluster->directory().actors();
  for (ActorInspection& actor : actors) {
    actor.node = node_;
    // Actors know their job by name.
    if (actor.job == settings_.plan->job_name) actor.job = settings_.checkpoints->job_id;
  }
  if (settings_.task_managers) add_far_actors(actors);
  return actors;
}

/// TaskManagers and tasks of other processes, as they were reported last.
void EmbeddedClient::add_far_actors(std::vector<ActorInspection>& actors) const {
  for (const TaskManagerInspection& manager : settings_.task_managers()) {
    ActorInspection& actor = actors.emplace_back();
    actor.node = manager.node;
    actor.kind = "task_manager";
    actor.active = manager.heartbeat;
  }
  for (const TaskInspection& task : settings_.metrics->inspect(*settings_.clock, false)) {
    if (task.node.empty() || task.state != "RUNNING") continue;
    ActorInspection& actor = actors.emplace_back();
    actor.node = task.node;
    actor.kind = "task";
    actor.job = settings_.checkpoints->job_id;
    actor.label = task.name;
    actor.mailbox = task.mailbox;
    actor.active = task.activity_since;
    actor.running = task.activity == TaskActivity::kBusy;
  }
}

Result<std::vector<TaskManagerInspection>> EmbeddedClient::task_managers() {
  if (settings_.task_managers) {
    auto others = settings_.task_managers();
    for (const TaskInspection& task : settings_.metrics->inspect(*settings_.clock, false)) {
      for (TaskManagerInspection& other : others) {
        if (task.node == other.node && task.state == "RUNNING") ++other.tasks;
      }
    }
    return others;
  }
  TaskManagerInspection one;
  one.node = node_;
  one.slots = settings_.plan->graph.chained().slot_count();
  one.registered = started_ms_;
  one.heartbeat = settings_.clock->wall_ms();
  one.resident_bytes = resident_memory_bytes();
  one.pid = std::atoll(node_.substr(node_.rfind(':') + 1).c_str());
  for (const TaskInspection& task : settings_.metrics->inspect(*settings_.clock, false)) {
    if (task.state == "RUNNING" || task.state == "OPEN") ++one.tasks;
  }
  one.slots_free = one.tasks > 0 ? 0 : one.slots;
  return std::vector<TaskManagerInspection>{one};
}

Result<std::vector<LogLine>> EmbeddedClient::logs(const std::string& job, int lines_max) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  return settings_.log->tail(static_cast<size_t>(std::max(0, lines_max)));
}

Result<JobResult> EmbeddedClient::result(const std::string& job) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  if (auto ended = settings_.outcome->get()) return *std::move(ended);
  return Status::failed_precondition("the job still runs");
}

// ---- steering -----------------------------------------------------------------------------------

namespace {

Status not_ended(Duration timeout) {
  return Status::deadline_exceeded("the job has not ended after " + to_text(timeout));
}

}  // namespace

Result<SteeringOutcome> EmbeddedClient::wait_for_end(Duration timeout) {
  const auto ended = settings_.outcome->wait(timeout);
  if (!ended) return not_ended(timeout);
  return SteeringOutcome{job_status_name(ended->status), ended->savepoint};
}

Result<SteeringOutcome> EmbeddedClient::cancel(const std::string& job, Duration timeout) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  settings_.cluster->cancel_jobs();
  SLUICE_ASSIGN_OR_RETURN(SteeringOutcome outcome, wait_for_end(timeout));
  if (outcome.state == job_status_name(JobStatus::kCancelled)) return outcome;
  return Status::failed_precondition("the job had ended before: " + outcome.state);
}

Result<SteeringOutcome> EmbeddedClient::stop(const std::string& job, const StopRequest& request,
                                             Duration timeout) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  if (!settings_.checkpoints->storage && !request.target.empty()) {
    return Status::failed_precondition(
        "the job takes no checkpoints, so it cannot stop with a savepoint");
  }
  const auto refused = std::make_shared<Awaited<Status>>();
  StopJob message;
  message.drain = request.drain;
  message.target = request.target;
  message.on_refused = [refused](const Status& status) { refused->set(status); };
  settings_.cluster->stop_jobs(std::move(message));
  if (const auto status = wait_or_end(*refused, *settings_.outcome, timeout, *settings_.clock))
    return *status;
  const auto ended = settings_.outcome->get();
  if (!ended) return not_ended(timeout);
  if (ended->status == JobStatus::kFailed) return ended->error;
  return wait_for_end(Duration(0));
}

Result<SteeringOutcome> EmbeddedClient::snapshot(const SnapshotRequest& request, Duration timeout) {
  const auto answer = std::make_shared<Awaited<Result<std::string>>>();
  settings_.cluster->snapshot({0, request, [answer](const Status& status, const std::string& path) {
                                 answer->set(status.is_ok() ? Result<std::string>(path)
                                                            : Result<std::string>(status));
                               }});
  const auto answered = wait_or_end(*answer, *settings_.outcome, timeout, *settings_.clock);
  if (answered) {
    if (!answered->is_ok()) return answered->status();
    return SteeringOutcome{"RUNNING", **answered};
  }
  if (const auto ended = settings_.outcome->get()) {
    return Status::failed_precondition(std::string("the job ended first: ") +
                                       job_status_name(ended->status));
  }
  return Status::deadline_exceeded("no snapshot after " + to_text(timeout));
}

Result<SteeringOutcome> EmbeddedClient::savepoint(const std::string& job, const std::string& target,
                                                  Duration timeout) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  SnapshotRequest request;
  request.purpose = SnapshotPurpose::kSavepoint;
  request.target = target;
  return snapshot(request, timeout);
}

Result<SteeringOutcome> EmbeddedClient::checkpoint(const std::string& job, Duration timeout) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  SnapshotRequest request;
  request.purpose = SnapshotPurpose::kCheckpoint;
  return snapshot(request, timeout);
}

Result<SteeringOutcome> EmbeddedClient::rescale(const std::string& job, int parallelism,
                                                Duration /*timeout*/) {
  SLUICE_RETURN_IF_ERROR(check_job(job));
  if (!settings_.rescale) {
    return Status::failed_precondition(
        "an embedded job cannot be rescaled while it runs: stop it with a savepoint and start it "
        "again with -s and another -p");
  }
  // The next run is not waited for: this client belongs to the one that has ended now.
  SLUICE_RETURN_IF_ERROR(settings_.rescale(parallelism));
  return SteeringOutcome{"RESCALING", ""};
}

}  // namespace sluice
