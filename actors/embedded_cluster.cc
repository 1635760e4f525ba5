#include "actors/embedded_cluster.h"

#include <mutex>
#include <utility>
#include <vector>

#include "actors/job_manager_actor.h"
#include "actors/task_manager_actor.h"

namespace sluice {

class EmbeddedCluster::System {
 public:
  explicit System(const Settings& settings)
      : config_(settings), io_(settings.io_threads), actors_(config_) {
    JobManagerActor::Settings manager;
    manager.clock = settings.clock;
    manager.io = &io_;
    job_manager_ = actors_.spawn<JobManagerActor>(manager);
    TaskManagerActor::Settings tasks;
    tasks.clock = settings.clock;
    tasks.io = &io_;
    tasks.slots = settings.slots;
    tasks.job_manager = job_manager_;
    task_manager_ = actors_.spawn<TaskManagerActor>(std::move(tasks));
  }

  // I/O work posts to actors, so it must be done before the actor system goes; and actors post I/O
  // work, so they must have ended before the threads go. Members are destroyed in that order.
  void shut_down() {
    caf::anon_send_exit(task_manager_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(job_manager_, caf::exit_reason::user_shutdown);
    task_manager_ = nullptr;
    actors_.await_all_actors_done();
    io_.stop();
    job_manager_ = nullptr;
  }

  const ActorHandle& job_manager() const { return job_manager_; }
  const ActorDirectory& directory() const { return *config_.directory; }

 private:
  struct Config : ActorSystemConfig {
    explicit Config(const Settings& settings) {
      configure_task_scheduler(*this, settings.scheduler_threads);
      directory = std::make_shared<ActorDirectory>(*settings.clock);
    }
  };
  Config config_;
  ThreadPoolIoRunner io_;
  caf::actor_system actors_;
  ActorHandle job_manager_;
  ActorHandle task_manager_;
};

EmbeddedCluster::EmbeddedCluster(const Settings& settings)
    : system_(std::make_unique<System>(settings)) {}

EmbeddedCluster::~EmbeddedCluster() {
  if (system_) system_->shut_down();
}

void EmbeddedCluster::submit(SubmitJob submission) {
  send_from_outside(system_->job_manager(), std::move(submission));
}

void EmbeddedCluster::start_jobs() { send_from_outside(system_->job_manager(), StartJob{}); }

void EmbeddedCluster::stop_jobs(StopJob stop) {
  send_from_outside(system_->job_manager(), std::move(stop));
}

void EmbeddedCluster::inspect(InspectJob inspect) {
  send_from_outside(system_->job_manager(), std::move(inspect));
}

void EmbeddedCluster::snapshot(SnapshotJob snapshot) {
  send_from_outside(system_->job_manager(), std::move(snapshot));
}

const ActorDirectory& EmbeddedCluster::directory() const { return system_->directory(); }

void EmbeddedCluster::cancel_jobs() { send_from_outside(system_->job_manager(), CancelJob{}); }

void EmbeddedCluster::abandon() {
  // Kept reachable: threads of the system still use it.
  static std::mutex mutex;
  static auto& abandoned = *std::make_unique<std::vector<std::unique_ptr<System>>>().release();
  const std::lock_guard lock(mutex);
  abandoned.push_back(std::move(system_));
}

}  // namespace sluice
