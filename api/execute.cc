#include "api/execute.h"

namespace sluice {

namespace {

Result<JobResult> run(JobDraft& plan, std::string name) {
  SLUICE_RETURN_IF_ERROR(plan.status());
  JobSettings settings;
  settings.name = std::move(name);
  settings.options = plan.options();
  // The next job of this environment begins with an empty graph.
  return run_embedded(std::exchange(plan.graph(), LogicalGraph()), settings);
}

}  // namespace

Result<JobResult> StreamEnvironment::execute(std::string name) {
  return run(*plan_, std::move(name));
}

namespace detail {

Status execute_to_end(JobDraft& plan, std::string name) {
  SLUICE_ASSIGN_OR_RETURN(const JobResult result, run(plan, std::move(name)));
  switch (result.status) {
    case JobStatus::kFinished:
      return Status::ok();
    case JobStatus::kCancelled:
      return Status::cancelled("the job was cancelled");
    case JobStatus::kFailed:
      break;
  }
  return result.error.is_ok() ? Status::internal("the job failed without a reason") : result.error;
}

}  // namespace detail

}  // namespace sluice
