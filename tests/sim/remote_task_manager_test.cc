// What the actor that stands for a TaskManager remembers, on CAF's test scheduler.
#include <doctest/doctest.h>

#include "actors/remote_task_manager_actor.h"
#include "tests/support/drained_system.h"
#include "tests/support/toy_job.h"

namespace sluice {
namespace {

constexpr TaskId kTask{VertexId{0}, 0};

/// A TaskManager elsewhere, the actor that stands for it, and a job's master.
class ManagerWorld {
 public:
  ManagerWorld() {
    const auto nothing = []() -> Behavior { return {[](const TaskFinished&) {}}; };
    other_ = system_->spawn<Probe>(nothing);
    master_ = system_->spawn<Probe>(nothing);
    worker_ = system_->spawn<Probe>([this]() -> Behavior {
      return {[this](const Wire<proto::ReleaseAttempt>& wire) {
        released_.push_back(wire.fence.attempt);
      }};
    });
    fence_.cluster = "cluster";
    fence_.incarnation = "manager";
    fence_.leader_epoch = 1;
    auto settings = std::make_shared<RemoteTaskManagerActor::Settings>();
    settings->clock = &clock_;
    settings->fence = fence_;
    settings->where = std::make_shared<Endpoint>(Endpoint{"host", 1, "worker"});
    settings->directory = std::make_shared<TaskDirectory>();
    settings->worker = worker_;
    settings->job_manager = other_;
    settings->heartbeat_watch = other_;
    stand_in_ = system_->spawn<RemoteTaskManagerActor>(std::move(settings));
    system_.drain();
    fence_.incarnation = "worker";
    fence_.job = master_.id();
  }
  ~ManagerWorld() {
    for (const ActorHandle& actor : {stand_in_, master_, worker_, other_}) system_.end(actor);
  }
  ManagerWorld(const ManagerWorld&) = delete;
  ManagerWorld& operator=(const ManagerWorld&) = delete;

  /// The TaskManager has not answered yet.
  void deploy(int32_t attempt) {
    DeployTasks deploy;
    deploy.plan = plan_;
    deploy.metrics = metrics_;
    deploy.attempt = AttemptId{attempt};
    deploy.tasks = {kTask};
    deploy.master = master_;
    caf::send_as(master_, stand_in_, std::move(deploy));
    system_.drain();
  }
  void run(int32_t attempt) {
    deploy(attempt);
    proto::TasksDeployed deployed;
    deployed.add_tasks();
    from_worker(attempt, deployed);
  }
  void finish(int32_t attempt) {
    proto::TaskReport report;
    report.mutable_task();
    report.set_finished(true);
    from_worker(attempt, report);
  }
  /// Attempts that the worker is told to let go when the master ends.
  std::vector<int32_t> released_with_master() {
    system_.end(master_);
    return released_;
  }

 private:
  template <class M>
  void from_worker(int32_t attempt, const M& message) {
    fence_.attempt = attempt;
    caf::send_as(worker_, stand_in_, *wrap(fence_, message));
    system_.drain();
  }

  ManualClock clock_;
  std::shared_ptr<const JobPlan> plan_ =
      *make_job_plan(make_toy_graph({}, std::make_shared<ToyRecord>()), "toy", {}, 2);
  std::shared_ptr<JobMetrics> metrics_ = std::make_shared<JobMetrics>(plan_);
  std::vector<int32_t> released_;
  Fence fence_;
  DrainedSystem system_;
  ActorHandle other_;
  ActorHandle master_;
  ActorHandle worker_;
  ActorHandle stand_in_;
};

TEST_CASE("remote_task_manager: attempts that are over are forgotten, others end with the job") {
  ManagerWorld world;
  for (int32_t attempt = 1; attempt <= 20; ++attempt) {
    world.run(attempt);
    world.finish(attempt);
  }
  world.deploy(21);
  const std::vector<int32_t> released = world.released_with_master();
  REQUIRE(released.size() == 1);
  CHECK(released[0] == 21);
}

}  // namespace
}  // namespace sluice
