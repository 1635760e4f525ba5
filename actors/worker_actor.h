// A TaskManager process: registers with the JobManager, keeps its lease, and runs the attempts it
// is given.
//
//   dialling → registering → registered ─ connection or registration lost ─► dialling
//
// Invariants: nothing of an older leader epoch is obeyed, and nothing but what answers the newest
// registration, in the order in which it was sent and without gaps; attempts end when the lease has
// run out, and have ended before another registration is sent, since the JobManager then starts
// their tasks elsewhere.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "actors/cluster_messages.h"
#include "actors/job_identity.h"
#include "actors/node_system.h"

namespace sluice {

class WorkerActor final : public ActorBase {
 public:
  static constexpr Duration kDialPause{200};
  /// A registration without answer is tried again.
  static constexpr Duration kRegisterTimeout{3000};

  struct Settings {
    NodeSystem* node = nullptr;
    const Clock* clock = nullptr;
    IoRunner* io = nullptr;
    FileSystem* files = nullptr;
    Endpoint manager;
    Endpoint own;
    std::string cluster;
    int slots = 1;
    JobIdentity identity;
    GraphBuilder build;
    ActorHandle hub;
    ActorHandle heartbeat;
    /// The process is to end, and why; called once.
    std::function<void(const Status& reason)> on_end;
    /// A task does not come back from user code; does not return.
    std::function<void(const std::string& why)> on_stuck;
    std::function<void(const std::string&)> on_note;
  };
  WorkerActor(ActorConfig& config, std::shared_ptr<Settings> settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "worker"; }

 private:
  void dial();
  void dialled(const Dialled& result);
  void send_registration();
  void registered(const Wire<proto::TaskManagerRegistered>& wire);
  void lost(const std::string& why);
  void deploy(const Wire<proto::DeployTasks>& wire);
  void prepared(JobPrepared& prepared);
  void command(const Wire<proto::TaskCommand>& wire);
  void cancel_attempts(const std::string& why);
  template <class M>
  bool admit(const Wire<M>& wire) {
    return may_be_believed(wire.fence, is_intact(wire)) && is_next(wire.stamp);
  }
  bool may_be_believed(const Fence& fence, bool is_intact);
  bool is_next(const ControlStamp& stamp);
  bool obey(ControlInbox::Verdict verdict);
  void end(const Status& reason);
  void note(const std::string& text) const {
    if (settings_->on_note) settings_->on_note(text);
  }
  Fence fence(AttemptKey key = {}) const {
    return {settings_->cluster, settings_->own.incarnation, gate_.epoch(), key.job, key.attempt};
  }

  std::shared_ptr<Settings> settings_;
  FenceGate gate_;
  ActorHandle task_manager_;  // The local one.
  ActorHandle manager_gate_;  // What the JobManager published.
  ActorHandle manager_;       // What stands for us there.
  std::string manager_incarnation_;
  ControlInbox inbox_;
  std::shared_ptr<ControlOutbox> outbox_;  // Of the newest registration.
  std::string lost_why_;                   // Why there will be another registration.
  bool noted_unreachable_ = false;
  bool dialling_ = false;
  bool wants_registration_ = false;  // As soon as the attempts have ended.
  int64_t registration_ = 0;         // Number of the newest one sent.
  int64_t registration_sent_ns_ = 0;
  std::map<AttemptKey, ActorHandle> attempts_;
  std::set<AttemptKey> preparing_;
  // Newest attempt of each job: older ones are not begun again.
  std::map<uint64_t, int32_t> newest_;
};

}  // namespace sluice
