#include "actors/job_state_machine.h"

#include <algorithm>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"

namespace sluice {
namespace {

using K = JobEventKind;
using A = JobAction;
using Actions = std::vector<JobAction>;

Status broken(const std::string& text = "broken") { return Status::io_error(text); }

/// A job of two tasks that has come as far as `phase` on the way to its good end.
JobStateMachine machine_at(JobPhase phase) {
  JobStateMachine machine(2);
  const auto reached = [&] { return machine.phase() == phase; };
  for (const JobEvent& event :
       {JobEvent{K::kStart}, JobEvent{K::kInputsChecked}, JobEvent{K::kSlotsAllocated},
        JobEvent{K::kTaskOpened, 0}, JobEvent{K::kTaskOpened, 1}, JobEvent{K::kTaskFinished, 0},
        JobEvent{K::kTaskFinished, 1}, JobEvent{K::kCommitted}}) {
    if (reached()) break;
    machine.on(event);
  }
  REQUIRE(reached());
  return machine;
}

TEST_CASE("job state machine: the good way") {
  JobStateMachine machine(2);
  CHECK(machine.on({K::kStart}) == Actions{A::kCheckInputs});
  CHECK(machine.on({K::kInputsChecked}) == Actions{A::kAllocateSlots});
  CHECK(machine.on({K::kSlotsAllocated}) == Actions{A::kDeployTasks});
  CHECK(machine.on({K::kTaskOpened, 1}) == Actions{});
  CHECK(machine.on({K::kTaskOpened, 0}) == Actions{A::kStartTasks});
  CHECK(machine.phase() == JobPhase::kRunning);
  CHECK(machine.on({K::kTaskFinished, 0}) == Actions{});
  CHECK(machine.live_tasks() == std::vector<size_t>{1});
  CHECK(machine.on({K::kTaskFinished, 1}) == Actions{A::kCommit});
  CHECK(machine.on({K::kCommitted}) == Actions{A::kEnd});
  CHECK(machine.phase() == JobPhase::kFinished);
  CHECK(machine.failure().is_ok());
}

TEST_CASE("job state machine: a failure before deployment ends at once") {
  for (const JobPhase phase : {JobPhase::kCreated, JobPhase::kChecking, JobPhase::kAllocating}) {
    auto machine = machine_at(phase);
    CHECK(machine.on({K::kFailed, 0, broken()}) == Actions{A::kEnd});
    CHECK(machine.phase() == JobPhase::kFailed);
    CHECK(machine.failed_before_start());
  }
  auto checking = machine_at(JobPhase::kChecking);
  CHECK(checking.on({K::kInputsChecked, 0, broken()}) == Actions{A::kEnd});
  auto allocating = machine_at(JobPhase::kAllocating);
  CHECK(allocating.on({K::kSlotsAllocated, 0, broken()}) == Actions{A::kEnd});
}

TEST_CASE("job state machine: a failed task cancels the others; the first failure is the cause") {
  for (const JobPhase phase : {JobPhase::kDeploying, JobPhase::kRunning}) {
    auto machine = machine_at(phase);
    CHECK(machine.on({K::kTaskFailed, 0, broken("first")}) == Actions{A::kCancelTasks});
    CHECK(machine.phase() == JobPhase::kFailing);
    CHECK(machine.on({K::kTaskFailed, 1, broken("second")}) == Actions{A::kDecideRestart});
    CHECK(machine.phase() == JobPhase::kRestarting);
    CHECK(machine.on({K::kRestartRefused}) == Actions{A::kDiscard, A::kEnd});
    CHECK(machine.phase() == JobPhase::kFailed);
    CHECK(machine.failure().message() == "first");
    CHECK_FALSE(machine.failed_before_start());
  }
}

TEST_CASE("job state machine: a task that ends between failure and cancel counts as ended") {
  auto machine = machine_at(JobPhase::kRunning);
  machine.on({K::kTaskFailed, 0, broken()});
  CHECK(machine.on({K::kTaskFinished, 1}) == Actions{A::kDecideRestart});
}

TEST_CASE("job state machine: a task that opens while the job is failing starts nothing") {
  auto machine = machine_at(JobPhase::kDeploying);
  machine.on({K::kTaskFailed, 0, broken()});
  CHECK(machine.on({K::kTaskOpened, 1}) == Actions{});
  CHECK(machine.on({K::kTaskCancelled, 1}) == Actions{A::kDecideRestart});
}

TEST_CASE("job state machine: a restart goes the whole way again, without the old failure") {
  auto machine = machine_at(JobPhase::kRunning);
  machine.on({K::kTaskFailed, 0, broken()});
  machine.on({K::kTaskCancelled, 1});
  CHECK(machine.on({K::kFailed, 0, broken("late echo")}) == Actions{});
  CHECK(machine.on({K::kRestartDue}) == Actions{A::kCheckInputs});
  CHECK(machine.attempt() == 1);
  CHECK(machine.failure().is_ok());
  CHECK(machine.live_tasks().empty());
  CHECK(machine.on({K::kRestartDue}) == Actions{});
  CHECK(machine.on({K::kInputsChecked}) == Actions{A::kAllocateSlots});
  // Before its tasks run, too: the world may be better the next time.
  CHECK(machine.on({K::kFailed, 0, broken()}) == Actions{A::kDecideRestart});
  CHECK_FALSE(machine.failed_before_start());
  CHECK(machine.on({K::kRestartDue}) == Actions{A::kCheckInputs});
  machine.on({K::kInputsChecked});
  machine.on({K::kSlotsAllocated});
  machine.on({K::kTaskOpened, 0});
  CHECK(machine.on({K::kTaskOpened, 1}) == Actions{A::kStartTasks});
}

TEST_CASE("job state machine: no restart when it is forbidden, refused for a reason or cancelled") {
  auto forbidden = machine_at(JobPhase::kRunning);
  forbidden.forbid_restart();
  forbidden.on({K::kTaskFailed, 0, broken()});
  CHECK(forbidden.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  auto refused = machine_at(JobPhase::kRunning);
  refused.on({K::kTaskFailed, 0, broken()});
  refused.on({K::kTaskCancelled, 1});
  CHECK(refused.on({K::kRestartRefused, 0, broken("no checkpoint")}) ==
        Actions{A::kDiscard, A::kEnd});
  CHECK(refused.failure().message() == "no checkpoint");
  auto cancelled = machine_at(JobPhase::kRunning);
  cancelled.on({K::kTaskFailed, 0, broken()});
  cancelled.on({K::kTaskCancelled, 1});
  CHECK(cancelled.on({K::kCancelRequested}) == Actions{A::kDiscard, A::kEnd});
  CHECK(cancelled.phase() == JobPhase::kCancelled);
  CHECK(cancelled.failure().is_ok());
}

TEST_CASE(
    "job state machine: stored state that does not fit is refused before the start, for good") {
  const Status unfit = Status::failed_precondition("state 'total': delay: stored as i32, now text");
  auto machine = machine_at(JobPhase::kDeploying);
  CHECK(machine.on({K::kTaskFailed, 0, unfit}) == Actions{A::kCancelTasks});
  CHECK(machine.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  CHECK(machine.phase() == JobPhase::kFailed);
  CHECK(machine.failed_before_start());
  CHECK(machine.failure().message() == unfit.message());

  JobStateMachine alone(1);
  for (const K kind : {K::kStart, K::kInputsChecked, K::kSlotsAllocated}) alone.on({kind});
  CHECK(alone.on({K::kTaskFailed, 0, unfit}) == Actions{A::kDiscard, A::kEnd});

  auto running = machine_at(JobPhase::kRunning);
  running.on({K::kTaskFailed, 0, unfit});
  CHECK(running.on({K::kTaskCancelled, 1}) == Actions{A::kDecideRestart});
  CHECK_FALSE(running.failed_before_start());
}

TEST_CASE("job state machine: cancelling waits for the tasks") {
  auto machine = machine_at(JobPhase::kRunning);
  CHECK(machine.on({K::kCancelRequested}) == Actions{A::kCancelTasks});
  CHECK(machine.on({K::kCancelRequested}) == Actions{});
  CHECK(machine.on({K::kTaskCancelled, 0}) == Actions{});
  CHECK(machine.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  CHECK(machine.phase() == JobPhase::kCancelled);
  CHECK(machine.failure().is_ok());
}

TEST_CASE("job state machine: a job that is cancelled while it fails does not restart") {
  auto machine = machine_at(JobPhase::kRunning);
  machine.on({K::kTaskFailed, 0, broken()});
  CHECK(machine.phase() == JobPhase::kFailing);
  CHECK(machine.on({K::kCancelRequested}) == Actions{});
  CHECK(machine.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  CHECK(machine.phase() == JobPhase::kCancelled);
  CHECK(machine.failure().is_ok());
}

TEST_CASE("job state machine: a job that fails for good is not cancelled any more") {
  auto machine = machine_at(JobPhase::kRunning);
  machine.forbid_restart();
  machine.on({K::kTaskFailed, 0, broken()});
  CHECK(machine.on({K::kCancelRequested}) == Actions{});
  machine.on({K::kTaskCancelled, 1});
  CHECK(machine.phase() == JobPhase::kFailed);
  CHECK(machine.failure().message() == broken().message());
}

TEST_CASE("job state machine: cancelling before deployment ends at once, while committing never") {
  auto checking = machine_at(JobPhase::kChecking);
  CHECK(checking.on({K::kCancelRequested}) == Actions{A::kEnd});
  CHECK(checking.phase() == JobPhase::kCancelled);
  auto finishing = machine_at(JobPhase::kFinishing);
  CHECK(finishing.on({K::kCancelRequested}) == Actions{});
  CHECK(finishing.on({K::kFailed, 0, broken()}) == Actions{});
  CHECK(finishing.on({K::kCommitted}) == Actions{A::kEnd});
  CHECK(finishing.phase() == JobPhase::kFinished);
}

TEST_CASE("job state machine: a refused commit fails the job") {
  auto machine = machine_at(JobPhase::kFinishing);
  CHECK(machine.on({K::kCommitted, 0, broken()}) == Actions{A::kEnd});
  CHECK(machine.phase() == JobPhase::kFailed);
  CHECK_FALSE(machine.failed_before_start());
}

TEST_CASE("job state machine: stop ends sources now or when the job runs, once") {
  auto running = machine_at(JobPhase::kRunning);
  CHECK(running.on({K::kStopRequested}) == Actions{A::kStopSources});
  CHECK(running.on({K::kStopRequested}) == Actions{});
  auto deploying = machine_at(JobPhase::kDeploying);
  CHECK(deploying.on({K::kStopRequested}) == Actions{});
  deploying.on({K::kTaskOpened, 0});
  CHECK(deploying.on({K::kTaskOpened, 1}) == Actions{A::kStartTasks, A::kStopSources});
}

TEST_CASE("job state machine: a task that never ends is given up and named live") {
  auto machine = machine_at(JobPhase::kRunning);
  machine.on({K::kCancelRequested});
  machine.on({K::kTaskCancelled, 0});
  CHECK(machine.on({K::kCancelTimedOut, 0, broken("stuck")}) == Actions{A::kEnd});
  CHECK(machine.phase() == JobPhase::kFailed);
  CHECK(machine.failure().message() == "stuck");
  CHECK(machine.live_tasks() == std::vector<size_t>{1});
}

TEST_CASE("job state machine: a task that ends without a reason is a failure") {
  auto machine = machine_at(JobPhase::kRunning);
  CHECK(machine.on({K::kTaskCancelled, 0}) == Actions{A::kCancelTasks});
  CHECK_FALSE(machine.failure().is_ok());
}

TEST_CASE("job state machine: any order of events keeps the invariants") {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    JobStateMachine machine(3);
    std::multiset<JobAction> seen;
    bool ended = false;
    for (int i = 0; i < 60; ++i) {
      const auto kind = static_cast<JobEventKind>(random.below(14));
      JobEvent event{kind, random.below(3)};
      if (random.one_in(8) || kind == K::kTaskFailed || kind == K::kFailed) event.status = broken();
      for (const JobAction action : machine.on(event)) {
        CHECK_FALSE(ended);
        seen.insert(action);
        if (action == A::kCommit) CHECK(machine.live_tasks().empty());
        if (action == A::kEnd) ended = true;
      }
    }
    for (const JobAction once : {A::kCommit, A::kDiscard, A::kEnd}) CHECK(seen.count(once) <= 1);
    const auto attempts = static_cast<size_t>(machine.attempt()) + 1;
    for (const JobAction per_attempt :
         {A::kCheckInputs, A::kDeployTasks, A::kStartTasks, A::kCancelTasks, A::kDecideRestart}) {
      CHECK(seen.count(per_attempt) <= attempts);
    }
    CHECK(ended == machine.is_at_end());
    CHECK((seen.count(A::kCommit) == 0 || seen.count(A::kDiscard) == 0));
    CHECK(seen.count(A::kStartTasks) <= seen.count(A::kDeployTasks));
  }
}

/// Tasks 0 and 1 are one region, 2 another; all run.
JobStateMachine machine_of_two_regions() {
  JobStateMachine machine(std::vector<size_t>{0, 0, 1});
  for (const K kind : {K::kStart, K::kInputsChecked, K::kSlotsAllocated}) machine.on({kind});
  for (const size_t task : {0, 1, 2}) machine.on({K::kTaskOpened, task});
  REQUIRE(machine.phase() == JobPhase::kRunning);
  return machine;
}

TEST_CASE("job state machine: a region restarts on its own, in its slots") {
  auto machine = machine_of_two_regions();
  CHECK(machine.on({K::kTaskFailed, 0, broken()}) == Actions{A::kCancelTasks});
  CHECK(machine.tasks_to_end() == std::vector<size_t>{1});
  CHECK(machine.on({K::kTaskCancelled, 1}) == Actions{A::kDecideRestart});
  CHECK(machine.live_tasks() == std::vector<size_t>{2});
  CHECK(machine.is_partial());
  CHECK_FALSE(machine.concerns(2));
  CHECK(machine.on({K::kRestartDue}) == Actions{A::kCheckInputs});
  CHECK(machine.on({K::kInputsChecked}) == Actions{A::kDeployTasks});
  CHECK(machine.on({K::kTaskOpened, 1}) == Actions{});
  CHECK(machine.on({K::kTaskOpened, 0}) == Actions{A::kStartTasks});
  CHECK(machine.phase() == JobPhase::kRunning);
  CHECK(machine.attempt() == 1);
  // And the other one the next time.
  CHECK(machine.on({K::kTaskFailed, 2, broken()}) == Actions{A::kDecideRestart});
  CHECK(machine.live_tasks() == std::vector<size_t>{0, 1});
}

TEST_CASE("job state machine: cancelling while a region fails ends the others, too") {
  auto machine = machine_of_two_regions();
  machine.on({K::kTaskFailed, 0, broken()});
  CHECK(machine.on({K::kCancelRequested}) == Actions{A::kCancelTasks});
  CHECK(machine.tasks_to_end() == std::vector<size_t>{1, 2});
  machine.on({K::kTaskCancelled, 1});
  CHECK(machine.on({K::kTaskCancelled, 2}) == Actions{A::kDiscard, A::kEnd});
  CHECK(machine.phase() == JobPhase::kCancelled);
}

TEST_CASE("job state machine: a restart of a part grows to all when more fails") {
  // At each step of the restart, and by each kind of failure.
  const std::vector<JobEvent> steps = {{K::kTaskFailed, 0, broken("first")},
                                       {K::kTaskCancelled, 1},
                                       {K::kRestartDue},
                                       {K::kInputsChecked},
                                       {K::kTaskOpened, 0}};
  for (size_t done = 1; done <= steps.size(); ++done) {
    for (const JobEvent& more :
         {JobEvent{K::kTaskFailed, 2, broken("second")}, JobEvent{K::kTaskCancelled, 2},
          JobEvent{K::kFailed, 0, broken("second")}, JobEvent{K::kTaskFinished, 2}}) {
      CAPTURE(done);
      CAPTURE(static_cast<int>(more.kind));
      auto machine = machine_of_two_regions();
      for (size_t i = 0; i < done; ++i) machine.on(steps[i]);
      const int attempt = machine.attempt();
      machine.on(more);
      CHECK_FALSE(machine.is_partial());
      // What was on its way for the smaller restart is out of date.
      if (done > 1) CHECK(machine.attempt() == attempt + 1);
      for (const size_t task : machine.tasks_to_end()) machine.on({K::kTaskCancelled, task});
      REQUIRE(machine.phase() == JobPhase::kRestarting);
      CHECK(machine.live_tasks().empty());
      CHECK(machine.on({K::kRestartDue}) == Actions{A::kCheckInputs});
      CHECK(machine.on({K::kInputsChecked}) == Actions{A::kAllocateSlots});
    }
  }
}

TEST_CASE("job state machine: all restart when the rest could not go on alone") {
  auto stopping = machine_of_two_regions();
  stopping.on({K::kStopRequested});
  stopping.on({K::kTaskFailed, 0, broken()});
  CHECK(stopping.tasks_to_end() == std::vector<size_t>{1, 2});
  auto ended = machine_of_two_regions();
  ended.on({K::kTaskFinished, 2});
  ended.on({K::kTaskFailed, 0, broken()});
  CHECK_FALSE(ended.is_partial());
}

TEST_CASE("job state machine: no restart of a part ends all tasks") {
  auto refused = machine_of_two_regions();
  refused.on({K::kTaskFailed, 2, broken()});
  CHECK(refused.on({K::kRestartRefused}) == Actions{A::kCancelTasks});
  CHECK(refused.tasks_to_end() == std::vector<size_t>{0, 1});
  CHECK(refused.on({K::kTaskCancelled, 0}) == Actions{});
  CHECK(refused.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  CHECK(refused.phase() == JobPhase::kFailed);
  CHECK(refused.failure().message() == "broken");

  auto forbidden = machine_of_two_regions();
  forbidden.on({K::kTaskFailed, 0, broken()});
  forbidden.forbid_restart();
  CHECK(forbidden.on({K::kTaskCancelled, 1}) == Actions{A::kCancelTasks});
  CHECK(forbidden.on({K::kTaskCancelled, 2}) == Actions{A::kDiscard, A::kEnd});

  auto cancelled = machine_of_two_regions();
  cancelled.on({K::kTaskFailed, 2, broken()});
  CHECK(cancelled.on({K::kCancelRequested}) == Actions{A::kCancelTasks});
  cancelled.on({K::kTaskCancelled, 0});
  CHECK(cancelled.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  CHECK(cancelled.phase() == JobPhase::kCancelled);
}

TEST_CASE("job state machine: a failure that says that trying again is no use is final") {
  const Status full = Status::resource_exhausted("windows do not fit", Retry::kNever);
  auto machine = machine_at(JobPhase::kRunning);
  CHECK(machine.on({K::kTaskFailed, 0, full}) == Actions{A::kCancelTasks});
  CHECK(machine.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  CHECK(machine.phase() == JobPhase::kFailed);
  CHECK(machine.failure().message() == "windows do not fit");

  // Nothing runs on beside it.
  auto regions = machine_of_two_regions();
  CHECK(regions.on({K::kTaskFailed, 2, full}) == Actions{A::kCancelTasks});
  CHECK(regions.tasks_to_end() == std::vector<size_t>{0, 1});

  auto elsewhere = machine_of_two_regions();
  elsewhere.on({K::kTaskFailed, 2, broken()});
  CHECK(elsewhere.on({K::kTaskFailed, 0, full}) == Actions{A::kCancelTasks});
  CHECK(elsewhere.on({K::kTaskCancelled, 1}) == Actions{A::kDiscard, A::kEnd});
  CHECK(elsewhere.failure().message() == "windows do not fit");

  // Failures that do not say so start the job again, those that may pass anyway.
  for (const Status& other :
       {broken(), Status::user_function("thrown"), Status::resource_exhausted("disk full")}) {
    auto again = machine_at(JobPhase::kRunning);
    again.on({K::kTaskFailed, 0, other});
    CHECK(again.on({K::kTaskCancelled, 1}) == Actions{A::kDecideRestart});
  }
}

/// A part's restart is no way around the invariants.
TEST_CASE("job state machine: with regions, too, any order of events keeps the invariants") {
  int partial = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    JobStateMachine machine = machine_of_two_regions();
    bool ended = false;
    for (int i = 0; i < 60 && !ended; ++i) {
      auto kind = static_cast<JobEventKind>(random.below(14));
      // Else hardly any run gets far.
      if (kind == K::kCancelRequested || kind == K::kStopRequested) {
        if (random.one_in(4)) kind = K::kInputsChecked;
      }
      JobEvent event{kind, random.below(3)};
      if (kind == K::kTaskFailed || kind == K::kFailed) event.status = broken();
      const std::vector<size_t> live = machine.live_tasks();
      for (const JobAction action : machine.on(event)) {
        const bool part = machine.is_partial();
        partial += part ? 1 : 0;
        if (action == A::kCancelTasks) CHECK_FALSE(machine.tasks_to_end().empty());
        if (action == A::kDecideRestart) CHECK(machine.tasks_to_end().empty());
        if (action == A::kAllocateSlots) CHECK(machine.live_tasks().empty());
        if (action == A::kStartTasks) CHECK(machine.live_tasks().size() == 3);
        if (action == A::kCommit) CHECK(machine.live_tasks().empty());
        if (action == A::kEnd) ended = true;
        for (const size_t task : live) {
          // Who is not concerned is touched by nobody.
          const bool stays = part && !machine.concerns(task) && task != event.task;
          const auto now = machine.live_tasks();
          if (stays) CHECK(std::find(now.begin(), now.end(), task) != now.end());
        }
      }
    }
    CHECK(ended == machine.is_at_end());
  }
  CHECK(partial > 1000);
}

}  // namespace
}  // namespace sluice
