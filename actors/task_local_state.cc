#include "actors/task_local_state.h"

#include <utility>

#include "state/rocksdb/rocksdb_stores.h"

namespace sluice {

TaskLocalState::TaskLocalState(const JobPlan& plan)
    : root_(plan.options.get(options::kStateDirectory)),
      bytes_per_store_(state_memory_per_task(plan).store) {}

TaskLocalState::~TaskLocalState() = default;

Result<std::shared_ptr<ColdStore>> TaskLocalState::open_store(TaskId task, int attempt,
                                                              size_t stage) {
  const std::lock_guard lock(mutex_);
  if (!stores_) {
    SLUICE_ASSIGN_OR_RETURN(stores_, RocksDbStores::create(root_, bytes_per_store_));
  }
  const std::string name = std::to_string(task.vertex.value) + "-" + std::to_string(task.subtask) +
                           "-" + std::to_string(stage) + "-attempt-" + std::to_string(attempt);
  return RocksDbStores::open(stores_, name);
}

}  // namespace sluice
