// Spawns task actors; the only place that may give an actor a thread of its own.
#pragma once

#include <memory>

#include "actors/task_actor.h"

namespace sluice {

/// Where a task runs: on the shared threads, or, when it may block, on one of its own.
enum class TaskThreading { kPooled, kDetached };

ActorHandle spawn_task(ActorBase* parent, std::shared_ptr<TaskActorSettings> settings,
                       TaskThreading threading);

}  // namespace sluice
