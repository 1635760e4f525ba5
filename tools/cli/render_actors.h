// The live tree of actors over all nodes as text. Pure.
//
//   node
//     job_manager
//       job_master of each job: coordinator, enumerators
//     task_manager
//       task of each job
#pragma once

#include <string>
#include <vector>

#include "core/inspection.h"
#include "tools/cli/task_rates.h"

namespace sluice {

/// Everything `sluice actors` shows, from two looks.
struct ActorLook {
  std::vector<ActorInspection> actors;
  std::vector<JobInspection> jobs;
  std::vector<std::vector<TaskRates>> rates;  // By job and task.
  int64_t now = 0;
};

/// With `channels` one more line for each channel; otherwise their sums.
std::string render_actors(const ActorLook& look, bool channels);
/// {"actors":[...],"jobs":[...]}; tasks carry their rates.
std::string actors_json(const ActorLook& look);

}  // namespace sluice
