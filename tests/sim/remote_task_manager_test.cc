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
    const auto nothing = []() -> Behavior { return {[](HeartbeatsLost) {}}; };
    other_ = system_->spawn<Probe>(nothing);
    watch_ = system_->spawn<Probe>([this]() -> Behavior {
      return {[this](const RefuseHeartbeats& refuse) { refused_.push_back(refuse.reason); }};
    });
    master_ = system_->spawn<Probe>([this]() -> Behavior {
      return {[this](const TaskFinished&) { ++finished_; },
              [this](const TaskFailed& failed) { failed_.push_back(failed.status); }};
    });
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
    settings->heartbeat_watch = watch_;
    settings->outbox = to_worker_;
    stand_in_ = system_->spawn<RemoteTaskManagerActor>(std::move(settings));
    system_.drain();
    fence_.incarnation = "worker";
    fence_.job = master_.id();
  }
  ~ManagerWorld() {
    for (const ActorHandle& actor : {stand_in_, master_, worker_, watch_, other_})
      system_.end(actor);
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
  /// The next message of the worker never arrives.
  void lose() {
    from_worker_.post(*wrap(fence_, proto::NumbersReported()), [](const auto&) {});
  }
  /// A heartbeat has told how many messages the worker has sent.
  void tell() {
    caf::send_as(watch_, stand_in_, ControlTold{from_worker_.sent()});
    system_.drain();
  }
  void register_again() {
    caf::anon_send(stand_in_, RegistrationLost{"because"});
    system_.drain();
  }
  int finished() const { return finished_; }
  const std::vector<Status>& failed() const { return failed_; }
  /// Why its heartbeats are refused.
  const std::vector<std::string>& refused() const { return refused_; }

  /// Attempts that the worker is told to let go when the master ends.
  std::vector<int32_t> released_with_master() {
    system_.end(master_);
    return released_;
  }

 private:
  template <class M>
  void from_worker(int32_t attempt, const M& message) {
    fence_.attempt = attempt;
    from_worker_.post(*wrap(fence_, message), [this](auto stamped) {
      caf::send_as(worker_, stand_in_, std::move(stamped));
    });
    system_.drain();
  }

  ManualClock clock_;
  std::shared_ptr<const JobPlan> plan_ =
      *make_job_plan(make_toy_graph({}, std::make_shared<ToyRecord>()), "toy", {}, 2);
  std::shared_ptr<JobMetrics> metrics_ = std::make_shared<JobMetrics>(plan_);
  std::vector<int32_t> released_;
  std::vector<std::string> refused_;
  std::vector<Status> failed_;
  int finished_ = 0;
  const std::shared_ptr<ControlOutbox> to_worker_ = std::make_shared<ControlOutbox>(4);
  ControlOutbox from_worker_{4};
  Fence fence_;
  DrainedSystem system_;
  ActorHandle other_;
  ActorHandle watch_;
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

TEST_CASE("remote_task_manager: what follows a lost message is not believed, and there is an end") {
  ManagerWorld world;
  world.run(1);
  world.tell();
  CHECK(world.refused().empty());
  world.lose();
  world.finish(1);
  CHECK(world.finished() == 0);
  REQUIRE(world.refused().size() == 1);
  CHECK(world.refused()[0].find("of 3 messages only the first 1") != std::string::npos);
  // Its tasks run on until it registers again, so they must not be started elsewhere before.
  CHECK(world.failed().empty());
  world.register_again();
  REQUIRE(world.failed().size() == 1);
  CHECK(world.failed()[0].code() == StatusCode::kUnavailable);
}

TEST_CASE("task_directory: a TaskManager that registers again is there, whoever comes first") {
  TaskDirectory directory;
  directory.joined("a", 1, {});
  directory.joined("b", 1, {});
  directory.joined("a", 2, {});
  directory.left("a", 1);
  CHECK(directory.task_managers().size() == 2);
  directory.left("a", 2);
  directory.left("b", 1);
  CHECK(directory.task_managers().empty());
}

TEST_CASE("remote_task_manager: a lost last message is missed with the next heartbeat") {
  ManagerWorld world;
  world.run(1);
  world.lose();
  CHECK(world.refused().empty());
  world.tell();
  world.tell();
  CHECK(world.refused().size() == 1);
}

}  // namespace
}  // namespace sluice
