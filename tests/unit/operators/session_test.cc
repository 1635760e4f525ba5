// Session windows: rules 7 and 8, and what the general window operator keeps.
#include <tuple>

#include <doctest/doctest.h>

#include "operators/trigger_continuous.h"
#include "operators/window_factories.h"
#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Click {
  Text user;
  int64_t value = 0;
  friend bool operator==(const Click&, const Click&) = default;
};
SLUICE_RECORD(Click, user, value);

struct Visit {
  Text user;
  int64_t start = 0;
  int64_t end = 0;
  int64_t sum = 0;
  friend bool operator==(const Visit&, const Visit&) = default;
};
SLUICE_RECORD(Visit, user, start, end, sum);

struct SumClicks {
  int64_t create_accumulator() const { return 0; }
  void add(const Click& click, int64_t& sum) const { sum += click.value; }
  int64_t get_result(const int64_t& sum) const { return sum; }
  void merge(int64_t& into, const int64_t& part) const { into += part; }
};

constexpr auto kUser = [](const Click& click) { return click.user; };
constexpr auto kToVisit = [](const Text& user, const TimeWindow& window,
                             std::span<const int64_t> sums, Collector<Visit>& out) {
  out.collect({user, window.start.ms, window.end.ms, sums[0]});
};

OperatorFactory visits(Duration gap, Duration lateness = Duration(0), int late_tag = -1) {
  return make_aggregate_window_operator<Text, Click, Visit>(
      WindowSpec{EventTimeSessionWindows::with_gap(gap), lateness, late_tag}, kUser,
      EventTimeTrigger{}, SumClicks{}, kToVisit);
}

TEST_CASE("semantics rule 7: sessions that overlap or merely touch merge, others do not") {
  OperatorHarness<Visit> harness(visits(10ms));
  REQUIRE(harness.open().is_ok());
  harness.push<Click>({{"ann", 1}, {"ann", 2}, {"ann", 4}, {"bob", 8}}, {0, 10, 21, 5});
  harness.watermark(19);
  CHECK(harness.take_values() == std::vector<Visit>{{"bob", 5, 15, 8}, {"ann", 0, 20, 3}});
  harness.watermark(100);
  CHECK(harness.take_values() == std::vector<Visit>{{"ann", 21, 31, 4}});
  CHECK(harness.op().snapshot(CheckpointId{1}).is_ok());
}

TEST_CASE("semantics rule 7: an element between two sessions makes them one, old timers are gone") {
  OperatorHarness<Visit> harness(visits(10ms));
  REQUIRE(harness.open().is_ok());
  harness.push<Click>({{"ann", 1}, {"ann", 2}}, {0, 15});
  harness.push<Click>({{"ann", 4}}, {7});
  harness.watermark(23);  // Past the ends 9 and 16 of the parts.
  CHECK(harness.take_values().empty());
  harness.watermark(24);
  CHECK(harness.take_values() == std::vector<Visit>{{"ann", 0, 25, 7}});
  harness.watermark(1000);
  CHECK(harness.take_values().empty());
}

TEST_CASE(
    "semantics rule 7: lateness is judged on the merged window, which can rescue an element") {
  OperatorHarness<Visit> harness(visits(10ms, Duration(0), 3));
  harness.add_side_output<Click>(3);
  REQUIRE(harness.open().is_ok());
  harness.push<Click>({{"ann", 1}}, {20});
  harness.watermark(25);
  harness.push<Click>({{"ann", 2}, {"bob", 4}}, {12, 12});  // [12, 22) alone would be late.
  harness.watermark(100);
  CHECK(harness.take_values() == std::vector<Visit>{{"ann", 12, 30, 3}});
  const auto late = harness.take_side<Click>(1);
  REQUIRE(late.size() == 1);
  CHECK(late[0].value == Click{"bob", 4});
  CHECK(harness.metrics().counter("late").value() == 1);
}

TEST_CASE("semantics rule 5: a late element within allowed lateness fires its session again") {
  OperatorHarness<Visit> harness(visits(10ms, Duration(50)));
  REQUIRE(harness.open().is_ok());
  harness.push<Click>({{"ann", 1}}, {0});
  harness.watermark(30);
  CHECK(harness.take_values() == std::vector<Visit>{{"ann", 0, 10, 1}});
  harness.push<Click>({{"ann", 2}}, {5});
  CHECK(harness.take_values() == std::vector<Visit>{{"ann", 0, 15, 3}});
  harness.watermark(64);  // 14 + 50: cleaned up.
  harness.push<Click>({{"ann", 4}}, {5});
  harness.watermark(1000);
  CHECK(harness.take_values().empty());
  CHECK(harness.metrics().counter("late").value() == 1);
}

TEST_CASE("sessions: the gap may depend on the element") {
  const auto gap = [](const Click& click) { return Duration(click.value); };
  OperatorHarness<Visit> harness(make_aggregate_window_operator<Text, Click, Visit>(
      WindowSpec{EventTimeSessionWindows::with_dynamic_gap(gap)}, kUser, EventTimeTrigger{},
      SumClicks{}, kToVisit));
  REQUIRE(harness.open().is_ok());
  harness.push<Click>({{"ann", 5}, {"ann", 20}, {"ann", 1}}, {0, 5, 26});
  harness.watermark(100);
  CHECK(harness.take_values() == std::vector<Visit>{{"ann", 0, 25, 25}, {"ann", 26, 27, 1}});
}

TEST_CASE("semantics rule 8: a trigger that cannot merge is refused for sessions") {
  const auto delta = [](const Click& a, const Click& b) { return b.value - a.value; };
  OperatorHarness<Visit> harness(make_aggregate_window_operator<Text, Click, Visit>(
      WindowSpec{EventTimeSessionWindows::with_gap(1s)}, kUser, delta_trigger<Click>(1, delta),
      SumClicks{}, kToVisit));
  const Status status = harness.open();
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.message().find("does not merge") != std::string::npos);
}

TEST_CASE("semantics rule 8: an aggregate without merge is no mergeable aggregate") {
  struct Last {
    int64_t create_accumulator() const { return 0; }
    void add(const Click& click, int64_t& last) const { last = click.value; }
    int64_t get_result(const int64_t& last) const { return last; }
  };
  static_assert(!kCanMerge<Last> && kCanMerge<SumClicks>);
  static_assert(!WindowAccumulator<Click, Last>::kCanAbsorb);
  // Without merge a sliding window runs with one accumulator per window instead of panes.
  static_assert(!kRunsInPanes<SlidingEventTimeWindows, EventTimeTrigger, Last, EmitAggregate>);
  static_assert(kRunsInPanes<TumblingEventTimeWindows, EventTimeTrigger, Last, EmitAggregate>);
  OperatorHarness<int64_t> harness(make_aggregate_window_operator<Text, Click, int64_t>(
      WindowSpec{SlidingEventTimeWindows::of(10ms, 5ms)}, kUser, EventTimeTrigger{}, Last{}));
  REQUIRE(harness.open().is_ok());
  harness.push<Click>({{"ann", 1}, {"ann", 2}}, {1, 6});
  harness.watermark(100);
  CHECK(harness.take_values() == std::vector<int64_t>{1, 2, 2});
}

TEST_CASE("sessions: elements kept for a process function keep their texts and their order") {
  const auto join = [](const Text& user, const TimeWindow&, std::span<const Click> clicks,
                       Collector<Text>& out) {
    std::string all = user.str();
    for (const Click& click : clicks) all += " " + std::to_string(click.value);
    for (const Click& click : clicks) CHECK(click.user == user);
    out.collect(Text(all));
  };
  OperatorHarness<Text> harness(make_list_window_operator<Text, Click, Text>(
      WindowSpec{EventTimeSessionWindows::with_gap(10ms)}, kUser, EventTimeTrigger{}, NoEvictor{},
      join));
  REQUIRE(harness.open().is_ok());
  harness.push<Click>({{"a user with a long name", 1}}, {0});
  harness.push<Click>({{"a user with a long name", 2}}, {15});
  (void)harness.snapshot();
  harness.push<Click>({{"a user with a long name", 3}}, {8});
  harness.watermark(100);
  const auto rows = harness.take_values();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] == "a user with a long name 1 2 3");
}

TEST_CASE("sessions: a snapshot restores windows, timers and lateness at another parallelism") {
  const auto push_all = [](OperatorHarness<Visit>& harness, const std::vector<Click>& clicks,
                           const std::vector<int64_t>& times, int subtask, int parallelism) {
    std::vector<Click> mine;
    std::vector<int64_t> mine_times;
    for (size_t i = 0; i < clicks.size(); ++i) {
      const int group = key_group_of(stable_hash(clicks[i].user), kDefaultMaxParallelism);
      const auto range = key_group_range_of(subtask, parallelism, kDefaultMaxParallelism);
      if (!range.contains(group)) continue;
      mine.push_back(clicks[i]);
      mine_times.push_back(times[i]);
    }
    harness.push(mine, mine_times);
  };
  std::vector<Click> first;
  std::vector<Click> second;
  std::vector<int64_t> first_times;
  std::vector<int64_t> second_times;
  for (int64_t i = 0; i < 300; ++i) {
    const std::string user = "user number " + std::to_string(i % 30);
    first.push_back({Text(user), i});
    first_times.push_back(i * 7 % 90);
    second.push_back({Text(user), 1});
    second_times.push_back(i * 11 % 150);
  }
  OperatorHarness<Visit> whole(visits(5ms));
  REQUIRE(whole.open().is_ok());
  whole.push(first, first_times);
  whole.watermark(60);
  (void)whole.take();
  const MemorySnapshot snapshot = whole.snapshot();
  whole.push(second, second_times);
  whole.watermark(kMaxTime.ms);
  auto expected = whole.take_values();
  REQUIRE(whole.metrics().counter("late").value() > 0);

  std::vector<Visit> restored;
  std::vector<std::unique_ptr<OperatorHarness<Visit>>> parts;
  int64_t late = 0;
  for (int subtask = 0; subtask < 3; ++subtask) {
    parts.push_back(std::make_unique<OperatorHarness<Visit>>(visits(5ms)));
    OperatorHarness<Visit>& part = *parts.back();
    part.context().task.subtask = subtask;
    part.context().task.parallelism = 3;
    auto reader = snapshot.reader(subtask, 3);
    REQUIRE(part.open(&reader).is_ok());
    push_all(part, second, second_times, subtask, 3);
    part.watermark(kMaxTime.ms);
    for (const Visit& visit : part.take_values()) restored.push_back(visit);
    late += part.metrics().counter("late").value();
  }
  const auto order = [](const Visit& a, const Visit& b) {
    return std::tie(a.start, a.user) < std::tie(b.start, b.user);
  };
  std::sort(expected.begin(), expected.end(), order);
  std::sort(restored.begin(), restored.end(), order);
  CHECK(restored == expected);
  CHECK(late == whole.metrics().counter("late").value());
}

TEST_CASE("sessions: a million timers on one watermark leave in small outputs") {
  constexpr int64_t kUsers = 50'000;
  struct Count {
    int64_t create_accumulator() const { return 0; }
    void add(int64_t& n, const int64_t& /*user*/) const { ++n; }
    int64_t get_result(const int64_t& n) const { return n; }
    void merge(int64_t& into, const int64_t& part) const { into += part; }
  };
  OperatorHarness<int64_t> harness(make_aggregate_window_operator<int64_t, int64_t, int64_t>(
      WindowSpec{EventTimeSessionWindows::with_gap(1s)}, [](int64_t user) { return user; },
      EventTimeTrigger{}, Count{}));
  harness.set_output_rows(32);
  REQUIRE(harness.open().is_ok());
  std::vector<int64_t> users;
  std::vector<int64_t> times;
  for (int64_t i = 0; i < kUsers; ++i) {
    users.push_back(i);
    times.push_back(i % 500);
  }
  harness.push(users, times);
  harness.count_only();
  harness.watermark(kMaxTime.ms);
  CHECK(harness.rows_emitted() == kUsers);
  CHECK(harness.rows_waiting_max() <= 32);
}

}  // namespace
}  // namespace sluice
