// cancel, stop, savepoint, checkpoint, rescale.
#include <filesystem>

#include "control/inspection_json.h"
#include "core/file_system.h"
#include "state/savepoint.h"
#include "tools/cli/command_context.h"
#include "tools/cli/reach.h"

namespace sluice {
namespace {

/// The job's process has a working directory of its own.
std::string absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

template <class Action>
Status steer(const CommandFlags& flags, Action action) {
  SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags.cluster));
  SLUICE_ASSIGN_OR_RETURN(const Reach::Found found, reach.job(flags.job));
  SLUICE_ASSIGN_OR_RETURN(const SteeringOutcome outcome,
                          action(*found.where->client, found.summary.id));
  if (flags.json) {
    print(to_json(outcome) + "\n");
  } else {
    print(found.summary.id + " " + outcome.state +
          (outcome.path.empty() ? "" : ", " + outcome.path) + "\n");
  }
  return Status::ok();
}

}  // namespace

Status command_cancel(const CommandFlags& flags) {
  return steer(flags, [&](ClusterClient& client, const std::string& id) {
    return client.cancel(id, flags.timeout);
  });
}

Status command_stop(const CommandFlags& flags) {
  return steer(flags, [&](ClusterClient& client, const std::string& id) {
    return client.stop(id, {flags.drain, absolute(flags.target)}, flags.timeout);
  });
}

Status command_savepoint(const CommandFlags& flags) {
  if (!flags.dispose.empty()) {
    SLUICE_RETURN_IF_ERROR(dispose_savepoint(local_file_system(), flags.dispose));
    print(flags.json ? "{\"disposed\":true}\n" : flags.dispose + " is gone\n");
    return Status::ok();
  }
  return steer(flags, [&](ClusterClient& client, const std::string& id) {
    return client.savepoint(id, absolute(flags.target), flags.timeout);
  });
}

Status command_checkpoint(const CommandFlags& flags) {
  return steer(flags, [&](ClusterClient& client, const std::string& id) {
    return client.checkpoint(id, flags.timeout);
  });
}

Status command_rescale(const CommandFlags& flags) {
  return steer(flags, [&](ClusterClient& client, const std::string& id) {
    return client.rescale(id, flags.parallelism, flags.timeout);
  });
}

}  // namespace sluice
