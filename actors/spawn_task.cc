#include "actors/spawn_task.h"

#include <utility>

#include "actors/heartbeat_actors.h"

namespace sluice {

ActorHandle spawn_task(ActorBase* parent, std::shared_ptr<TaskActorSettings> settings,
                       TaskThreading threading) {
  if (threading == TaskThreading::kDetached) {
    return parent->spawn<TaskActor, caf::detached>(std::move(settings));
  }
  return parent->spawn<TaskActor>(std::move(settings));
}

ActorHandle spawn_heartbeat(caf::actor_system& system, HeartbeatActor::Settings settings) {
  return system.spawn<HeartbeatActor, caf::detached>(std::move(settings));
}

ActorHandle spawn_heartbeat_watch(caf::actor_system& system,
                                  HeartbeatWatchActor::Settings settings) {
  return system.spawn<HeartbeatWatchActor, caf::detached>(std::move(settings));
}

}  // namespace sluice
