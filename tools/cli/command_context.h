// What every command of `sluice` gets: its flags, and how it prints.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "core/time.h"
#include "tools/cli/reach.h"
#include "tools/cli/run_job.h"

namespace sluice {

struct CommandFlags {
  ClusterReach cluster;
  bool json = false;
  std::string job;
  Duration timeout{60'000};
  std::string target;
  std::string dispose;
  bool drain = false;
  int parallelism = 0;
  int lines = 200;
  bool ids = false;
  bool subtasks = false;
  bool channels = false;
  bool watch = false;
  bool details = false;
  bool dot = false;
  bool svg = false;
  bool tasks = false;
  Duration interval{1000};
  int screens = 0;  // 0: until q.
  RunRequest run;
};

// Each prints its result on stdout; an error is printed by the caller.
Status command_run(const CommandFlags& flags);
Status command_info(const CommandFlags& flags);

Status command_list(const CommandFlags& flags);
Status command_status(const CommandFlags& flags);
Status command_checkpoints(const CommandFlags& flags);
Status command_exceptions(const CommandFlags& flags);
Status command_task_managers(const CommandFlags& flags);
Status command_logs(const CommandFlags& flags);

Status command_cancel(const CommandFlags& flags);
Status command_stop(const CommandFlags& flags);
Status command_savepoint(const CommandFlags& flags);
Status command_checkpoint(const CommandFlags& flags);
Status command_rescale(const CommandFlags& flags);

Status command_actors(const CommandFlags& flags);
Status command_graph(const CommandFlags& flags);
Status command_watermarks(const CommandFlags& flags);
Status command_top(const CommandFlags& flags);

void print(const std::string& text);

}  // namespace sluice
