// Local messages of the actors that make one process part of a cluster. What crosses processes is
// in actors/wire.h; these never do.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/messages.h"
#include "actors/remote_channel.h"
#include "actors/wire.h"
#include "actors/worker_job.h"

namespace sluice {

/// The tasks of one attempt of one job, as both sides name them.
struct AttemptKey {
  uint64_t job = 0;
  int32_t attempt = 0;
  friend constexpr auto operator<=>(const AttemptKey&, const AttemptKey&) = default;
};

/// Where a process listens.
struct Endpoint {
  std::string host;
  int port = 0;
  std::string incarnation;
  std::string node() const { return host + ":" + std::to_string(port); }
};

// ---- network ------------------------------------------------------------------------------------

/// What became of an attempt to reach another process.
struct Dialled {
  Endpoint endpoint;
  Status status;
  ActorHandle gate;  // The actor the other process published.
};

/// Whether somebody listens at an address; kNotFound: certainly nobody.
struct Probed {
  Status status;
};
struct ProbeAgain {};

// ---- TaskManager: WorkerActor -------------------------------------------------------------------

struct JobPrepared {
  AttemptKey key;
  std::vector<TaskId> tasks;
  Status status;
  WorkerJob job;
};
struct DialAgain {};
/// The lease has run out: tasks must end.
struct LeaseExpired {};
/// The JobManager does not know this process any more; to the actor that stands for a TaskManager:
/// it registers again.
struct RegistrationLost {
  std::string reason;
};
struct RegistrationTimedOut {
  int64_t registration = 0;
};
/// The other side has told how much it had sent; comes after all of it, unless that was lost.
struct ControlTold {
  ControlStamp sent;
};
/// All tasks of the attempt have ended.
struct AttemptOver {
  AttemptKey key;
};
struct CancelAttempt {
  std::string reason;
};

// ---- TaskManager: AttemptActor ------------------------------------------------------------------

struct BeginAttempt {
  std::vector<TaskId> tasks;
};
struct ReportNumbers {};
/// A task was asked for its details: has it answered?
struct DetailsDue {
  TaskId task;
  JobMetrics::AskedDetails asked;
  int looks_left = 0;
};
/// The connection to this process is lost.
struct PeerLost {
  std::string incarnation;
  Status status;
};
struct CommandArrived {
  proto::TaskCommand command;
};
/// A task that was told to end has not.
struct TaskStuck {
  TaskId task;
};

// ---- TaskManager: PeerHubActor ------------------------------------------------------------------

/// The local tasks of an attempt, so that others may open channels to them.
struct TasksPlaced {
  AttemptKey key;
  std::vector<std::pair<TaskId, ActorHandle>> tasks;
};
/// Credits that come for `token` go to the task.
struct OutputOpened {
  AttemptKey key;
  uint64_t token = 0;
  ActorHandle task;
  int channel = 0;
  std::shared_ptr<PeerLink> link;
};
/// Answered by PeersConnected.
struct ConnectPeers {
  TaskId task;
  std::vector<Endpoint> peers;
};
struct PeersConnected {
  TaskId task;
  Status status;
  std::vector<std::shared_ptr<PeerLink>> links;  // In the order asked for.
};
struct ConnectTimedOut {
  std::string incarnation;
  int64_t dial = 0;  // Of several to the same process.
};
struct AttemptGone {
  AttemptKey key;
};

// ---- TaskManager: HeartbeatActor ----------------------------------------------------------------

struct BeginLease {
  ActorHandle gate;  // Of the JobManager.
  Fence fence;
  std::shared_ptr<const ControlOutbox> outbox;  // Of this process.
  Duration interval{500};
  Duration lease{3750};
  int64_t asked_ns = 0;  // When the registration was sent, steady.
};
struct HeartbeatTick {};

// ---- task ---------------------------------------------------------------------------------------

struct FrameArrived {
  int channel = 0;
  std::shared_ptr<RemoteInput> input;
  Frame frame;
};
struct ChannelLost {
  Status status;
};

// ---- JobManager ---------------------------------------------------------------------------------

/// To HeartbeatWatchActor: expect heartbeats of this TaskManager and tell `task_manager` when they
/// stay away.
struct WatchHeartbeats {
  std::string incarnation;
  ActorHandle task_manager;
  std::shared_ptr<const ControlOutbox> outbox;  // To that TaskManager.
};
/// To HeartbeatWatchActor: what `task_manager` stands for must register again. Its heartbeats are
/// no sign of life any more and are answered with that.
struct RefuseHeartbeats {
  std::string incarnation;
  std::string reason;
};
struct HeartbeatsLost {};
/// To the gate and to the actors that stand for TaskManagers: their processes are to end.
struct EndWorkers {
  std::string reason;
};
struct ReportArrived {
  proto::TaskReport report;
};
/// To the actor that stands for a task: somebody wants its details.
struct LookAtTask {};

}  // namespace sluice

SLUICE_LOCAL_MESSAGE(sluice::Dialled)
SLUICE_LOCAL_MESSAGE(sluice::Probed)
SLUICE_LOCAL_MESSAGE(sluice::ProbeAgain)
SLUICE_LOCAL_MESSAGE(sluice::JobPrepared)
SLUICE_LOCAL_MESSAGE(sluice::DialAgain)
SLUICE_LOCAL_MESSAGE(sluice::LeaseExpired)
SLUICE_LOCAL_MESSAGE(sluice::RegistrationLost)
SLUICE_LOCAL_MESSAGE(sluice::RegistrationTimedOut)
SLUICE_LOCAL_MESSAGE(sluice::ControlTold)
SLUICE_LOCAL_MESSAGE(sluice::AttemptOver)
SLUICE_LOCAL_MESSAGE(sluice::CancelAttempt)
SLUICE_LOCAL_MESSAGE(sluice::BeginAttempt)
SLUICE_LOCAL_MESSAGE(sluice::ReportNumbers)
SLUICE_LOCAL_MESSAGE(sluice::DetailsDue)
SLUICE_LOCAL_MESSAGE(sluice::PeerLost)
SLUICE_LOCAL_MESSAGE(sluice::CommandArrived)
SLUICE_LOCAL_MESSAGE(sluice::TaskStuck)
SLUICE_LOCAL_MESSAGE(sluice::TasksPlaced)
SLUICE_LOCAL_MESSAGE(sluice::OutputOpened)
SLUICE_LOCAL_MESSAGE(sluice::ConnectPeers)
SLUICE_LOCAL_MESSAGE(sluice::PeersConnected)
SLUICE_LOCAL_MESSAGE(sluice::ConnectTimedOut)
SLUICE_LOCAL_MESSAGE(sluice::AttemptGone)
SLUICE_LOCAL_MESSAGE(sluice::BeginLease)
SLUICE_LOCAL_MESSAGE(sluice::HeartbeatTick)
SLUICE_LOCAL_MESSAGE(sluice::FrameArrived)
SLUICE_LOCAL_MESSAGE(sluice::ChannelLost)
SLUICE_LOCAL_MESSAGE(sluice::WatchHeartbeats)
SLUICE_LOCAL_MESSAGE(sluice::RefuseHeartbeats)
SLUICE_LOCAL_MESSAGE(sluice::HeartbeatsLost)
SLUICE_LOCAL_MESSAGE(sluice::EndWorkers)
SLUICE_LOCAL_MESSAGE(sluice::ReportArrived)
SLUICE_LOCAL_MESSAGE(sluice::LookAtTask)
