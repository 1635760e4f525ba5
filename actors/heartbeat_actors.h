// Heartbeats between JobManager and TaskManagers, each end on a thread of its own so that no load
// of tasks can delay them.
//
// HeartbeatActor (TaskManager) sends and holds the lease (actors/lease.h): it tells the worker when
// the lease has run out, and ends the process when it finds that it was frozen. HeartbeatWatchActor
// (JobManager) answers, and tells the actor that stands for a TaskManager when it stays silent.
//
// Heartbeats and their answers tell how many other messages their side has sent
// (actors/control_sequence.h); who takes those is told by a message of this process, which comes
// behind all that came over the same connection before.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "actors/cluster_messages.h"
#include "actors/lease.h"

namespace sluice {

class HeartbeatActor final : public ActorBase {
 public:
  struct Settings {
    const Clock* clock = nullptr;
    /// The process stood still for longer than its lease; does not return.
    std::function<void()> on_frozen;
    std::function<int64_t()> resident_bytes;
    /// Looks for a task that does not come back from user code; may end the process.
    std::function<void()> look_for_stuck;
  };
  HeartbeatActor(ActorConfig& config, Settings settings)
      : ActorBase(config), settings_(std::move(settings)), lease_(Duration(0)) {}

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "heartbeat"; }

 private:
  void tick();

  Settings settings_;
  Lease lease_;
  BeginLease current_;
  ActorHandle worker_;  // Who asked for the lease.
  ActorHandle target_;
  bool ticking_ = false;
  int64_t beat_ns_ = 0;
};

class HeartbeatWatchActor final : public ActorBase {
 public:
  struct Settings {
    const Clock* clock = nullptr;
    Fence fence;
    Duration interval{500};
    Duration timeout{5000};
  };
  HeartbeatWatchActor(ActorConfig& config, Settings settings)
      : ActorBase(config), settings_(std::move(settings)), watch_(settings_.timeout) {}

  Behavior make_behavior() override;
  void on_exit() override { watched_.clear(); }
  const char* name() const override { return "heartbeat_watch"; }

 private:
  struct Watched {
    ActorHandle task_manager;
    std::shared_ptr<const ControlOutbox> outbox;
    std::string refused;  // Why it has to register again; empty: it has not.
  };
  void beat(const Wire<proto::Heartbeat>& heartbeat);
  void refuse(const ActorHandle& sender, const proto::Heartbeat& heartbeat,
              const std::string& reason);
  void tick();

  Settings settings_;
  HeartbeatWatch watch_;
  std::map<std::string, Watched> watched_;
};

/// Each with a thread of its own.
ActorHandle spawn_heartbeat(caf::actor_system& system, HeartbeatActor::Settings settings);
ActorHandle spawn_heartbeat_watch(caf::actor_system& system,
                                  HeartbeatWatchActor::Settings settings);

}  // namespace sluice
