// Stands in the JobManager for one task of another process: what the JobMaster, the checkpoint
// coordinator and the enumerator send to a task becomes a TaskCommand, what the task reports
// becomes the message it would have sent to them here.
//
// Ends with the task, or when the TaskManager is lost, which it reports as a failure of the task.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/cluster_messages.h"
#include "core/inspection.h"
#include "operators/task_details_cell.h"

namespace sluice {

/// Which process the tasks are in that remote task actors stand for; shared by all of them. Any
/// thread.
class TaskDirectory {
 public:
  /// TaskManagers, for inspection. One that registers again has joined before it has left.
  void joined(const std::string& incarnation, int64_t registration, TaskManagerInspection look);
  void heard(const std::string& incarnation, int64_t wall_ms);
  void left(const std::string& incarnation, int64_t registration);
  std::vector<TaskManagerInspection> task_managers() const;

  void add(caf::actor_id actor, std::shared_ptr<const Endpoint> where);
  void remove(caf::actor_id actor);
  /// Null: not known.
  std::shared_ptr<const Endpoint> find(caf::actor_id actor) const;

 private:
  mutable std::mutex mutex_;
  std::map<caf::actor_id, std::shared_ptr<const Endpoint>> places_;
  struct Joined {
    int64_t registration = 0;
    TaskManagerInspection look;
  };
  std::map<std::string, Joined> task_managers_;
};

class RemoteTaskActor final : public ActorBase {
 public:
  struct Settings {
    TaskId id;
    Fence fence;  // With job and attempt.
    std::shared_ptr<const Endpoint> where;
    std::shared_ptr<TaskDirectory> directory;
    ActorHandle worker;  // Remote.
    std::shared_ptr<ControlOutbox> outbox;
    ActorHandle manager;  // Stands for the TaskManager; when it ends the task is lost.
    ActorHandle master;
    std::shared_ptr<TaskDetailsCell> details;  // Where a look at the task is answered.
  };
  RemoteTaskActor(ActorConfig& config, std::shared_ptr<Settings> settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "remote_task"; }

 private:
  void open(const TaskPeers& peers);
  void report(const proto::TaskReport& report);
  void checkpoint_acknowledged(const proto::CheckpointAcknowledged& report);
  void command(const std::function<void(proto::TaskCommand&)>& fill);
  void fail(const Status& status);

  std::shared_ptr<Settings> settings_;
  const AttemptId attempt_;
  ActorHandle enumerator_;
  ActorHandle coordinator_;
};

}  // namespace sluice
