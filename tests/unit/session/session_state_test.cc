#include "session/session_state.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

AgentReport report_of(const std::string& name, int slots) {
  AgentReport report;
  report.incarnation = "incarnation-" + name;
  report.name = name;
  report.host = "host-" + name;
  report.slots = slots;
  return report;
}

SessionState::JobNeed need_of(int slots) {
  SessionState::JobNeed need;
  need.artefact = std::string(64, 'a');
  need.words = {"--role", "taskmanager"};
  need.slots = slots;
  return need;
}

WorkerReport running(const WorkerOrder& order, int64_t pid) {
  WorkerReport worker;
  worker.id = order.id;
  worker.state = "running";
  worker.pid = pid;
  return worker;
}

WorkerReport ended(const WorkerOrder& order, const std::string& how) {
  WorkerReport worker = running(order, 1);
  worker.state = "ended";
  worker.how = how;
  worker.last_words = "its last line";
  return worker;
}

TaskManagerInspection worker_at(const std::string& node, int64_t pid, int64_t tasks) {
  TaskManagerInspection worker;
  worker.node = node;
  worker.pid = pid;
  worker.tasks = tasks;
  return worker;
}

SessionState make_state() {
  SessionState::Settings settings;
  settings.lease_prefix = "1-";
  return SessionState(settings);
}

TEST_CASE("session_state: an agent is told of the workers that a job needs") {
  SessionState state = make_state();
  const AgentReport agent = report_of("a", 4);
  CHECK(state.beat(agent, 0)->is_new);
  CHECK(!state.beat(agent, 10)->is_new);
  const int64_t before = state.revision();
  state.set_need("job", need_of(3));
  state.allocate(20);
  CHECK(state.revision() > before);
  const AgentOrders orders = state.orders_of(agent.incarnation);
  CHECK(orders.workers.size() == 1);
  CHECK(orders.workers[0].words ==
        std::vector<std::string>{"--slots", "3", "--role", "taskmanager"});
  CHECK(state.waits_for("job").empty());
  state.drop("job");
  CHECK(state.orders_of(agent.incarnation).workers.empty());
  CHECK(state.free_slots() == 4);
}

TEST_CASE(
    "session_state: a job with too few slots waits, says why, and starts when an agent joins") {
  SessionState state = make_state();
  CHECK(state.beat(report_of("a", 2), 0).is_ok());
  state.set_need("large", need_of(4));
  state.set_need("small", need_of(1));
  state.allocate(0);
  CHECK(state.waits_for("large") ==
        "waiting for slots: 4 are needed, it has 0, 1 of the session's 2 are free");
  CHECK(state.lent_to("small") == 1);
  CHECK(state.beat(report_of("b", 3), 1).is_ok());
  state.allocate(1);
  CHECK(state.lent_to("large") == 4);
}

TEST_CASE("session_state: a worker that dies is replaced after a pause that grows") {
  SessionState state = make_state();
  AgentReport agent = report_of("a", 2);
  CHECK(state.beat(agent, 0).is_ok());
  state.set_need("job", need_of(2));
  state.allocate(0);
  int64_t now = 100'000;
  int64_t last_pause = 0;
  for (int death = 0; death < 4; ++death) {
    const auto orders = state.orders_of(agent.incarnation);
    CHECK(orders.workers.size() == 1);
    agent.workers = {ended(orders.workers[0], "killed by SIGSEGV")};
    const auto beat = state.beat(agent, now);
    CHECK(beat->deaths == std::vector<std::string>{
                              "job job: a worker on a ended, killed by SIGSEGV: its last line"});
    CHECK(state.last_death("job") == "a worker on a ended, killed by SIGSEGV: its last line");
    // Told again, it is no second death.
    CHECK(state.beat(agent, now)->deaths.empty());
    int64_t pause = 0;
    for (; state.lent_to("job") == 0; ++pause) state.allocate(now + pause);
    CHECK(pause > last_pause);
    last_pause = pause;
    now += pause;
  }
}

TEST_CASE("session_state: an agent that is not heard is gone, and comes back as a new one") {
  SessionState state = make_state();
  const AgentReport silent = report_of("silent", 2);
  CHECK(state.beat(silent, 0).is_ok());
  CHECK(state.beat(report_of("other", 2), 0).is_ok());
  state.set_need("job", need_of(4));
  state.allocate(0);
  CHECK(state.lent_to("job") == 4);
  CHECK(state.beat(report_of("other", 2), 1900).is_ok());
  CHECK(state.expire(2000).empty());
  CHECK(state.expire(2001) == std::vector<std::string>{"silent"});
  CHECK(state.lent_to("job") == 2);
  CHECK(state.last_death("job") == "agent silent is lost with its workers");
  CHECK(state.beat(silent, 3000)->is_new);
  // What it ran before is not wanted any more.
  CHECK(state.orders_of(silent.incarnation).workers.empty());
  state.allocate(3000);
  CHECK(state.lent_to("job") == 4);
  CHECK(state.orders_of(silent.incarnation).workers[0].id == "1-3");
}

/// A job takes all slots of two agents, whose workers run as the processes `pid_a` and `pid_b`.
void run_workers(SessionState& state, AgentReport& a, int64_t pid_a, AgentReport& b,
                 int64_t pid_b) {
  CHECK(state.beat(a, 0).is_ok());
  CHECK(state.beat(b, 0).is_ok());
  state.set_need("job", need_of(4));
  state.allocate(0);
  a.workers = {running(state.orders_of(a.incarnation).workers[0], pid_a)};
  b.workers = {running(state.orders_of(b.incarnation).workers[0], pid_b)};
  CHECK(state.beat(a, 1).is_ok());
  CHECK(state.beat(b, 1).is_ok());
}

TEST_CASE("session_state: idle workers of a job that needs fewer slots give them back") {
  SessionState state = make_state();
  AgentReport a = report_of("a", 2);
  AgentReport b = report_of("b", 2);
  run_workers(state, a, 10, b, 20);
  const TaskManagerInspection idle = worker_at("host-b:4000", 20, 0);
  const TaskManagerInspection busy = worker_at("host-a:4000", 10, 3);
  state.release_idle("job", {idle, busy});
  CHECK(state.lent_to("job") == 4);  // It needs them all.
  state.set_need("job", need_of(2));
  state.release_idle("job", {idle, busy});
  CHECK(state.lent_to("job") == 2);
  CHECK(state.orders_of(b.incarnation).workers.empty());
}

TEST_CASE("session_state: workers of two hosts may have one process number, as in containers") {
  SessionState state = make_state();
  AgentReport a = report_of("a", 2);
  AgentReport b = report_of("b", 2);
  run_workers(state, a, 7, b, 7);
  const auto idle = worker_at("host-a:4000", 7, 0);
  const auto busy = worker_at("host-b:4000", 7, 3);
  const auto agents = state.agents(0, 1, {{"job", {idle, busy}}, {"other", {busy}}});
  REQUIRE(agents.size() == 2);
  CHECK(agents[0].tasks == 0);
  CHECK(agents[1].tasks == 3);
  state.set_need("job", need_of(2));
  state.release_idle("job", {idle, busy});
  CHECK(state.orders_of(a.incarnation).workers.empty());
  CHECK(state.orders_of(b.incarnation).workers.size() == 1);
}

TEST_CASE("session_state: there is a limit of agents, and an agent keeps its slots") {
  SessionState::Settings settings;
  settings.agents_max = 1;
  SessionState state(settings);
  CHECK(state.beat(report_of("a", 2), 0).is_ok());
  CHECK(state.beat(report_of("b", 2), 0).status().code() == StatusCode::kResourceExhausted);
  CHECK(state.beat(report_of("a", 3), 0).status().code() == StatusCode::kInvalidArgument);
  state.leave("incarnation-a");
  CHECK(state.beat(report_of("b", 2), 0).is_ok());
}

TEST_CASE("agent_protocol: what is out of bounds is refused") {
  CHECK(agent_report_from_json(to_json(report_of("a", 2))).is_ok());
  CHECK(!agent_report_from_json(to_json(report_of("a", 0))).is_ok());
  CHECK(!agent_report_from_json(to_json(report_of("a", kAgentSlotsMax + 1))).is_ok());
  CHECK(!agent_report_from_json(to_json(report_of("a\x1b[2J", 1))).is_ok());
  CHECK(!agent_report_from_json("[").is_ok());
  AgentOrders orders;
  orders.workers.push_back({"1-1", "../../etc", std::string(64, 'a'), {}, "", 1});
  CHECK(!agent_orders_from_json(to_json(orders)).is_ok());
  orders.workers[0].job = "0123456789ab";
  CHECK(agent_orders_from_json(to_json(orders)).is_ok());
  orders.workers[0].artefact = "../" + std::string(61, 'a');
  CHECK(!agent_orders_from_json(to_json(orders)).is_ok());
}

}  // namespace
}  // namespace sluice
