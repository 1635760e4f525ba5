#include "state/checkpoint_protocol.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

namespace event = checkpoint_event;
namespace action = checkpoint_action;

constexpr TaskId kSource{{0}, 0};
constexpr TaskId kMap{{1}, 0};
constexpr TaskId kSink{{2}, 0};
constexpr AttemptId kFirst{1};

/// Gives events to a protocol and keeps the actions.
struct Driver {
  CheckpointProtocolOptions options{.interval = Duration(1000), .timeout = Duration(10'000)};
  std::unique_ptr<CheckpointProtocol> protocol;
  int64_t now = 0;
  std::vector<CheckpointAction> actions;
  std::vector<CheckpointTask> tasks{{kSource, kFirst, true}, {kMap, kFirst}, {kSink, kFirst}};

  void start() {
    protocol = std::make_unique<CheckpointProtocol>(options);
    give(event::IdsReserved{{1}, {100}});
    give(event::TasksRunning{tasks});
  }
  template <class Event>
  void give(Event what) {
    actions = protocol->step({now, std::move(what)});
  }
  void advance_to(int64_t ms) {
    now = ms;
    give(event::Tick{});
  }
  template <class Action>
  const Action* find() const {
    for (const auto& each : actions) {
      if (const auto* found = std::get_if<Action>(&each)) return found;
    }
    return nullptr;
  }
  template <class Action>
  size_t count() const {
    size_t n = 0;
    for (const auto& each : actions) n += std::holds_alternative<Action>(each) ? 1 : 0;
    return n;
  }
  /// The id that was triggered by the last event, after its coordinators answered; 0 if none.
  CheckpointId triggered() {
    const auto* snapshot = find<action::SnapshotCoordinators>();
    if (snapshot == nullptr) return {};
    const CheckpointId id = snapshot->barrier.checkpoint;
    give(event::CoordinatorsSnapshotted{id, {}});
    return id;
  }
  void acknowledge(CheckpointId id, TaskId task, AttemptId attempt = kFirst) {
    give(event::Acknowledged{id, task, attempt, {}, std::make_shared<TaskSnapshot>()});
  }
  void acknowledge_all(CheckpointId id) {
    for (const auto& task : tasks) acknowledge(id, task.id, task.attempt);
  }
  void complete(CheckpointId id) {
    acknowledge_all(id);
    REQUIRE(find<action::Publish>() != nullptr);
    give(event::Published{id, {}});
  }
  void finish_all() {
    for (const auto& task : tasks) give(event::TaskFinished{task.id, task.attempt});
  }
};

SnapshotRequest savepoint(bool stop = false, bool drain = false) {
  return {.request = 7, .stop = stop, .drain = drain, .target = "/savepoints/a"};
}

}  // namespace

TEST_CASE_FIXTURE(Driver,
                  "checkpoint_protocol: coordinators first, then sources, then completion") {
  start();
  advance_to(999);
  CHECK(actions.empty());
  CHECK(protocol->next_tick_ms() == 1000);
  advance_to(1000);
  REQUIRE(find<action::SnapshotCoordinators>() != nullptr);
  CHECK(count<action::TriggerTasks>() == 0);
  const CheckpointId id = triggered();
  const auto* trigger = find<action::TriggerTasks>();
  REQUIRE(trigger != nullptr);
  CHECK(trigger->tasks == std::vector<TaskId>{kSource});
  CHECK(trigger->barrier.triggered_ms == 1000);
  acknowledge(id, kSink);
  CHECK(count<action::ReleaseCoordinators>() == 0);
  acknowledge(id, kSource);
  CHECK(count<action::ReleaseCoordinators>() == 1);
  CHECK(count<action::Publish>() == 0);
  acknowledge(id, kMap);
  const auto* publish = find<action::Publish>();
  REQUIRE(publish != nullptr);
  CHECK(publish->snapshots.size() == 3);
  CHECK(count<action::NotifyComplete>() == 0);
  now = 1030;
  give(event::Published{id, {}});
  REQUIRE(find<action::NotifyComplete>() != nullptr);
  CHECK_FALSE(find<action::NotifyComplete>()->confirm);
  const CheckpointStats& stats = find<action::Report>()->stats;
  CHECK(stats.to_line().find("checkpoint 1 complete after 30 ms: 3/3 subtasks") == 0);
  CHECK(protocol->last_complete() == id);
}

TEST_CASE_FIXTURE(Driver,
                  "checkpoint_protocol: acknowledgements of an earlier attempt do not count") {
  start();
  advance_to(1000);
  const CheckpointId old = triggered();
  acknowledge(old, kSource);
  give(event::TasksStopping{"map (1/1) failed"});
  REQUIRE(find<action::Abort>() != nullptr);
  CHECK(find<action::Abort>()->id == old);
  for (auto& task : tasks) task.attempt = AttemptId{2};
  give(event::TasksRunning{tasks});
  advance_to(2500);
  const CheckpointId id = triggered();
  CHECK(id > old);
  acknowledge(old, kMap, AttemptId{2});
  for (const auto& task : tasks) acknowledge(id, task.id, kFirst);
  CHECK(actions.empty());
  give(event::Declined{id, kMap, kFirst, Status::io_error("late")});
  CHECK(actions.empty());
  give(event::Published{old, {}});
  CHECK(actions.empty());
  acknowledge_all(id);
  CHECK(find<action::Publish>() != nullptr);
}

TEST_CASE_FIXTURE(Driver,
                  "checkpoint_protocol: a task that kept running has still reached its end") {
  start();
  give(event::TaskFinished{kSource, kFirst});
  give(event::TaskFinished{kMap, kFirst});
  give(event::TasksStopping{"map (1/1) failed"});
  for (auto& task : tasks) task.attempt = task.id == kMap ? AttemptId{2} : kFirst;
  give(event::TasksRunning{tasks});
  give(event::TaskFinished{kSink, kFirst});
  CHECK(triggered() == CheckpointId{});  // The map has to come to its end again.
  give(event::TaskFinished{kMap, AttemptId{2}});
  const CheckpointId last = triggered();
  REQUIRE(last != CheckpointId{});
  CHECK(find<action::TriggerTasks>()->tasks.size() == 3);
  complete(last);
  CHECK(find<action::NotifyComplete>()->confirm);
}

TEST_CASE_FIXTURE(Driver, "semantics rule 26: ids grow and are not used twice, whatever happens") {
  start();
  CheckpointId last;
  for (int i = 1; i <= 40; ++i) {
    advance_to(i * 20'000);
    const CheckpointId id = triggered();
    if (id == CheckpointId{}) continue;
    CHECK(id > last);
    last = id;
    if (i % 4 == 0) complete(id);
    if (i % 4 == 1) give(event::Declined{id, kMap, kFirst, Status::cancelled("overtaken")});
    if (i % 4 == 2) give(event::TasksStopping{"restart"});
    if (i % 4 == 2) give(event::TasksRunning{tasks});
  }
  CHECK(last.value >= 20);
  CHECK(protocol->next_id() == CheckpointId{last.value + 1});
}

TEST_CASE_FIXTURE(Driver, "checkpoint_protocol: no id, no checkpoint; a block is asked for once") {
  protocol = std::make_unique<CheckpointProtocol>(options);
  give(event::TasksRunning{tasks});
  advance_to(1000);
  CHECK(count<action::ReserveIds>() == 1);
  advance_to(1500);
  CHECK(actions.empty());
  give(event::IdsReserved{{33}, {34}});
  CHECK(triggered() == CheckpointId{33});
  complete({33});
  advance_to(5000);
  CHECK(count<action::ReserveIds>() == 1);
  give(event::IdsNotReserved{Status::io_error("disk")});
  CHECK(find<action::FailJob>() != nullptr);
}

TEST_CASE_FIXTURE(Driver, "semantics rule 28: an intermediate savepoint commits nothing") {
  start();
  give(event::Requested{savepoint()});
  const CheckpointId id = triggered();
  const auto* trigger = find<action::TriggerTasks>();
  REQUIRE(trigger != nullptr);
  CHECK(trigger->barrier.kind == CheckpointKind::kSavepoint);
  CHECK_FALSE(trigger->barrier.terminal);
  CHECK(trigger->target == "/savepoints/a");
  advance_to(3000);  // A periodic one waits for it.
  CHECK(actions.empty());
  complete(id);
  CHECK(count<action::NotifyComplete>() == 0);
  REQUIRE(find<action::SnapshotAnswer>() != nullptr);
  CHECK(find<action::SnapshotAnswer>()->request == 7);
  CHECK(find<action::SnapshotAnswer>()->status.is_ok());
  CHECK(protocol->last_complete() == CheckpointId{});
  CHECK(triggered() > id);
}

TEST_CASE_FIXTURE(Driver,
                  "semantics rules 28 and 30: stop with savepoint is terminal and commits") {
  start();
  SUBCASE("without drain") { give(event::Requested{savepoint(true)}); }
  SUBCASE("with drain") { give(event::Requested{savepoint(true, true)}); }
  const CheckpointId id = triggered();
  const Barrier barrier = find<action::TriggerTasks>()->barrier;
  CHECK(barrier.terminal);
  acknowledge_all(id);
  CHECK(find<action::Publish>()->drained == barrier.drain);
  finish_all();
  CHECK(count<action::TriggerTasks>() == 0);
  give(event::Published{id, {}});
  REQUIRE(find<action::NotifyComplete>() != nullptr);
  CHECK(find<action::NotifyComplete>()->confirm);
  CHECK(count<action::SnapshotAnswer>() == 0);
  advance_to(9000);
  CHECK(actions.empty());
  for (const auto& task : tasks) {
    CHECK(count<action::JobDone>() == 0);
    give(event::CompletionConfirmed{id, task.id, kFirst});
  }
  REQUIRE(find<action::JobDone>() != nullptr);
  CHECK(find<action::JobDone>()->stopped);
  CHECK(find<action::SnapshotAnswer>()->status.is_ok());
}

TEST_CASE_FIXTURE(
    Driver,
    "checkpoint_protocol: a stop that fails restarts the job, unless it had begun to commit") {
  start();
  give(event::Requested{savepoint(true)});
  const CheckpointId id = triggered();
  SUBCASE("declined") {
    give(event::Declined{id, kMap, kFirst, Status::io_error("no")});
    REQUIRE(find<action::FailJob>() != nullptr);
    CHECK(find<action::FailJob>()->may_restart);
    CHECK_FALSE(find<action::SnapshotAnswer>()->status.is_ok());
  }
  SUBCASE("committing") {
    complete(id);
    give(event::TasksStopping{"sink (1/1) failed"});
    REQUIRE(find<action::FailJob>() != nullptr);
    CHECK_FALSE(find<action::FailJob>()->may_restart);
    CHECK(find<action::SnapshotAnswer>()->status.message().find("/savepoints/a") !=
          std::string::npos);
    CHECK(find<action::SnapshotAnswer>()->id == id);
  }
}

TEST_CASE_FIXTURE(Driver,
                  "semantics rule 31: the job ends after one more checkpoint and its commits") {
  start();
  advance_to(1000);
  const CheckpointId running = triggered();
  acknowledge(running, kSource);
  give(event::TaskFinished{kSource, kFirst});
  CHECK(actions.empty());  // It had acknowledged.
  give(event::TaskFinished{kMap, kFirst});
  // Its barrier will not come any more: it is asked directly.
  REQUIRE(find<action::TriggerTasks>() != nullptr);
  CHECK(find<action::TriggerTasks>()->tasks == std::vector<TaskId>{kMap});
  acknowledge(running, kMap);
  give(event::TaskFinished{kSink, kFirst});
  acknowledge(running, kSink);
  give(event::Published{running, {}});
  CHECK(find<action::NotifyComplete>() != nullptr);
  CHECK_FALSE(find<action::NotifyComplete>()->confirm);
  // The last one starts at once, on all tasks.
  const CheckpointId last = triggered();
  CHECK(last > running);
  CHECK(find<action::TriggerTasks>()->tasks.size() == 3);
  complete(last);
  CHECK(find<action::NotifyComplete>()->confirm);
  for (const auto& task : tasks) give(event::CompletionConfirmed{last, task.id, kFirst});
  REQUIRE(find<action::JobDone>() != nullptr);
  CHECK_FALSE(find<action::JobDone>()->stopped);
}

TEST_CASE_FIXTURE(Driver, "checkpoint_protocol: a final checkpoint that fails is tried again") {
  options.tolerable_failures = 1;
  start();
  finish_all();
  const CheckpointId first = triggered();
  acknowledge_all(first);
  now = 50;
  give(event::Published{first, Status::resource_exhausted("disk full")});
  CHECK(find<action::Abort>() != nullptr);
  CHECK(count<action::FailJob>() == 0);
  CHECK(protocol->next_tick_ms() == 1050);
  advance_to(1049);
  CHECK(actions.empty());
  advance_to(1050);
  complete(triggered());
  CHECK(find<action::NotifyComplete>()->confirm);
}

TEST_CASE_FIXTURE(
    Driver, "checkpoint_protocol: without an interval nothing is taken, also not at the end") {
  options.interval = Duration(0);
  start();
  advance_to(1'000'000);
  CHECK(actions.empty());
  CHECK(protocol->next_tick_ms() == CheckpointProtocol::kNever);
  finish_all();
  CHECK(actions.empty());
}

TEST_CASE_FIXTURE(
    Driver, "checkpoint_protocol: time-out, tolerable failures in a row, then the job fails") {
  options.tolerable_failures = 2;
  start();
  advance_to(1000);
  for (int i = 0; i < 3; ++i) {
    // The interval has long passed when one times out, so the next follows at once.
    const CheckpointId id = triggered();
    REQUIRE(id.value == i + 1);
    CHECK(protocol->next_tick_ms() == now + 10'000);
    advance_to(now + 9'999);
    CHECK(actions.empty());
    advance_to(now + 1);
    REQUIRE(find<action::Abort>() != nullptr);
    CHECK(find<action::Abort>()->id == id);
    CHECK(find<action::Abort>()->reason.find("3 of 3 subtasks") != std::string::npos);
    CHECK((find<action::FailJob>() != nullptr) == (i == 2));
  }
}

TEST_CASE_FIXTURE(Driver,
                  "checkpoint_protocol: a complete checkpoint resets the count of failures") {
  options.tolerable_failures = 1;
  start();
  for (int i = 1; i < 20; ++i) {
    advance_to(i * 5000);
    const CheckpointId id = triggered();
    if (i % 2 == 0) {
      complete(id);
    } else {
      give(event::Declined{id, kMap, kFirst, Status::io_error("disk")});
    }
    CHECK(count<action::FailJob>() == 0);
  }
}

TEST_CASE_FIXTURE(Driver, "checkpoint_protocol: min pause and max concurrent are kept") {
  options.min_pause = Duration(700);
  options.max_concurrent = 1;
  start();
  advance_to(1000);
  const CheckpointId first = triggered();
  advance_to(2500);
  CHECK(actions.empty());
  complete(first);
  CHECK(protocol->next_tick_ms() == 3200);
  advance_to(3199);
  CHECK(actions.empty());
  advance_to(3200);
  CHECK(triggered() > first);
}

TEST_CASE_FIXTURE(Driver,
                  "checkpoint_protocol: a task that wants a checkpoint does not wait for it") {
  start();
  advance_to(300);
  give(event::Wanted{kSink, kFirst, {}});
  const CheckpointId first = triggered();
  CHECK(first == CheckpointId{1});
  // This one has not come to the task yet, so it is what the task wants.
  give(event::Wanted{kSink, kFirst, {}});
  complete(first);
  CHECK(find<action::SnapshotCoordinators>() == nullptr);
  advance_to(1299);
  CHECK(find<action::SnapshotCoordinators>() == nullptr);
  advance_to(1300);
  const CheckpointId second = triggered();
  CHECK(second == CheckpointId{2});
  // It has passed the task already: the next one follows as soon as this is complete.
  give(event::Wanted{kSink, kFirst, second});
  CHECK(find<action::SnapshotCoordinators>() == nullptr);
  complete(second);
  CHECK(triggered() == CheckpointId{3});
}

TEST_CASE_FIXTURE(Driver, "checkpoint_protocol: wanting one breaks no rule about when one may be") {
  options.min_pause = Duration(200);
  start();
  advance_to(1000);
  const CheckpointId first = triggered();
  complete(first);
  advance_to(1100);
  give(event::Wanted{kSink, AttemptId{0}, first});
  CHECK(protocol->next_tick_ms() == 2000);
  give(event::Wanted{kSink, kFirst, first});
  CHECK(find<action::SnapshotCoordinators>() == nullptr);
  CHECK(protocol->next_tick_ms() == 1200);
  advance_to(1200);
  CHECK(triggered() == CheckpointId{2});

  // Checkpoints on request alone stay so.
  options.interval = Duration(0);
  start();
  give(event::Wanted{kSink, kFirst, {}});
  CHECK(actions.empty());
  CHECK(protocol->next_tick_ms() == CheckpointProtocol::kNever);
}

TEST_CASE_FIXTURE(Driver, "semantics rule 26: completing n makes older pending ones void") {
  options.max_concurrent = 2;
  start();
  advance_to(1000);
  const CheckpointId first = triggered();
  advance_to(2000);
  const CheckpointId second = triggered();
  REQUIRE(second > first);
  complete(second);
  REQUIRE(find<action::Abort>() != nullptr);
  CHECK(find<action::Abort>()->id == first);
  CHECK(find<action::NotifyComplete>()->id == second);
  CHECK(protocol->failures_in_a_row() == 0);
  acknowledge_all(first);
  CHECK(actions.empty());
}

TEST_CASE_FIXTURE(
    Driver, "checkpoint_protocol: requests are answered when the job is not running or ends") {
  protocol = std::make_unique<CheckpointProtocol>(options);
  give(event::Requested{savepoint()});
  CHECK(find<action::SnapshotAnswer>()->status.code() == StatusCode::kUnavailable);
  start();
  give(event::Requested{savepoint()});
  const CheckpointId id = triggered();
  give(event::Requested{savepoint(true)});
  CHECK(actions.empty());  // One after the other.
  give(event::TasksStopping{"failure"});
  CHECK(count<action::SnapshotAnswer>() == 2);
  CHECK(count<action::Abort>() == 1);
  CHECK(find<action::Abort>()->id == id);
}

}  // namespace sluice
