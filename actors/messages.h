// Every message between actors: commands are imperative, facts are in the past tense.
//
// All of them stay inside the process and move by pointer (SLUICE_LOCAL_MESSAGE); between processes
// actors that stand for the other side turn them into the wire form of actors/wire.h. Attempts need
// no fence here: each attempt has actors of its own, and mail to an ended actor is dropped.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/caf_compat.h"
#include "actors/checkpoint_setup.h"
#include "actors/cluster_client.h"
#include "actors/job_metrics.h"
#include "actors/job_plan.h"
#include "actors/sink_commit.h"
#include "actors/task_snapshots.h"
#include "core/element.h"
#include "core/ids.h"
#include "core/inspection.h"
#include "core/sink.h"
#include "core/source.h"
#include "state/checkpoint_protocol.h"

namespace sluice {

class RemoteOutput;

using JobNumber = int;

// ---- task to task -------------------------------------------------------------------------------

/// An element for input channel `channel` of the receiver.
struct Data {
  int channel = 0;
  StreamElement element;
};

/// The receiver of output channel `channel` has consumed `credits` batches.
struct Credit {
  int channel = 0;
  uint32_t credits = 0;
  BatchPtr recycled;
};

// ---- task to itself -----------------------------------------------------------------------------

/// Do a step of work.
struct Run {};
/// Posted by other threads: an asynchronous answer, new input.
struct Wake {};
/// A timer of the task is due.
struct TimerDue {
  int64_t at_ms = 0;
};

// ---- JobMaster and TaskManager to task ----------------------------------------------------------

/// The other ends of a task's channels and its masters.
struct TaskPeers {
  struct End {
    ActorHandle task;  // Of this process; empty: in another one.
    int channel = 0;
    std::shared_ptr<RemoteOutput> remote;  // Of an output to another process.
    const RecordType* type = nullptr;      // Of an input from another process.
    uint32_t window = 0;                   // Of an input from another process: its credits.
  };
  std::vector<End> outputs;  // By output channel.
  std::vector<End> inputs;   // By input channel.
  ActorHandle master;
  ActorHandle enumerator;   // Of a source.
  ActorHandle coordinator;  // With checkpoints.
};

/// Connect the channels and open the operators; answered by TaskOpened or TaskFailed.
struct OpenTask {
  std::shared_ptr<const TaskPeers> peers;
};
struct StartTask {};
/// To sources: read no further.
struct StopSource {
  bool with_max_watermark = true;
};
/// Answered by TaskCancelled.
struct CancelTask {};
/// To a task that has ended, with checkpoints: close and go; answered by TaskFinished.
struct EndTask {};
struct LimitWatermark {
  EventTime limit;
};
struct ReportAlignment {};

// ---- checkpoints: coordinator to task, task to itself, task to coordinator
// -----------------------

/// To sources, and to tasks that have ended.
struct TriggerCheckpoint {
  Barrier barrier;
};
/// With `confirm` answered by CompletionConfirmed.
struct CheckpointCompleted {
  CheckpointId id;
  bool confirm = false;
};
struct CheckpointAborted {
  CheckpointId id;
};
struct SnapshotWritten {
  SnapshotOutcome outcome;
};
struct CheckpointAcknowledged {
  TaskId task;
  AttemptId attempt;
  SnapshotOutcome outcome;
};
/// The task has sent its end of data; only snapshots are taken of it now.
struct TaskReachedEnd {
  TaskId task;
  AttemptId attempt;
};
/// The task would like a checkpoint soon, if none newer than `after` is under way.
struct CheckpointWanted {
  TaskId task;
  AttemptId attempt;
  CheckpointId after;
};
struct CompletionConfirmed {
  CheckpointId id;
  TaskId task;
  AttemptId attempt;
};

// ---- checkpoints: coordinator and enumerators
// ----------------------------------------------------

/// Answered by EnumeratorSnapshotted; no split is given out until ReleaseEnumerator.
struct SnapshotEnumerator {
  CheckpointId id;
};
struct EnumeratorSnapshotted {
  CheckpointId id;
  NodeId node;
  Status status;
  std::string state;
};
struct ReleaseEnumerator {
  CheckpointId id;
};

// ---- checkpoints: JobMaster and coordinator
// ------------------------------------------------------

/// All tasks of the job are open; those that are not running yet start now.
struct TasksRunning {
  std::vector<AttemptId> attempts;  // By task index.
  std::vector<ActorHandle> tasks;
  std::map<NodeId, ActorHandle> enumerators;
};
struct TasksStopping {
  std::string reason;
};
/// Answered by RestoreFound.
struct FindRestore {
  AttemptId attempt;  // That has ended.
};
struct RestoreFound {
  AttemptId attempt;
  Status status;
  std::shared_ptr<const CheckpointMetadata> checkpoint;  // Null: from the beginning.
  /// Newer ones are damaged: what still runs builds on files that cannot be read.
  bool newer_are_damaged = false;
};
/// Answered by SnapshotAnswered.
struct TakeSnapshot {
  SnapshotRequest request;
};
struct SnapshotAnswered {
  uint64_t request = 0;
  Status status;
  std::string path;
};
/// The job cannot go on with its checkpoints.
struct CheckpointingFailed {
  Status status;
  bool may_restart = true;
};
/// The last checkpoint is complete and committed: tasks may end.
struct CheckpointingDone {};

// ---- checkpoints: coordinator to itself
// ----------------------------------------------------------

struct CheckpointTick {
  int64_t at_ms = 0;
};
struct CheckpointIdsReserved {
  Status status;
  CheckpointIds ids;
};
struct CheckpointPublished {
  CheckpointId id;
  Status status;
  std::string path;
};

// ---- enumerator ---------------------------------------------------------------------------------

struct OpenEnumerator {};
struct EnumeratorOpened {
  NodeId node;
  Status status;
};
/// Looking for splits failed while the job was running.
struct EnumeratorFailed {
  NodeId node;
  Status status;
};
struct RequestSplit {
  int subtask = 0;
  ActorHandle task;
  /// The subtask knows that there is nothing at present; set by the enumerator while it waits.
  bool told_none = false;
};
struct AddSplits {
  std::vector<SourceSplit> splits;
  bool no_more = false;
};
struct DiscoverSplits {};
struct SplitsDiscovered {
  Status status;
};
struct CloseEnumerator {};

// ---- task to JobMaster --------------------------------------------------------------------------

struct TaskOpened {
  TaskId task;
};
struct CommittablesReady {
  NodeId sink;
  std::vector<Committable> committables;
};
struct TaskFinished {
  TaskId task;
};
struct TaskFailed {
  TaskId task;
  Status status;
};
struct TaskCancelled {
  TaskId task;
};
struct AlignmentReported {
  TaskId task;
  EventTime watermark;
};

// ---- JobManager to JobMaster --------------------------------------------------------------------

/// To the JobManager, too, which passes it on to the master of a job that was submitted held, or to
/// all masters for job 0.
struct StartJob {
  JobNumber job = 0;
};
/// A TaskManager that runs some of the job's tasks is gone.
struct TaskManagerLost {
  std::string node;
};

// ---- JobMaster to itself ------------------------------------------------------------------------

struct InputsChecked {
  Status status;
};
struct CommitRoundDone {
  SinkCommit::Round round;
};
struct CommitAgain {};

/// A stop has waited for tasks that run.
struct StopOverdue {};
struct DiscardDone {
  Status status;
};
struct CancelTimedOut {
  AttemptId attempt;
};
/// The wait before a restart is over.
struct RestartDue {
  AttemptId attempt;
};
struct AlignSources {
  AttemptId attempt;
};

// ---- client, JobManager, JobMaster, TaskManager -------------------------------------------------

struct RegisterTaskManager {
  ActorHandle task_manager;
  int slots = 0;
  /// For messages: where it runs. Empty: in this process.
  std::string node;
};

struct SubmitJob {
  std::shared_ptr<const JobPlan> plan;
  std::shared_ptr<JobMetrics> metrics;
  /// Called once, on any thread.
  std::function<void(JobResult)> on_end;
  /// Null: no checkpoints, and nothing to restore.
  std::shared_ptr<const CheckpointSetup> checkpoints;
  /// One line for the log of the job; any thread. Optional.
  std::function<void(const std::string&)> on_note;
  /// Can be seen, stopped and cancelled, and starts with StartJob: so that whoever looks sees it
  /// before it does anything.
  bool is_held = false;
};
/// To the JobManager, which passes them on to the job's master, or to all masters for job 0.
struct StopJob {
  JobNumber job = 0;
  bool drain = false;
  /// Directory of the savepoint; empty: the job's own.
  std::string target;
  /// Called when the job runs on because its savepoint failed; any thread. Optional.
  std::function<void(const Status&)> on_refused;
};
struct CancelJob {
  JobNumber job = 0;
};

/// A look at a job, on the way from the JobManager over the master to the coordinator; each adds
/// what it knows, the last one answers. Unanswered when the job ends meanwhile.
struct InspectJob {
  JobNumber job = 0;  // 0: the only one.
  /// Called on any thread.
  std::function<void(JobInspection)> answer;
};
struct InspectCheckpoints {
  JobInspection look;
  std::function<void(JobInspection)> answer;
};
/// A savepoint or checkpoint now; the job runs on.
struct SnapshotJob {
  JobNumber job = 0;
  SnapshotRequest request;
  /// Called on any thread, with the path of the snapshot.
  std::function<void(const Status&, const std::string& path)> answer;
};

struct AllocateSlots {
  JobNumber job = 0;
  int slots = 0;
};
/// One TaskManager per slot.
struct SlotsAllocated {
  Status status;
  std::vector<ActorHandle> slots;
};
struct JobEnded {
  JobNumber job = 0;
  JobResult result;
};

/// Spawn these tasks; answered by TasksDeployed.
struct DeployTasks {
  std::shared_ptr<const JobPlan> plan;
  std::shared_ptr<JobMetrics> metrics;
  AttemptId attempt;
  std::vector<TaskId> tasks;
  ActorHandle master;
  std::shared_ptr<const CheckpointSetup> checkpoints;
  /// State to start from; null = none.
  std::shared_ptr<const CheckpointMetadata> restore;
};
struct TasksDeployed {
  struct Entry {
    TaskId id;
    ActorHandle actor;
  };
  std::vector<Entry> tasks;
  /// Tasks that could not be spawned, and why.
  std::vector<TaskId> missing;
  Status status;
};

}  // namespace sluice

SLUICE_LOCAL_MESSAGE(sluice::Data)
SLUICE_LOCAL_MESSAGE(sluice::Credit)
SLUICE_LOCAL_MESSAGE(sluice::Run)
SLUICE_LOCAL_MESSAGE(sluice::Wake)
SLUICE_LOCAL_MESSAGE(sluice::TimerDue)
SLUICE_LOCAL_MESSAGE(sluice::OpenTask)
SLUICE_LOCAL_MESSAGE(sluice::StartTask)
SLUICE_LOCAL_MESSAGE(sluice::StopSource)
SLUICE_LOCAL_MESSAGE(sluice::CancelTask)
SLUICE_LOCAL_MESSAGE(sluice::LimitWatermark)
SLUICE_LOCAL_MESSAGE(sluice::ReportAlignment)
SLUICE_LOCAL_MESSAGE(sluice::EndTask)
SLUICE_LOCAL_MESSAGE(sluice::TriggerCheckpoint)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointCompleted)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointAborted)
SLUICE_LOCAL_MESSAGE(sluice::SnapshotWritten)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointAcknowledged)
SLUICE_LOCAL_MESSAGE(sluice::TaskReachedEnd)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointWanted)
SLUICE_LOCAL_MESSAGE(sluice::CompletionConfirmed)
SLUICE_LOCAL_MESSAGE(sluice::SnapshotEnumerator)
SLUICE_LOCAL_MESSAGE(sluice::EnumeratorSnapshotted)
SLUICE_LOCAL_MESSAGE(sluice::ReleaseEnumerator)
SLUICE_LOCAL_MESSAGE(sluice::TasksRunning)
SLUICE_LOCAL_MESSAGE(sluice::TasksStopping)
SLUICE_LOCAL_MESSAGE(sluice::FindRestore)
SLUICE_LOCAL_MESSAGE(sluice::RestoreFound)
SLUICE_LOCAL_MESSAGE(sluice::TakeSnapshot)
SLUICE_LOCAL_MESSAGE(sluice::SnapshotAnswered)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointingFailed)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointingDone)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointTick)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointIdsReserved)
SLUICE_LOCAL_MESSAGE(sluice::CheckpointPublished)
SLUICE_LOCAL_MESSAGE(sluice::RestartDue)
SLUICE_LOCAL_MESSAGE(sluice::OpenEnumerator)
SLUICE_LOCAL_MESSAGE(sluice::EnumeratorOpened)
SLUICE_LOCAL_MESSAGE(sluice::EnumeratorFailed)
SLUICE_LOCAL_MESSAGE(sluice::RequestSplit)
SLUICE_LOCAL_MESSAGE(sluice::AddSplits)
SLUICE_LOCAL_MESSAGE(sluice::DiscoverSplits)
SLUICE_LOCAL_MESSAGE(sluice::SplitsDiscovered)
SLUICE_LOCAL_MESSAGE(sluice::CloseEnumerator)
SLUICE_LOCAL_MESSAGE(sluice::TaskOpened)
SLUICE_LOCAL_MESSAGE(sluice::CommittablesReady)
SLUICE_LOCAL_MESSAGE(sluice::TaskFinished)
SLUICE_LOCAL_MESSAGE(sluice::TaskFailed)
SLUICE_LOCAL_MESSAGE(sluice::TaskCancelled)
SLUICE_LOCAL_MESSAGE(sluice::AlignmentReported)
SLUICE_LOCAL_MESSAGE(sluice::StartJob)
SLUICE_LOCAL_MESSAGE(sluice::TaskManagerLost)
SLUICE_LOCAL_MESSAGE(sluice::InputsChecked)
SLUICE_LOCAL_MESSAGE(sluice::CommitRoundDone)
SLUICE_LOCAL_MESSAGE(sluice::CommitAgain)
SLUICE_LOCAL_MESSAGE(sluice::StopOverdue)
SLUICE_LOCAL_MESSAGE(sluice::DiscardDone)
SLUICE_LOCAL_MESSAGE(sluice::CancelTimedOut)
SLUICE_LOCAL_MESSAGE(sluice::AlignSources)
SLUICE_LOCAL_MESSAGE(sluice::RegisterTaskManager)
SLUICE_LOCAL_MESSAGE(sluice::SubmitJob)
SLUICE_LOCAL_MESSAGE(sluice::StopJob)
SLUICE_LOCAL_MESSAGE(sluice::CancelJob)
SLUICE_LOCAL_MESSAGE(sluice::InspectJob)
SLUICE_LOCAL_MESSAGE(sluice::InspectCheckpoints)
SLUICE_LOCAL_MESSAGE(sluice::SnapshotJob)
SLUICE_LOCAL_MESSAGE(sluice::AllocateSlots)
SLUICE_LOCAL_MESSAGE(sluice::SlotsAllocated)
SLUICE_LOCAL_MESSAGE(sluice::JobEnded)
SLUICE_LOCAL_MESSAGE(sluice::DeployTasks)
SLUICE_LOCAL_MESSAGE(sluice::TasksDeployed)
