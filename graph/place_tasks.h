// Which slot each task runs in: subtask i of every vertex of a slot sharing group shares slot i of
// that group, so a slot holds one subtask of each vertex and a pipeline stays together.
#pragma once

#include <vector>

#include "graph/execution_graph.h"

namespace sluice {

/// By task index: a slot in [0, chained().slot_count()).
std::vector<int> place_tasks(const ExecutionGraph& graph);

}  // namespace sluice
