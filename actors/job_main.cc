// The main function of every job: runs the SLUICE_JOB of this program, embedded or as one process
// of a cluster.
//
// Exit status: 0 finished, 1 failed while running, 2 wrong usage (flags, options, missing input,
// output in the way), 130 aborted by a second signal. stdout ends with the summary; stderr has one
// line per problem and, on a terminal, the progress while the job runs.
#include <csignal>
#include <cstdio>
#include <memory>
#include <pthread.h>
#include <string>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "actors/cluster_client.h"
#include "actors/cluster_process.h"
#include "actors/job_flags.h"
#include "actors/progress_display.h"
#include "api/job_registry.h"
#include "control/job_endpoint.h"
#include "core/file_system.h"

namespace sluice {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitAborted = 130;

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

/// The message alone for what the user can mend; the kind of failure in front of all else.
std::string error_text(const Status& status) {
  const bool plain =
      status.code() == StatusCode::kInvalidArgument || status.code() == StatusCode::kUserFunction;
  return one_line(plain ? status.message() : status.to_string());
}

int finish(const JobResult& result, bool summary_json) {
  if (!result.error.is_ok()) {
    std::fprintf(stderr, "%s: %s\n", result.job.c_str(), error_text(result.error).c_str());
  }
  const bool usage = !result.error.is_ok() && result.failed_before_start;
  if (summary_json) {
    std::printf("%s\n", result.to_json().c_str());
  } else if (!usage) {
    std::printf("%s\n", result.to_line().c_str());
  }
  std::fflush(stdout);
  if (result.status == JobStatus::kFinished) return 0;
  return usage ? kExitUsage : kExitFailed;
}

int refuse(const std::string& job, const Status& status, bool summary_json) {
  JobResult result;
  result.job = job;
  result.error = status;
  result.failed_before_start = true;
  return finish(result, summary_json);
}

Result<const RegisteredJob*> job_main_pick(const std::string& name) {
  const auto& jobs = registered_jobs();
  std::string names;
  for (const auto& job : jobs) names += (names.empty() ? "" : ", ") + job.name;
  if (name.empty() && jobs.size() == 1) return &jobs.front();
  if (name.empty()) return Status::invalid_argument("--job is needed: one of " + names);
  const RegisteredJob* job = find_job(name);
  if (job == nullptr) {
    return Status::invalid_argument("no job '" + name + "' here: one of " + names);
  }
  return job;
}

/// The signals are blocked in every thread and taken here: SIGINT and SIGTERM end the sources, a
/// second one the process; SIGUSR1 takes a savepoint.
void watch_signals(JobControl& control, std::string job, bool drain) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals, &control, job = std::move(job), drain] {
    for (bool is_stopping = false;;) {
      int received = 0;
      sigwait(&signals, &received);
      if (received == SIGUSR1) {
        control.request_savepoint();
        continue;
      }
      if (is_stopping) _exit(kExitAborted);
      is_stopping = true;
      std::fprintf(stderr, "%s: stopping; once more aborts\n", job.c_str());
      control.request_stop(drain);
    }
  }).detach();
}

/// Whoever started this process waits for the file, and sees it whole.
void tell_port(const std::string& path, int port) {
  if (path.empty()) return;
  const Status told = local_file_system().write_file_atomically(path, std::to_string(port) + "\n");
  if (!told.is_ok()) std::fprintf(stderr, "--port-file: %s\n", told.message().c_str());
}

size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col - 1;
  return 119;
}

/// What both kinds of run need.
JobSettings settings_of(const std::string& name, const JobFlags& flags, const Options& options,
                        JobControl& control) {
  JobSettings settings;
  settings.name = name;
  settings.options = options;
  settings.control = &control;
  settings.restore = flags.restore;
  if (!flags.quiet) {
    settings.on_note = [name](const std::string& text) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), one_line(text).c_str());
    };
  }
  return settings;
}

void show_dead_letters(const std::string& name, const JobResult& result) {
  for (const auto& letter : result.first_dead_letters) {
    std::fprintf(stderr, "%s: dead letter: %s\n", name.c_str(), one_line(letter).c_str());
  }
}

int run(const std::string& name, JobFlags& flags, StreamEnvironment& env, const JobBuild& build,
        JobControl& control) {
  JobSettings settings = settings_of(name, flags, env.options(), control);
  ProgressDisplay display(stderr, terminal_width());
  if (!flags.quiet && isatty(STDERR_FILENO) != 0) {
    settings.on_progress = [&](const JobProgress& progress) { display.show(progress); };
  }
  const bool is_manager = flags.role == ProcessRole::kJobManager;
  int port = 0;
  flags.cluster.on_listening = [&, told = flags.cluster.on_listening](int own) {
    port = own;
    told(own);
  };
  settings.serve = [&](ClusterClient& client, const Note& note) {
    JobEndpointSettings endpoint{name, settings.options, note, flags.cluster.bind,
                                 flags.cluster.control};
    endpoint.cluster.port = port;
    return serve_job(client, endpoint);
  };
  auto result = is_manager ? run_job_manager(build, settings, flags.cluster)
                           : run_embedded(std::move(env.graph()), settings);
  display.finish();
  if (!result.is_ok()) return refuse(name, result.status(), flags.summary_json);
  if (!flags.quiet) show_dead_letters(name, *result);
  const int exit_status = finish(*result, flags.summary_json);
  // Threads that are still in user code must not meet the destructors of globals.
  if (result->tasks_left_behind || is_manager) _exit(exit_status);
  return exit_status;
}

int run_worker(const RegisteredJob& job, const JobFlags& flags, const JobBuild& build,
               JobControl& control) {
  const JobSettings settings = settings_of(job.name, flags, flags.options, control);
  const Status ended = run_task_manager(build, settings, flags.cluster);
  const bool told = ended.is_ok() || ended.code() == StatusCode::kCancelled;
  if (!ended.is_ok()) {
    std::fprintf(stderr, "%s: %s\n", job.name.c_str(), error_text(ended).c_str());
  }
  const bool usage = ended.code() == StatusCode::kInvalidArgument ||
                     ended.code() == StatusCode::kFailedPrecondition;
  std::fflush(nullptr);
  _exit(told ? 0 : usage ? kExitUsage : kExitFailed);
}

int job_main(const std::vector<std::string>& words, const std::string& program) {
  JobFlags flags = parse_job_flags(words);
  const auto picked = job_main_pick(flags.job);
  const std::string name = picked.is_ok() ? (*picked)->name : program;
  if (!flags.status.is_ok()) return refuse(name, flags.status, flags.summary_json);
  if (!picked.is_ok()) return refuse(name, picked.status(), flags.summary_json);
  const RegisteredJob& job = **picked;
  if (flags.help) {
    std::printf("%s: flags of the job\n%s\nflags of every job\n%s", name.c_str(),
                job_help(job).c_str(), job_flags_help().c_str());
    return 0;
  }
  // Never destroyed: the signal thread may use it until the process is gone.
  static JobControl& control = *std::make_unique<JobControl>().release();
  watch_signals(control, name, flags.drain);
  auto arguments = Arguments::parse(flags.job_words);
  if (!arguments.is_ok()) return refuse(name, arguments.status(), flags.summary_json);
  StreamEnvironment env;
  env.options().merge(flags.options);
  const Status built = build_job(job, *arguments, env);
  if (!built.is_ok()) return refuse(name, built, flags.summary_json);
  if (flags.explain) {
    JobSettings settings;
    settings.name = name;
    settings.options = env.options();
    const auto plan = explain_plan(env.graph(), settings, *flags.explain);
    if (!plan.is_ok()) return refuse(name, plan.status(), flags.summary_json);
    std::printf("%s%s", plan->c_str(), plan->ends_with('\n') ? "" : "\n");
    return 0;
  }
  flags.cluster.job_words = flags.job_words;
  flags.cluster.on_listening = [&](int port) {
    tell_port(flags.port_file, port);
    if (flags.quiet) return;
    std::fprintf(stderr, "%s: listening on %s:%d\n", name.c_str(), flags.cluster.bind.host.c_str(),
                 port);
  };
  const JobBuild build = [&](const Options& options) -> Result<LogicalGraph> {
    StreamEnvironment again;
    again.options().merge(options);
    SLUICE_RETURN_IF_ERROR(build_job(job, *arguments, again));
    return std::move(again.graph());
  };
  if (flags.role == ProcessRole::kTaskManager) return run_worker(job, flags, build, control);
  return run(name, flags, env, build, control);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  // A closed pipe is an error of the write, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::string program(argv[0]);
  program = program.substr(program.rfind('/') + 1);
  return sluice::job_main(std::vector<std::string>(argv + 1, argv + argc), program);
}
