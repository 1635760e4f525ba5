#include "api/job_registry.h"

#include <exception>

namespace sluice {

namespace {

/// Made on first use, because registrations run before main() in no particular order.
std::vector<RegisteredJob>& jobs() {
  static std::vector<RegisteredJob> all;
  return all;
}

/// Runs the builder for its declarations only; what it throws is of no interest.
Arguments collect_declarations(const RegisteredJob& job, const Arguments& arguments) {
  Arguments describing = arguments.for_description();
  StreamEnvironment scratch;
  try {
    job.build(scratch, describing);
  } catch (const std::exception& /*with placeholders a builder may refuse anything*/) {
    return describing;
  }
  return describing;
}

}  // namespace

const std::vector<RegisteredJob>& registered_jobs() { return jobs(); }

const RegisteredJob* find_job(std::string_view name) {
  for (const auto& job : jobs()) {
    if (job.name == name) return &job;
  }
  return nullptr;
}

Status build_job(const RegisteredJob& job, const Arguments& arguments, StreamEnvironment& env) {
  std::string error;
  try {
    job.build(env, arguments);
    SLUICE_RETURN_IF_ERROR(arguments.check_unknown());
    return env.status();
  } catch (const ArgumentError& wrong) {
    error = wrong.what();
  } catch (const std::exception& thrown) {
    error = "the job cannot be built: " + std::string(thrown.what());
  }
  // A misspelt flag often shows as a missing one: name it first.
  SLUICE_RETURN_IF_ERROR(collect_declarations(job, arguments).check_unknown());
  return Status::invalid_argument(error);
}

std::string job_help(const RegisteredJob& job) {
  return collect_declarations(job, Arguments()).help_text();
}

namespace detail {

bool register_job(const char* name, JobBuilder build) {
  jobs().push_back({name, build});
  return true;
}

}  // namespace detail

}  // namespace sluice
