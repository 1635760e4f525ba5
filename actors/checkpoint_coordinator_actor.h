// Takes the checkpoints of one job: mail becomes events of CheckpointProtocol, its actions become
// mail and work of the checkpoint storage.
//
// Lives as long as the job, over all its attempts. The storage is used on one strand of I/O
// threads, in the order in which the protocol decided.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/io_strand.h"
#include "actors/messages.h"
#include "state/checkpoint_history.h"
#include "state/checkpoint_protocol.h"

namespace sluice {

class CheckpointCoordinatorActor final : public ActorBase {
 public:
  struct Settings {
    std::shared_ptr<const JobPlan> plan;
    std::shared_ptr<const CheckpointSetup> checkpoints;
    std::shared_ptr<JobMetrics> metrics;
    IoRunner* io = nullptr;
    const Clock* clock = nullptr;
    ActorHandle master;
    std::function<void(const std::string&)> on_note;
  };
  CheckpointCoordinatorActor(ActorConfig& config, std::shared_ptr<Settings> settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "checkpoint_coordinator"; }

 private:
  /// State of the enumerators for a checkpoint that is being triggered.
  struct Coordinators {
    size_t missing = 0;
    std::vector<CoordinatorState> states;
  };

  template <class Event>
  void step(Event event);
  void act(const checkpoint_action::ReserveIds& action);
  void act(const checkpoint_action::SnapshotCoordinators& action);
  void act(const checkpoint_action::ReleaseCoordinators& action);
  void act(const checkpoint_action::TriggerTasks& action);
  void act(const checkpoint_action::Publish& action);
  void act(const checkpoint_action::NotifyComplete& action);
  void act(const checkpoint_action::Abort& action);
  void act(const checkpoint_action::SnapshotAnswer& action);
  void act(const checkpoint_action::FailJob& action);
  void act(const checkpoint_action::JobDone& action);
  void act(const checkpoint_action::Report& action);

  void running(const TasksRunning& tasks);
  void enumerator_snapshotted(EnumeratorSnapshotted& snapshotted);
  void acknowledged(const CheckpointAcknowledged& acknowledged);
  void inspect(InspectCheckpoints& request);
  void find_restore(AttemptId attempt);
  void arm_timer();
  void clean(std::vector<CheckpointId> pending);
  CheckpointMetadata metadata_of(const checkpoint_action::Publish& action);
  template <class Message>
  void to_all_tasks(const Message& message) {
    for (const auto& task : tasks_) send(task, message);
  }
  void note(const std::string& text) const {
    if (settings_->on_note) settings_->on_note(text);
  }

  std::shared_ptr<Settings> settings_;
  IoStrand strand_;
  CheckpointProtocol protocol_;
  const bool log_complete_;
  const std::shared_ptr<CheckpointHistory> history_;  // Used on the strand.
  std::vector<ActorHandle> tasks_;
  std::map<NodeId, ActorHandle> enumerators_;
  std::map<CheckpointId, Coordinators> coordinators_;
  std::map<CheckpointId, std::string> paths_;  // Of savepoints that are complete.
  int64_t timer_armed_ms_ = CheckpointProtocol::kNever;
};

/// What the options ask for.
CheckpointProtocolOptions checkpoint_protocol_options(const Options& options);

}  // namespace sluice
