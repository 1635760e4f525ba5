// run, info.
#include "control/endpoint_file.h"
#include "tools/cli/command_context.h"
#include "tools/cli/reach.h"
#include "tools/cli/session_run.h"

namespace sluice {

Status command_run(const CommandFlags& flags) {
  if (!flags.cluster.address.empty()) return run_in_session(flags);
  const std::vector<std::string> command = command_line_of(flags.run);
  if (!flags.run.detached) return run_in_foreground(command);
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
  SLUICE_ASSIGN_OR_RETURN(const StartedJob started, run_detached(command, directory));
  if (started.has_finished) {
    SLUICE_ASSIGN_OR_RETURN(const std::string said, tail_of_file(started.log, 1));
    print(said);
    return Status::ok();
  }
  // The id is the job's to tell.
  const auto endpoint = read_endpoint(directory + "/" + std::to_string(started.pid) + ".json");
  const std::string name = endpoint.is_ok() ? endpoint->job : command[0];
  print(name + " runs in process " + std::to_string(started.pid) + ", output in " + started.log +
        "\n");
  return Status::ok();
}

Status command_info(const CommandFlags& flags) {
  std::vector<std::string> command = command_line_of(flags.run);
  command.emplace_back("--explain");
  command.emplace_back(flags.json ? "json" : flags.dot ? "dot" : "text");
  return run_in_foreground(command);
}

}  // namespace sluice
