// A job ready to be deployed: its graph, the tasks it becomes and what each task needs to start.
//
// Immutable after make_job_plan(); shared by JobMaster, TaskManagers and enumerators of the
// process. Every process that makes the plan from the same graph and options gets the same one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/status.h"
#include "graph/execution_graph.h"
#include "graph/logical_graph.h"
#include "operators/task_spec.h"

namespace sluice {

struct JobPlan {
  std::string job_name;
  Options options;
  std::shared_ptr<const LogicalGraph> logical;
  ExecutionGraph graph;
  TaskLimits limits;

  /// Nodes that run, in order of creation (pruned ones are left out).
  std::vector<const LogicalNode*> nodes() const;
  bool checkpointing() const;
};

/// What default parallelism and so on the options ask for; `cores` stands in for unset values.
ChainingOptions chaining_options(const Options& options, int cores);

/// Checks and chains the graph. `cores`: processor cores of this machine.
Result<std::shared_ptr<const JobPlan>> make_job_plan(LogicalGraph graph, std::string job_name,
                                                     const Options& options, int cores);

/// The task's own part of the plan.
TaskSpec make_task_spec(const JobPlan& plan, TaskId id, AttemptId attempt);

/// Credits with which the task may start to send, by output channel: what its receivers grant.
std::vector<uint32_t> initial_credits(const JobPlan& plan, TaskId id);

/// One keyed task's share of state.backend.memory.
struct StateMemory {
  size_t rows = 0;   // For keyed state in memory; 0 = no limit.
  size_t store = 0;  // For blocks and recent writes of RocksDB.
};
StateMemory state_memory_per_task(const JobPlan& plan);

}  // namespace sluice
