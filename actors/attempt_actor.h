// The tasks of one attempt of a job in this TaskManager, and their way to the JobManager.
//
// For its tasks it is the master, the coordinator and the enumerator at once: what they say goes to
// the JobManager as a TaskReport, and TaskCommands from there become local messages. Before a task
// is opened its connections to other TaskManagers are made. Ends when all tasks have ended; when it
// is told to cancel, or dies, the tasks end.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/cluster_messages.h"

namespace sluice {

class AttemptActor final : public ActorBase {
 public:
  static constexpr Duration kReportInterval{500};
  static constexpr Duration kDetailsLook{3};
  static constexpr int kDetailsLooksMax = 60;

  struct Settings {
    AttemptKey key;
    Fence fence;  // Of what is sent, with job and attempt.
    WorkerJob job;
    const Clock* clock = nullptr;
    std::string incarnation;
    ActorHandle worker;
    ActorHandle task_manager;  // The local one, which spawns tasks.
    ActorHandle hub;
    ActorHandle manager;  // Stands for this TaskManager in the JobManager; remote.
    std::shared_ptr<ControlOutbox> outbox;
    /// A task does not come back from user code; does not return.
    std::function<void(const std::string& why)> on_stuck;
  };
  AttemptActor(ActorConfig& config, std::shared_ptr<Settings> settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "attempt"; }

 private:
  struct TaskEntry {
    ActorHandle actor;
    proto::OpenTask opening;
    std::vector<Endpoint> peers;  // Asked of the hub, in this order.
    bool ended = false;
  };
  /// What was last reported, to send differences.
  using Counters = std::map<std::string, int64_t>;

  void deploy(BeginAttempt& begin);
  void deployed(const TasksDeployed& deployed);
  void command(const proto::TaskCommand& command);
  void open(TaskId id, const proto::OpenTask& opening);
  void peers_connected(const PeersConnected& connected);
  void peer_lost(const PeerLost& lost);
  std::shared_ptr<TaskPeers> make_peers(
      TaskId id, const TaskEntry& entry,
      const std::map<std::string, std::shared_ptr<PeerLink>>& links);
  void report(TaskId task, const std::function<void(proto::TaskReport&)>& fill);
  void report_status(TaskId task, const Status& status);
  void report_checkpoint(TaskId task, const SnapshotOutcome& outcome);
  void look(DetailsDue due);
  void report_numbers();
  void fill_numbers(TaskId task, proto::TaskNumbers& numbers);
  void ended(TaskId task);
  void cancel_all(const std::string& reason);
  void cancel(TaskId task);
  void task_down(const caf::actor_addr& address);
  template <class M>
  void send_manager(const M& message);
  template <class M>
  void post(Wire<M> wire);
  TaskId sender_task();
  std::string display_name(TaskId id) const { return settings_->job.plan->graph.display_name(id); }

  std::shared_ptr<Settings> settings_;
  std::map<TaskId, TaskEntry> tasks_;
  std::map<caf::actor_addr, TaskId> task_of_;
  std::map<TaskId, std::vector<Counters>> reported_;
  size_t dead_letters_reported_ = 0;
  bool deployed_ = false;
  bool cancelled_ = false;
  uint64_t next_token_ = 0;
};

}  // namespace sluice
