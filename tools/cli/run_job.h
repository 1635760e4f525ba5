// Starting a job's program from the command line.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"

namespace sluice {

struct RunRequest {
  std::string executable;
  std::vector<std::string> job_words;  // The job's own flags.
  bool detached = false;
  std::string parallelism;
  std::string restore;
  bool allow_non_restored = false;
  bool claim = false;
  std::vector<std::string> options;  // KEY=VALUE.
};

/// The command line of the program, itself first.
std::vector<std::string> command_line_of(const RunRequest& request);

/// Whether there is such a program.
Status check_executable(const std::string& path);

/// Replaces this process by the job. Returns only when that fails.
Status run_in_foreground(const std::vector<std::string>& command);

struct StartedJob {
  int64_t pid = 0;
  std::string log;
  /// It has come to its end already, well.
  bool has_finished = false;
};
/// Starts the job in a session of its own, its output in a file under `directory`, and waits until
/// it can be inspected or has ended. What goes wrong before that is told with the job's own words.
Result<StartedJob> run_detached(const std::vector<std::string>& command,
                                const std::string& directory);

/// The newest log of a program or process that was started detached; empty: none.
std::string find_log(const std::string& directory, const std::string& name);

/// The last `lines_max` lines of a file.
Result<std::string> tail_of_file(const std::string& path, int lines_max);

}  // namespace sluice
