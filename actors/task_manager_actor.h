// Spawns the tasks it is given and offers slots to run them. One per process.
//
// Task actors answer to their JobMaster from then on; the TaskManager only knows what a process has
// to offer: clock, I/O threads, directories, and whether tasks may have threads of their own.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "actors/messages.h"
#include "actors/task_local_state.h"

namespace sluice {

class TaskManagerActor final : public ActorBase {
 public:
  struct Settings {
    const Clock* clock = nullptr;
    IoRunner* io = nullptr;
    int slots = 1;
    /// False in simulation: every task runs on the test scheduler.
    bool may_detach = true;
    ActorHandle job_manager;
  };
  TaskManagerActor(ActorConfig& config, Settings settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "task_manager"; }

 private:
  TasksDeployed deploy(const DeployTasks& command);
  ActorHandle deploy_task(const DeployTasks& command, TaskId id);
  std::shared_ptr<TaskLocalState> local_state_of(const std::shared_ptr<const JobPlan>& plan);

  Settings settings_;
  // Shared by the tasks of a job; gone with the last of them.
  std::map<std::weak_ptr<const JobPlan>, std::weak_ptr<TaskLocalState>, std::owner_less<>>
      local_states_;
};

}  // namespace sluice
