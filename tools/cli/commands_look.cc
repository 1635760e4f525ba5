// list, status, checkpoints, exceptions, taskmanagers, logs.
#include <algorithm>
#include <cstdio>

#include "control/inspection_json.h"
#include "core/clock.h"
#include "tools/cli/command_context.h"
#include "tools/cli/reach.h"
#include "tools/cli/render_jobs.h"

namespace sluice {
namespace {

void print_json(const std::string& json) { print(json + "\n"); }

Result<JobInspection> inspect(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags.cluster));
  SLUICE_ASSIGN_OR_RETURN(const Reach::Found found, reach.job(flags.job));
  return found.where->client->inspect(found.summary.id, false);
}

}  // namespace

Status command_list(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags.cluster));
  std::vector<ListedJob> jobs;
  std::vector<JobSummary> summaries;
  for (const Reached& reached : reach.all()) {
    const auto listed = reached.client->list();
    if (!listed.is_ok()) {
      if (!flags.cluster.address.empty()) return listed.status();
      // One process that is stuck must not hide the others.
      std::fprintf(stderr, "sluice: %s\n", listed.status().message().c_str());
      continue;
    }
    for (const JobSummary& summary : *listed) {
      jobs.push_back({summary, reached.name});
      summaries.push_back(summary);
    }
  }
  if (flags.ids) {
    for (const JobSummary& summary : summaries) print(summary.id + "\n");
  } else if (flags.json) {
    print_json(to_json(summaries, 1));
  } else {
    print(render_list(jobs, system_clock().wall_ms()));
  }
  return Status::ok();
}

Status command_status(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(const JobInspection job, inspect(flags));
  flags.json ? print_json(to_json(job, 1)) : print(render_status(job));
  return Status::ok();
}

Status command_checkpoints(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(const JobInspection job, inspect(flags));
  flags.json ? print_json(to_json(job.checkpoints, 1))
             : print(render_checkpoints(job, flags.subtasks));
  return Status::ok();
}

Status command_exceptions(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(const JobInspection job, inspect(flags));
  flags.json ? print_json(to_json(job.failures, 1)) : print(render_failures(job));
  return Status::ok();
}

Status command_task_managers(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags.cluster));
  std::vector<TaskManagerInspection> all;
  for (const Reached& reached : reach.all()) {
    SLUICE_ASSIGN_OR_RETURN(const auto some, reached.client->task_managers());
    all.insert(all.end(), some.begin(), some.end());
  }
  flags.json ? print_json(to_json(all, 1))
             : print(render_task_managers(all, system_clock().wall_ms()));
  return Status::ok();
}

Status command_logs(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags.cluster));
  const auto found = reach.job(flags.job);
  std::string file = found.is_ok() ? found->where->log : std::string();
  if (!found.is_ok() && flags.cluster.address.empty() && !flags.job.empty()) {
    // It may have ended and left its log.
    SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
    file = find_log(directory, flags.job);
  }
  if (!file.empty() && !flags.json) {
    SLUICE_ASSIGN_OR_RETURN(const std::string text, tail_of_file(file, flags.lines));
    print(text);
    return Status::ok();
  }
  if (!found.is_ok()) return found.status();
  SLUICE_ASSIGN_OR_RETURN(const std::vector<LogLine> lines,
                          found->where->client->logs(found->summary.id, flags.lines));
  flags.json ? print_json(to_json(lines, 1)) : print(render_log(lines));
  return Status::ok();
}

}  // namespace sluice
