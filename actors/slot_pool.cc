#include "actors/slot_pool.h"

namespace sluice {

int SlotPool::Entry::free() const {
  int result = slots;
  for (const auto& [job, count] : used) result -= count;
  return result;
}

void SlotPool::add_task_manager(TaskManagerId id, int slots) { task_managers_[id].slots = slots; }

std::vector<SlotPool::JobId> SlotPool::remove_task_manager(TaskManagerId id) {
  std::vector<JobId> jobs;
  const auto found = task_managers_.find(id);
  if (found == task_managers_.end()) return jobs;
  for (const auto& [job, count] : found->second.used) jobs.push_back(job);
  task_managers_.erase(found);
  return jobs;
}

Result<std::vector<SlotPool::TaskManagerId>> SlotPool::allocate(JobId job, int slots) {
  if (slots > free_slots()) {
    return Status::resource_exhausted("the job needs " + std::to_string(slots) + " slots, " +
                                      std::to_string(free_slots()) + " of " +
                                      std::to_string(total_slots()) + " are free");
  }
  std::vector<TaskManagerId> result;
  while (static_cast<int>(result.size()) < slots) {
    auto best = task_managers_.begin();
    for (auto it = task_managers_.begin(); it != task_managers_.end(); ++it) {
      if (it->second.free() > best->second.free()) best = it;
    }
    ++best->second.used[job];
    result.push_back(best->first);
  }
  return result;
}

void SlotPool::release(JobId job) {
  for (auto& [id, entry] : task_managers_) entry.used.erase(job);
}

int SlotPool::total_slots() const {
  int total = 0;
  for (const auto& [id, entry] : task_managers_) total += entry.slots;
  return total;
}

int SlotPool::free_slots() const {
  int total = 0;
  for (const auto& [id, entry] : task_managers_) total += entry.free();
  return total;
}

}  // namespace sluice
