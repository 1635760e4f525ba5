// Which TaskManager has how many free slots, and who gets them.
//
// Plain bookkeeping of the JobManager. A job gets all the slots it needs or none. Slots are spread:
// each is taken from the TaskManager with most free ones, so load is even.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/status.h"

namespace sluice {

class SlotPool {
 public:
  using TaskManagerId = int;
  using JobId = int;

  void add_task_manager(TaskManagerId id, int slots);
  /// Its slots are gone; returns the jobs that had some of them.
  std::vector<JobId> remove_task_manager(TaskManagerId id);

  /// One TaskManager per slot wanted, or why not.
  Result<std::vector<TaskManagerId>> allocate(JobId job, int slots);
  void release(JobId job);

  int total_slots() const;
  int free_slots() const;

 private:
  struct Entry {
    int slots = 0;
    std::map<JobId, int> used;
    int free() const;
  };
  std::map<TaskManagerId, Entry> task_managers_;
};

}  // namespace sluice
