// Pipelined regions: the smallest sets of tasks that must be restarted together.
//
// All channels are pipelined, so a region is a connected component of the execution graph: a job
// without exchange has one region per subtask, a job with a keyed exchange usually has one in all.
#pragma once

#include <vector>

#include "graph/execution_graph.h"

namespace sluice {

/// Regions in order of their first task; tasks within a region in order.
std::vector<std::vector<TaskId>> pipelined_regions(const ExecutionGraph& graph);

}  // namespace sluice
