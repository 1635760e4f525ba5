#include "actors/task_manager_actor.h"

#include <utility>

#include "actors/spawn_task.h"

namespace sluice {
namespace {

/// The task calls nobody that may wait: neither its connectors nor its state.
bool may_block(const JobPlan& plan, const TaskSpec& spec) {
  if (spec.may_block) return true;
  if (plan.options.get(options::kStateBackend) != "rocksdb") return false;
  for (const auto& stage : spec.stages) {
    if (plan.logical->node(stage.node).keyed) return true;
  }
  return false;
}

}  // namespace

TaskManagerActor::TaskManagerActor(ActorConfig& config, Settings settings)
    : ActorBase(config), settings_(std::move(settings)) {}

Behavior TaskManagerActor::make_behavior() {
  describe("", "");
  // A TaskManager that cannot go on ends; its JobManager watches it.
  guard_handlers(this, [](const std::string&) {});
  send(settings_.job_manager,
       RegisterTaskManager{caf::actor_cast<ActorHandle>(this), settings_.slots});
  return {
      [this](const DeployTasks& command) { send(command.master, deploy(command)); },
  };
}

void TaskManagerActor::on_exit() { settings_.job_manager = nullptr; }

TasksDeployed TaskManagerActor::deploy(const DeployTasks& command) {
  TasksDeployed deployed;
  for (const TaskId id : command.tasks) {
    try {
      deployed.tasks.push_back({id, deploy_task(command, id)});
    } catch (...) {
      deployed.missing.push_back(id);
      deployed.status = Status::internal(command.plan->graph.display_name(id) + ": " +
                                         exception_text(std::current_exception()));
    }
  }
  return deployed;
}

std::shared_ptr<TaskLocalState> TaskManagerActor::local_state_of(
    const std::shared_ptr<const JobPlan>& plan) {
  std::erase_if(local_states_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<TaskLocalState>& known = local_states_[plan];
  std::shared_ptr<TaskLocalState> state = known.lock();
  if (!state) {
    state = std::make_shared<TaskLocalState>(*plan);
    known = state;
  }
  return state;
}

ActorHandle TaskManagerActor::deploy_task(const DeployTasks& command, TaskId id) {
  const JobPlan& plan = *command.plan;
  auto settings = std::make_shared<TaskActorSettings>();
  settings->spec = make_task_spec(plan, id, command.attempt);
  settings->initial_credits = initial_credits(plan, id);
  settings->metrics = command.metrics;
  settings->master = command.master;
  settings->checkpoints = command.checkpoints;
  settings->restore = command.restore;
  TaskServices& services = settings->services;
  services.clock = settings_.clock;
  services.io = settings_.io;
  services.metrics = command.metrics->groups_of(id);
  services.state_memory_bytes = state_memory_per_task(plan).rows;
  if (plan.options.get(options::kStateBackend) == "rocksdb") {
    services.state_backend = StateBackendKind::kRocksDb;
    services.open_cold_store = [local = local_state_of(command.plan), id,
                                attempt = settings->spec.info.attempt](size_t stage) {
      return local->open_store(id, attempt, stage);
    };
  }
  services.fail_on_bad_record = plan.options.get(options::kOnBadRecord) == "fail";
  services.checkpointing = plan.checkpointing();
  services.final_results_only = plan.options.get(options::kRuntimeMode) == "batch";
  services.dead_letter = [metrics = command.metrics](std::string_view place,
                                                     std::string_view reason,
                                                     std::string_view /*raw*/) {
    metrics->keep_dead_letter(place, reason);
  };
  const bool detach = settings_.may_detach && may_block(plan, settings->spec);
  return spawn_task(this, std::move(settings),
                    detach ? TaskThreading::kDetached : TaskThreading::kPooled);
}

}  // namespace sluice
