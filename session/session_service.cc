#include "session/session_service.h"

#include <memory>
#include <utility>

#include "control/http_client.h"
#include "session/log_tail.h"

namespace sluice {
namespace {

/// After a stop the master's process has a little left to do.
constexpr Duration kEndOfMaster{10'000};
/// An agent that is busy or gone must not keep those who look at logs.
constexpr Duration kAgentsAnswer{2000};

/// The master of one job, and what it calls the job.
struct Master {
  JobRecord record;
  std::unique_ptr<ClusterClient> client;
  std::string name;
};

Result<Master> master_of(const Dispatcher& dispatcher, const std::string& job) {
  Master master;
  SLUICE_ASSIGN_OR_RETURN(master.record, dispatcher.find(job));
  SLUICE_ASSIGN_OR_RETURN(const ControlEndpoint endpoint, dispatcher.master_of(master.record.id));
  master.client = make_http_client(endpoint);
  master.name = endpoint.job;
  return master;
}

}  // namespace

Result<std::vector<JobSummary>> SessionService::list() {
  std::vector<JobSummary> summaries;
  for (JobRecord& record : dispatcher_.jobs()) summaries.push_back(std::move(record.summary));
  return summaries;
}

Result<JobInspection> SessionService::inspect(const std::string& job, bool with_details) {
  SLUICE_ASSIGN_OR_RETURN(const JobRecord record, dispatcher_.find(job));
  const auto master = master_of(dispatcher_, record.id);
  auto look = master.is_ok() ? master->client->inspect(master->name, with_details)
                             : Result<JobInspection>(master.status());
  // It starts, has ended, or is between two runs: what was seen last.
  if (!look.is_ok()) return dispatcher_.last_look(record.id);
  look->summary.id = record.id;
  look->summary.started = record.submitted;
  if (!record.summary.reason.empty()) look->summary.reason = record.summary.reason;
  return look;
}

Result<std::vector<ActorInspection>> SessionService::actors() {
  std::vector<ActorInspection> all;
  for (const JobRecord& record : dispatcher_.jobs()) {
    const auto master = master_of(dispatcher_, record.id);
    if (!master.is_ok()) continue;  // Ended, or about to begin.
    auto actors = master->client->actors();
    if (!actors.is_ok()) continue;  // One that is stuck must not hide the others.
    for (ActorInspection& actor : *actors) {
      if (!actor.job.empty()) actor.job = record.id;
      all.push_back(std::move(actor));
    }
  }
  return all;
}

Result<std::vector<TaskManagerInspection>> SessionService::task_managers() {
  SessionState::WorkersByJob workers;
  for (const JobRecord& record : dispatcher_.jobs()) {
    const auto master = master_of(dispatcher_, record.id);
    if (!master.is_ok()) continue;  // Ended, or about to begin: it has no tasks.
    auto some = master->client->task_managers();
    if (some.is_ok()) workers[record.id] = *std::move(some);
  }
  return dispatcher_.agents(workers);
}

std::vector<LogLine> SessionService::log_of_master(const std::string& id, int lines_max) {
  const auto master = master_of(dispatcher_, id);
  if (master.is_ok()) {
    auto lines = master->client->logs(master->name, lines_max);
    if (lines.is_ok()) return *std::move(lines);
  }
  std::vector<LogLine> lines;
  for (std::string& line : tail_of_log(dispatcher_.log_of(id), lines_max)) {
    lines.push_back({0, std::move(line)});
  }
  return lines;
}

Result<std::vector<LogLine>> SessionService::logs(const std::string& job, int lines_max) {
  SLUICE_ASSIGN_OR_RETURN(const JobRecord record, dispatcher_.find(job));
  auto lines = log_of_master(record.id, lines_max);
  SLUICE_ASSIGN_OR_RETURN(auto of_workers,
                          dispatcher_.worker_logs(record.id, lines_max, kAgentsAnswer));
  for (std::string& line : of_workers) lines.push_back({0, std::move(line)});
  return lines;
}

Result<JobResult> SessionService::result(const std::string& job) {
  SLUICE_ASSIGN_OR_RETURN(const JobRecord record, dispatcher_.find(job));
  if (!record.has_ended()) return Status::failed_precondition("the job still runs");
  JobResult result;
  result.job = record.summary.name;
  result.status = record.summary.state == "FINISHED"    ? JobStatus::kFinished
                  : record.summary.state == "CANCELLED" ? JobStatus::kCancelled
                                                        : JobStatus::kFailed;
  if (result.status == JobStatus::kFailed) result.error = Status::internal(record.summary.reason);
  result.records_in = record.summary.records_in;
  result.records_out = record.summary.records_out;
  result.restarts = static_cast<int>(record.summary.restarts);
  result.savepoint = record.savepoint;
  result.seconds = static_cast<double>(record.ended - record.submitted) / 1e3;
  return result;
}

Result<SteeringOutcome> SessionService::cancel(const std::string& job, Duration timeout) {
  SLUICE_ASSIGN_OR_RETURN(const JobRecord record, dispatcher_.find(job));
  SLUICE_ASSIGN_OR_RETURN(const JobRecord ended, dispatcher_.cancel(record.id, timeout));
  if (ended.summary.state != "CANCELLED") {
    return Status::failed_precondition("job " + ended.id + " ended before: " + ended.summary.state);
  }
  return SteeringOutcome{ended.summary.state, ended.savepoint};
}

Result<SteeringOutcome> SessionService::stop(const std::string& job, const StopRequest& request,
                                             Duration timeout) {
  SLUICE_ASSIGN_OR_RETURN(const Master master, master_of(dispatcher_, job));
  SLUICE_ASSIGN_OR_RETURN(const SteeringOutcome outcome,
                          master.client->stop(master.name, request, timeout));
  // Whoever lists jobs afterwards sees it ended.
  SLUICE_RETURN_IF_ERROR(dispatcher_.wait_for_end(master.record.id, kEndOfMaster).status());
  return outcome;
}

Result<SteeringOutcome> SessionService::savepoint(const std::string& job, const std::string& target,
                                                  Duration timeout) {
  SLUICE_ASSIGN_OR_RETURN(const Master master, master_of(dispatcher_, job));
  return master.client->savepoint(master.name, target, timeout);
}

Result<SteeringOutcome> SessionService::checkpoint(const std::string& job, Duration timeout) {
  SLUICE_ASSIGN_OR_RETURN(const Master master, master_of(dispatcher_, job));
  return master.client->checkpoint(master.name, timeout);
}

Result<SteeringOutcome> SessionService::rescale(const std::string& job, int parallelism,
                                                Duration timeout) {
  SLUICE_ASSIGN_OR_RETURN(const Master master, master_of(dispatcher_, job));
  // Its new workers start while the job still runs.
  SLUICE_RETURN_IF_ERROR(dispatcher_.prepare_rescale(master.record.id, parallelism));
  auto outcome = master.client->rescale(master.name, parallelism, timeout);
  SLUICE_RETURN_IF_ERROR(dispatcher_.prepare_rescale(master.record.id, 0));
  return outcome;
}

}  // namespace sluice
