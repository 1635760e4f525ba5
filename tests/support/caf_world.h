// The real actors on CAF's test scheduler: one thread, a virtual clock, and a seed that picks which
// actor handles its next message. The same seed gives the same run.
//
// Rules learnt the hard way (see docs/testing.md): CAF's own run() is neither fair nor does it end
// while a timer renews itself, so steps are made here one by one; timers fire in small ticks of the
// virtual clock; before the system is torn down every actor is told to end and the queue is
// drained.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <caf/scheduler/test_coordinator.hpp>
#include <doctest/doctest.h>

#include "actors/io_runner.h"
#include "actors/job_manager_actor.h"
#include "actors/messages.h"
#include "actors/task_manager_actor.h"
#include "core/random.h"

namespace sluice {

/// Moves on by a little whenever it is read, so that work takes time; single-threaded.
class TickingClock final : public Clock {
 public:
  int64_t wall_ms() const override { return now_ns_ / 1'000'000; }
  int64_t steady_ns() const override { return now_ns_ += kTickNs; }
  int64_t peek_ns() const { return now_ns_; }
  void advance(Duration by) { now_ns_ += by.count() * 1'000'000; }

 private:
  static constexpr int64_t kTickNs = 10'000;
  mutable int64_t now_ns_ = 0;
};

class CafWorld {
 public:
  explicit CafWorld(uint64_t seed, int slots = 64) : random_(seed), system_(config_) {
    JobManagerActor::Settings manager;
    manager.clock = &clock_;
    manager.io = &io_;
    job_manager_ = system_.spawn<JobManagerActor>(manager);
    TaskManagerActor::Settings tasks;
    tasks.clock = &clock_;
    tasks.io = &io_;
    tasks.slots = slots;
    tasks.may_detach = false;
    tasks.job_manager = job_manager_;
    task_manager_ = system_.spawn<TaskManagerActor>(std::move(tasks));
  }
  ~CafWorld() {
    caf::anon_send_exit(task_manager_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(job_manager_, caf::exit_reason::user_shutdown);
    while (scheduler().try_run_once()) {
    }
  }
  CafWorld(const CafWorld&) = delete;
  CafWorld& operator=(const CafWorld&) = delete;

  /// Submits a job; its result appears in result().
  void submit(LogicalGraph graph, const Options& options) {
    auto plan = make_job_plan(std::move(graph), "sim", options, 2);
    REQUIRE(plan.is_ok());
    metrics_ = std::make_shared<JobMetrics>(*plan);
    caf::anon_send(job_manager_, SubmitJob{*plan, metrics_, [this](JobResult result) {
                                             result_ = std::move(result);
                                           }});
  }
  const std::optional<JobResult>& result() const { return result_; }
  const ActorHandle& job_manager() const { return job_manager_; }
  const ActorHandle& task_manager() const { return task_manager_; }

  /// One message of one actor drawn from the seed, or a millisecond of waiting. False when the job
  /// has ended or `kIdleMax` of virtual time passed without anything happening: a hang.
  bool step() {
    if (result_) return false;
    auto& jobs = scheduler().jobs;
    if (jobs.empty()) {
      clock_.advance(Duration(1));
      scheduler().advance_time(std::chrono::milliseconds(1));
      return ++idle_ms_ < kIdleMaxMs;
    }
    idle_ms_ = 0;
    const size_t pick = random_.below(jobs.size());
    std::swap(jobs[0], jobs[pick]);
    trace_ = combine(trace_, pick);
    const int64_t before_ns = clock_.peek_ns();
    scheduler().try_run_once();
    scheduler().advance_time(std::chrono::nanoseconds(clock_.peek_ns() - before_ns));
    ++steps_;
    return true;
  }
  /// Steps until the job ends; `at_step` runs before each step. False on a hang.
  bool run(const std::function<void(int64_t step)>& at_step = nullptr) {
    do {
      if (at_step) at_step(steps_);
    } while (step());
    return result_.has_value();
  }

  /// Which choices were made: equal for equal seeds.
  uint64_t trace() const { return trace_; }
  int64_t steps() const { return steps_; }
  Random& random() { return random_; }

 private:
  static constexpr int64_t kIdleMaxMs = 120'000;
  static uint64_t combine(uint64_t seed, uint64_t next) { return splitmix64(seed ^ next); }
  struct Config : caf::actor_system_config {
    Config() { set("scheduler.policy", caf::atom("testing")); }
  };
  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }

  Random random_;
  TickingClock clock_;
  InlineIoRunner io_;
  Config config_;
  caf::actor_system system_;
  ActorHandle job_manager_;
  ActorHandle task_manager_;
  std::shared_ptr<JobMetrics> metrics_;
  std::optional<JobResult> result_;
  uint64_t trace_ = 1;
  int64_t steps_ = 0;
  int64_t idle_ms_ = 0;
};

}  // namespace sluice
