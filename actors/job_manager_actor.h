// The dispatcher: takes jobs, gives each a JobMaster, and hands out slots.
//
// Never runs user code. It watches masters and TaskManagers: a master that ends without a result is
// a failed job, a TaskManager that ends takes its slots with it.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "actors/messages.h"
#include "actors/slot_pool.h"

namespace sluice {

class JobManagerActor final : public ActorBase {
 public:
  struct Settings {
    const Clock* clock = nullptr;
    IoRunner* io = nullptr;
    /// A job without enough slots waits for a TaskManager to join, instead of failing.
    bool wait_for_slots = false;
  };
  JobManagerActor(ActorConfig& config, Settings settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "job_manager"; }

 private:
  struct Job {
    std::string name;
    ActorHandle master;
    std::function<void(JobResult)> on_end;
    std::function<void(const std::string&)> on_note;
    std::string waiting_for;  // Why it has no slots; empty while it has.
  };
  struct TaskManagerEntry {
    ActorHandle actor;
    std::string node;
  };
  void submit(SubmitJob& submission);
  SlotsAllocated allocate(const AllocateSlots& wanted);
  void offer_slots(const AllocateSlots& wanted);
  void offer_waiting();
  void job_ended(JobNumber number, const JobResult& result);
  /// To the master of a job; false when there is no such job.
  template <class Message>
  bool to_master(const Message& message);
  void actor_down(const caf::actor_addr& address);

  Settings settings_;
  SlotPool slots_;
  std::map<SlotPool::TaskManagerId, TaskManagerEntry> task_managers_;
  std::map<JobNumber, Job> jobs_;
  // Slots wanted and not there yet, in order.
  std::vector<AllocateSlots> waiting_;
  JobNumber next_job_ = 1;
  SlotPool::TaskManagerId next_task_manager_ = 1;
};

}  // namespace sluice
