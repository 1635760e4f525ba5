// Where the keyed tasks of one job keep state on this machine's disk: one per job and process, made
// when the first store is opened. Thread-safe.
#pragma once

#include <memory>
#include <mutex>

#include "actors/job_plan.h"
#include "core/operator.h"

namespace sluice {

class RocksDbStores;

class TaskLocalState {
 public:
  explicit TaskLocalState(const JobPlan& plan);
  ~TaskLocalState();
  TaskLocalState(const TaskLocalState&) = delete;
  TaskLocalState& operator=(const TaskLocalState&) = delete;

  /// An empty store for one operator of a task's attempt. May block.
  Result<std::shared_ptr<ColdStore>> open_store(TaskId task, int attempt, size_t stage);

 private:
  const std::string root_;
  const size_t bytes_per_store_;
  std::mutex mutex_;
  std::shared_ptr<RocksDbStores> stores_;
};

}  // namespace sluice
