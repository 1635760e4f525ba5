// What others reach of a JobManager: the actor it publishes.
//
// TaskManagers register here; each gets an actor that stands for it. A process that would run
// something else is refused for good, with both sides named. What does not belong to this cluster
// is dropped and counted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "actors/job_identity.h"
#include "actors/remote_task_manager_actor.h"

namespace sluice {

class ClusterGateActor final : public ActorBase {
 public:
  struct Settings {
    NodeSystem* node = nullptr;
    const Clock* clock = nullptr;
    Fence fence;
    JobIdentity identity;
    ActorHandle job_manager;
    ActorHandle heartbeat_watch;
    std::shared_ptr<TaskDirectory> directory;
    Duration heartbeat_interval{500};
    Duration lease{3750};
    std::function<void(const std::string&)> on_note;
  };
  ClusterGateActor(ActorConfig& config, std::shared_ptr<Settings> settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "cluster_gate"; }

 private:
  void register_task_manager(const Wire<proto::RegisterTaskManager>& wire);
  void refuse(const ActorHandle& worker, const std::string& reason);
  void note(const std::string& text) const {
    if (settings_->on_note) settings_->on_note(text);
  }

  std::shared_ptr<Settings> settings_;
  std::map<std::string, ActorHandle> task_managers_;  // By incarnation.
  bool ending_ = false;
  int64_t strangers_ = 0;
};

}  // namespace sluice
