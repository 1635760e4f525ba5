// One job from submission to its end: turns mail into events of JobStateMachine and its actions
// into mail.
//
// Owns the job's enumerators, the checkpoint coordinator, and the one commit at the end of a job
// without checkpoints. After a failure the tasks of the region that failed, or of the whole job,
// start again from the newest checkpoint, when the restart policy says so. Blocking work (checks of
// inputs, commits) runs on I/O threads. Tasks and TaskManagers are monitored, so an end without a
// word is noticed, too.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/job_state_machine.h"
#include "actors/messages.h"
#include "actors/restart_policy.h"
#include "actors/sink_commit.h"
#include "actors/source_alignment.h"

namespace sluice {

class JobMasterActor final : public ActorBase {
 public:
  static constexpr int kCommitRoundsMax = 8;
  static constexpr Duration kCommitBackoffFirst{50};
  static constexpr size_t kFailuresKept = 20;
  /// How long a stop waits for tasks that run.
  static constexpr Duration kStopPatience{3000};

  struct Settings {
    JobNumber number = 0;
    std::shared_ptr<const JobPlan> plan;
    std::shared_ptr<JobMetrics> metrics;
    IoRunner* io = nullptr;
    const Clock* clock = nullptr;
    ActorHandle job_manager;
    std::shared_ptr<const CheckpointSetup> checkpoints;
    std::function<void(const std::string&)> on_note;
  };
  JobMasterActor(ActorConfig& config, Settings settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "job_master"; }

 private:
  void apply(const JobEvent& event);
  void note_failure(const JobEvent& event);
  void inspect(const InspectJob& request);
  void take_snapshot(const SnapshotJob& request);
  void snapshot_answered(const SnapshotAnswered& answered);
  void perform(JobAction action);
  void validate_nodes();
  void open_enumerators();
  void start_coordinator();
  void start_tasks();
  void decide_restart();
  void restart_due();
  void restore_found(const RestoreFound& found);
  void restore_not_found(const Status& status);
  void forget_attempt();
  bool is_of_attempt(size_t task) const { return attempts_[task] == AttemptId{machine_.attempt()}; }
  bool is_own_enumerator();
  void note(const std::string& text) const {
    if (settings_.on_note) settings_.on_note(text);
  }
  void enumerator_opened(const Status& status);
  void slots_allocated(const SlotsAllocated& allocated);
  void deploy();
  void tasks_deployed(const TasksDeployed& deployed);
  void open_tasks();
  void to_all_tasks(const std::function<void(size_t task)>& send_one);
  void cancel_tasks();
  void stop_sources();
  void stop_overdue();
  void align_sources();
  void commit();
  void commit_round_done(const SinkCommit::Round& round);
  void discard();
  void task_down(const caf::actor_addr& address);
  void end();
  JobResult result() const;
  std::string stuck_tasks() const;
  size_t index_of(TaskId id) const { return settings_.plan->graph.index_of(id); }

  Settings settings_;
  JobStateMachine machine_;
  std::unique_ptr<RestartPolicy> restart_policy_;
  std::unique_ptr<SourceAlignment> alignment_;
  std::shared_ptr<SinkCommit> sink_commit_;  // Shared with the I/O work under way.
  std::vector<ActorHandle> slots_;           // TaskManagers, by slot, as allocated last.
  std::vector<ActorHandle> tasks_;           // By task index; empty until deployed.
  std::vector<AttemptId> attempts_;          // By task index.
  std::map<NodeId, ActorHandle> enumerators_;
  ActorHandle coordinator_;  // With checkpoints.
  /// State the newest attempt starts from; null = none.
  std::shared_ptr<const CheckpointMetadata> restore_;
  StopJob stop_;                               // As requested.
  std::string savepoint_;                      // Of a stop.
  std::map<uint64_t, SnapshotJob> snapshots_;  // Not answered yet, by request number.
  uint64_t next_snapshot_ = 1;                 // 0 is that of a stop.
  std::deque<FailureLook> failures_;
  int64_t phase_since_ms_;
  int restarts_ = 0;
  size_t unopened_enumerators_ = 0;
  std::map<caf::actor_addr, std::vector<TaskId>> deploying_;  // By TaskManager that has to answer.
  int commit_rounds_ = 0;
  bool cancel_sent_ = false;
  bool discarding_ = false;
  bool end_after_discard_ = false;
  bool restart_after_discard_ = false;
  bool ended_ = false;
  int64_t started_ns_ = 0;
};

}  // namespace sluice
