// One task as an actor: mail becomes calls of operators/task.h, and what the task sends becomes
// mail.
//
// The data handler only puts an element into its input channel. Work happens in Run, a message to
// itself of which at most one is in flight: a step of about 50 us, so control mail never waits
// long. Without work no message is sent at all; timers and other threads post one.
//
// The task ends by finishing, failing or being cancelled; it then closes its operators, tells the
// master once, and quits. With checkpoints a task that has reached the end of its data stays until
// EndTask, so that the last checkpoint can be taken and committed (semantics rule 31). An exception
// in a handler is a failure like any other.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "actors/cluster_messages.h"
#include "actors/messages.h"
#include "operators/task.h"

namespace sluice {

/// What a task actor is made of. `services.wake` and `services.restored` are set by the actor.
struct TaskActorSettings {
  TaskSpec spec;
  TaskServices services;
  std::vector<uint32_t> initial_credits;
  std::shared_ptr<JobMetrics> metrics;
  ActorHandle master;
  std::shared_ptr<const CheckpointSetup> checkpoints;
  /// State to start from; null = none.
  std::shared_ptr<const CheckpointMetadata> restore;
};

class TaskActor final : public ActorBase, private TaskLink {
 public:
  static constexpr int64_t kStepNs = 50'000;

  TaskActor(ActorConfig& config, std::shared_ptr<TaskActorSettings> settings);
  ~TaskActor() override;

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "task"; }

 private:
  enum class Phase { kCreated, kOpen, kEnded };
  class Waker;

  void open(const std::shared_ptr<const TaskPeers>& peers);
  Status open_task();
  void frame_arrived(FrameArrived& arrived);
  void reached_end();
  void checkpoint_completed(const CheckpointCompleted& completed);
  void snapshot_written(const SnapshotOutcome& outcome);
  void step();
  void schedule_run();
  /// Tells the task something while it is open, and lets it act on it.
  template <class Tell>
  void if_open(const Tell& tell) {
    if (phase_ != Phase::kOpen) return;
    tell();
    schedule_run();
  }
  void arm_timer();
  /// Closes the operators; ok, or what user code threw while it cleaned up.
  Status close(bool finished);
  void fail(Status status);
  void finish();
  void cancel();

  // TaskLink: the way out.
  void send(int channel, StreamElement element) override;
  void grant(int channel, uint32_t credits, BatchPtr recycled) override;
  void request_split() override;
  void snapshot_taken(const Barrier& barrier, std::vector<OperatorSnapshot> states,
                      int64_t alignment_ms) override;
  void committables(NodeId node, std::vector<Committable> committables) override;
  void snapshot_declined(CheckpointId checkpoint, const Status& reason) override;

  std::shared_ptr<TaskActorSettings> settings_;
  const TaskId id_;
  const AttemptId attempt_;
  const std::string display_name_;
  IoRunner* const io_;
  const Clock& clock_;
  ActorHandle master_;
  std::shared_ptr<Waker> waker_;
  std::unique_ptr<Task> task_;
  std::shared_ptr<const TaskPeers> peers_;
  std::vector<std::shared_ptr<RemoteInput>> remote_inputs_;  // By channel; from other processes.
  RemoteOutputs remote_outputs_;
  Status send_failure_;  // What could not be sent in the step under way.
  Phase phase_ = Phase::kCreated;
  std::unique_ptr<TaskSnapshots> snapshots_;  // With checkpoints.
  bool started_ = false;  // What wakes it earlier waits: its peers may not be open yet.
  bool end_reported_ = false;
  bool run_in_flight_ = false;
  int64_t timer_armed_ms_;
};

}  // namespace sluice
