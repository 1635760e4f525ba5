#include "actors/job_manager_actor.h"

#include <utility>

#include "actors/job_master_actor.h"

namespace sluice {

JobManagerActor::JobManagerActor(ActorConfig& config, Settings settings)
    : ActorBase(config), settings_(settings) {}

Behavior JobManagerActor::make_behavior() {
  describe("", "");
  // on_exit() tells everyone who still waits.
  guard_handlers(this, [](const std::string&) {});
  on_actor_down(this, [this](const caf::actor_addr& address) { actor_down(address); });
  return {
      [this](const RegisterTaskManager& registration) {
        const auto id = next_task_manager_++;
        task_managers_[id] = {registration.task_manager, registration.node};
        slots_.add_task_manager(id, registration.slots);
        monitor(registration.task_manager);
        offer_waiting();
      },
      [this](SubmitJob& submission) { submit(submission); },
      [this](const AllocateSlots& wanted) {
        if (jobs_.count(wanted.job) > 0) offer_slots(wanted);
      },
      [this](const JobEnded& ended) { job_ended(ended.job, ended.result); },
      [this](const StartJob& start) { to_master(start); },
      [this](const StopJob& stop) { to_master(stop); },
      [this](const CancelJob& cancel) { to_master(cancel); },
      [this](const InspectJob& inspect) {
        if (!to_master(inspect)) inspect.answer({});
      },
      [this](const SnapshotJob& snapshot) {
        if (!to_master(snapshot)) snapshot.answer(Status::not_found("the job has ended"), "");
      },
  };
}

template <class Message>
bool JobManagerActor::to_master(const Message& message) {
  bool any = false;
  for (const auto& [number, job] : jobs_) {
    if (message.job != 0 && message.job != number) continue;
    send(job.master, message);
    any = true;
  }
  return any;
}

void JobManagerActor::on_exit() {
  waiting_.clear();
  while (!jobs_.empty()) {
    JobResult lost;
    lost.job = jobs_.begin()->second.name;
    lost.error = Status::internal("JobManager ended");
    job_ended(jobs_.begin()->first, lost);
  }
  task_managers_.clear();
}

void JobManagerActor::submit(SubmitJob& submission) {
  const JobNumber number = next_job_++;
  JobMasterActor::Settings settings;
  settings.number = number;
  settings.plan = submission.plan;
  settings.metrics = submission.metrics;
  settings.io = settings_.io;
  settings.clock = settings_.clock;
  settings.checkpoints = submission.checkpoints;
  settings.on_note = submission.on_note;
  settings.job_manager = caf::actor_cast<ActorHandle>(this);
  const ActorHandle master = spawn<JobMasterActor>(std::move(settings));
  monitor(master);
  jobs_[number] = {submission.plan->job_name,
                   master,
                   std::move(submission.on_end),
                   std::move(submission.on_note),
                   {}};
  if (!submission.is_held) send(master, StartJob{number});
}

SlotsAllocated JobManagerActor::allocate(const AllocateSlots& wanted) {
  SlotsAllocated allocated;
  // A job that starts again gives back what it had.
  slots_.release(wanted.job);
  auto slots = slots_.allocate(wanted.job, wanted.slots);
  if (!slots.is_ok()) {
    allocated.status = slots.status();
    return allocated;
  }
  for (const auto id : *slots) allocated.slots.push_back(task_managers_[id].actor);
  return allocated;
}

void JobManagerActor::offer_slots(const AllocateSlots& wanted) {
  Job& job = jobs_[wanted.job];
  SlotsAllocated allocated = allocate(wanted);
  if (allocated.status.is_ok() || !(settings_.wait_for_slots || task_managers_.empty())) {
    job.waiting_for.clear();
    send(job.master, std::move(allocated));
    return;
  }
  const std::string& why = allocated.status.message();
  if (job.waiting_for != why && settings_.wait_for_slots && job.on_note) {
    job.on_note("waiting for slots: " + why);
  }
  job.waiting_for = why;
  waiting_.push_back(wanted);
}

void JobManagerActor::offer_waiting() {
  for (const auto& wanted : std::exchange(waiting_, {})) {
    if (jobs_.count(wanted.job) > 0) offer_slots(wanted);
  }
}

void JobManagerActor::job_ended(JobNumber number, const JobResult& result) {
  const auto found = jobs_.find(number);
  if (found == jobs_.end()) return;
  const auto on_end = std::move(found->second.on_end);
  jobs_.erase(found);
  slots_.release(number);
  if (on_end) on_end(result);
  offer_waiting();
}

void JobManagerActor::actor_down(const caf::actor_addr& address) {
  for (const auto& [id, task_manager] : task_managers_) {
    if (task_manager.actor.address() != address) continue;
    for (const JobNumber number : slots_.remove_task_manager(id)) {
      send(jobs_[number].master, TaskManagerLost{task_manager.node});
    }
    task_managers_.erase(id);
    return;
  }
  for (const auto& [number, job] : jobs_) {
    if (job.master.address() != address) continue;
    JobResult lost;
    lost.job = job.name;
    lost.error = Status::internal("JobMaster ended without a result");
    job_ended(number, lost);
    return;
  }
}

}  // namespace sluice
