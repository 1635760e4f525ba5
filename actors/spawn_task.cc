#include "actors/spawn_task.h"

#include <utility>

namespace sluice {

ActorHandle spawn_task(ActorBase* parent, std::shared_ptr<TaskActorSettings> settings,
                       TaskThreading threading) {
  if (threading == TaskThreading::kDetached) {
    return parent->spawn<TaskActor, caf::detached>(std::move(settings));
  }
  return parent->spawn<TaskActor>(std::move(settings));
}

}  // namespace sluice
