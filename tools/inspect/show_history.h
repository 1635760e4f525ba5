// The ended checkpoints of a job, as a table or as JSON.
#pragma once

#include <string>
#include <vector>

#include "state/checkpoint_history.h"
#include "tools/inspect/stored_json.h"

namespace sluice {

Json history_json(const std::vector<CheckpointRecord>& records);
/// One line for each; with `subtasks` one more for each of theirs.
std::string history_text(const std::vector<CheckpointRecord>& records, bool subtasks);

}  // namespace sluice
