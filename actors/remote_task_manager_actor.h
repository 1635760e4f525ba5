// Stands in the JobManager for the TaskManager of another process.
//
// Local actors talk to it as to a TaskManagerActor: DeployTasks is answered with actors that stand
// for the remote tasks. Ends when the process there is gone or its heartbeats stay away; who
// monitors it (the JobManager, its remote tasks) then knows that everything there is gone. A
// connection that breaks is not enough: the process may live and run its tasks until its lease
// ends. Only when its host says that nobody listens there any more need nobody wait for that. Nor
// is a message that the network lost: the process is told to register again, before which it ends
// its tasks.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "actors/node_system.h"
#include "actors/remote_task_actor.h"

namespace sluice {

class RemoteTaskManagerActor final : public ActorBase {
 public:
  static constexpr Duration kProbePause{200};
  /// A process that was told to end and has not is told again.
  static constexpr Duration kEndPause{100};

  struct Settings {
    NodeSystem* node = nullptr;
    const Clock* clock = nullptr;
    Fence fence;  // Of what this process sends.
    std::shared_ptr<const Endpoint> where;
    int slots = 1;
    int64_t pid = 0;
    std::shared_ptr<ControlOutbox> outbox;
    std::shared_ptr<TaskDirectory> directory;
    ActorHandle worker;  // Remote.
    ActorHandle job_manager;
    ActorHandle heartbeat_watch;
    Duration heartbeat_interval{500};
    Duration lease{3750};
    std::function<void(const std::string&)> on_note;
  };
  RemoteTaskManagerActor(ActorConfig& config, std::shared_ptr<Settings> settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "remote_task_manager"; }

 private:
  struct Attempt {
    ActorHandle master;
    std::shared_ptr<JobMetrics> metrics;
    bool is_deployed = false;
    std::map<TaskId, ActorHandle> tasks;  // Those that have not ended.
    bool is_over() const { return is_deployed && tasks.empty(); }
  };
  void welcome();
  void deploy(const DeployTasks& command);
  void deployed(const Wire<proto::TasksDeployed>& wire);
  ActorHandle stand_in(const AttemptKey& key, const Attempt& attempt, TaskId id);
  void report(const Wire<proto::TaskReport>& wire);
  void numbers(const Wire<proto::NumbersReported>& wire);
  void worker_down();
  void actor_down(const caf::actor_addr& address);
  void lost(const std::string& why);
  template <class M>
  bool admit(const Wire<M>& wire) {
    return may_be_believed(wire.fence, is_intact(wire)) && is_next(wire.stamp);
  }
  bool may_be_believed(const Fence& fence, bool is_intact);
  bool is_next(const ControlStamp& stamp);
  bool take(ControlInbox::Verdict verdict);
  template <class M>
  void send_worker(AttemptKey key, const M& message);
  template <class M>
  void send_uncounted(const M& message);
  void note(const std::string& text) const {
    if (settings_->on_note) settings_->on_note(text);
  }

  std::shared_ptr<Settings> settings_;
  FenceGate gate_;
  ControlInbox inbox_;
  bool noted_break_ = false;
  bool ending_ = false;  // The process was told to end.
  /// Those that are not over: a cluster may live for as many attempts as it likes.
  std::map<AttemptKey, Attempt> attempts_;
  std::set<caf::actor_addr> masters_;  // Monitored.
};

}  // namespace sluice
