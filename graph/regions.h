// Regions: sets of tasks that must be restarted together.
//
// All channels are pipelined, so a pipelined region is a connected component of the execution
// graph: a job without exchange has one region per subtask, a job with a keyed exchange usually has
// one in all. Tasks that share an enumerator restart together, too: it is restored as a whole, so
// that the splits it gave out since the checkpoint are given out again.
#pragma once

#include <vector>

#include "graph/execution_graph.h"

namespace sluice {

/// Regions in order of their first task; tasks within a region in order.
std::vector<std::vector<TaskId>> pipelined_regions(const ExecutionGraph& graph);

/// By task index: the number of the region the task restarts with.
std::vector<size_t> failover_regions(const ExecutionGraph& graph);

}  // namespace sluice
