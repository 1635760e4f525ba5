// Windows and assigners, and the pane operator: rules 1 to 6 and 10.
#include <stdexcept>
#include <tuple>

#include <doctest/doctest.h>

#include "operators/pane_window_operator.h"
#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Reading {
  int64_t sensor = 0;
  int64_t value = 0;
};
SLUICE_RECORD(Reading, sensor, value);

struct Total {
  int64_t sensor = 0;
  int64_t start = 0;
  int64_t end = 0;
  int64_t sum = 0;
  friend bool operator==(const Total&, const Total&) = default;
};
SLUICE_RECORD(Total, sensor, start, end, sum);

std::ostream& operator<<(std::ostream& out, const Total& total) {
  return out << "{" << total.sensor << " [" << total.start << "," << total.end << ") " << total.sum
             << "}";
}

struct SumValues {
  int64_t create_accumulator() const { return 0; }
  void add(int64_t& sum, const Reading& reading) const { sum += reading.value; }
  int64_t get_result(const int64_t& sum) const { return sum; }
  void merge(int64_t& into, const int64_t& part) const { into += part; }
};
struct InvertibleSum : SumValues {
  void retract(int64_t& total, const int64_t& part) const { total -= part; }
};

constexpr auto kSensor = [](const Reading& reading) { return reading.sensor; };
constexpr auto kToTotal = [](const int64_t& sensor, const TimeWindow& window,
                             std::span<const int64_t> sums, Collector<Total>& out) {
  out.collect({sensor, window.start.ms, window.end.ms, sums[0]});
};

template <class Agg = SumValues, class Assigner>
OperatorFactory totals(WindowSpec<Assigner> spec) {
  return make_pane_window_operator<int64_t, Reading, Total>(spec, kSensor, Agg{}, kToTotal);
}

template <class Assigner>
std::vector<TimeWindow> windows_of(const Assigner& assigner, int64_t time) {
  std::vector<TimeWindow> windows;
  assigner.assign(0, EventTime{time}, kMinTime, [&](const TimeWindow& w) { windows.push_back(w); });
  return windows;
}

TimeWindow window(int64_t start, int64_t end) { return {{start}, {end}}; }

TEST_CASE("semantics rule 1: a window ends before its end, fires at end - 1 and stamps end - 1") {
  OperatorHarness<Total> harness(totals(WindowSpec{TumblingEventTimeWindows::of(10ms)}));
  REQUIRE(harness.open().is_ok());
  harness.push<Reading>({{1, 5}, {1, 7}, {1, 100}}, {0, 9, 10});
  harness.watermark(8);
  CHECK(harness.take().empty());
  harness.watermark(9);
  const auto rows = harness.take();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].value == Total{1, 0, 10, 12});
  CHECK(rows[0].time.ms == 9);
  CHECK(harness.take_watermarks() == std::vector<int64_t>{8, 9});
}

TEST_CASE("semantics rule 2: window start is floored for negative timestamps") {
  CHECK(window_start({-1}, 10ms).ms == -10);
  CHECK(window_start({-10}, 10ms).ms == -10);
  CHECK(window_start({-11}, 10ms).ms == -20);
  CHECK(window_start({0}, 10ms).ms == 0);
  CHECK(window_start({3}, 10ms, 5ms).ms == -5);
  CHECK(window_start({-6}, 10ms, 5ms).ms == -15);
  CHECK(window_start({-6}, 10ms, -4ms).ms == -14);
  CHECK(windows_of(TumblingEventTimeWindows::of(10ms), -1) == std::vector{window(-10, 0)});
}

TEST_CASE("semantics rule 2: times at the ends of the range are clamped, not overflowed") {
  CHECK(window_start({kMaxTime.ms}, 10ms).ms <= kMaxTime.ms);
  const auto last = windows_of(TumblingEventTimeWindows::of(10ms), kMaxTime.ms - 1);
  REQUIRE(last.size() == 1);
  CHECK(last[0].end == kMaxTime);
  CHECK(windows_of(SlidingEventTimeWindows::of(10ms, 5ms), kMinTime.ms + 1).size() >= 1);
}

TEST_CASE("semantics rule 3: sliding windows are assigned from the last start down") {
  const auto sliding = SlidingEventTimeWindows::of(10ms, 4ms);
  CHECK(windows_of(sliding, 9) == std::vector{window(8, 18), window(4, 14), window(0, 10)});
  CHECK(windows_of(sliding, 10) == std::vector{window(8, 18), window(4, 14)});
  CHECK(windows_of(sliding, -1) == std::vector{window(-4, 6), window(-8, 2)});
}

TEST_CASE("semantics rule 3: slide > size drops the elements between the windows") {
  CHECK(windows_of(SlidingEventTimeWindows::of(4ms, 10ms), 4).empty());
  OperatorHarness<Total> harness(totals(WindowSpec{SlidingEventTimeWindows::of(4ms, 10ms)}));
  REQUIRE(harness.open().is_ok());
  harness.push<Reading>({{1, 1}, {1, 2}, {1, 4}, {1, 8}}, {3, 4, 9, 10});
  harness.watermark(100);
  CHECK(harness.take_values() == std::vector<Total>{{1, 0, 4, 1}, {1, 10, 14, 8}});
  CHECK(harness.metrics().counter("late").value() == 0);
}

TEST_CASE("semantics rule 4: an element is late when its windows are cleaned up, else it counts") {
  OperatorHarness<Total> harness(
      totals(WindowSpec{TumblingEventTimeWindows::of(10ms), Duration(5), 7}));
  harness.add_side_output<Reading>(7);
  REQUIRE(harness.open().is_ok());
  harness.push<Reading>({{1, 1}}, {3});
  harness.watermark(13);
  CHECK(harness.take_values() == std::vector<Total>{{1, 0, 10, 1}});
  harness.push<Reading>({{1, 2}}, {4});
  CHECK(harness.take_values() == std::vector<Total>{{1, 0, 10, 3}});
  harness.watermark(14);  // Cleanup time 9 + 5.
  harness.push<Reading>({{1, 4}}, {5});
  CHECK(harness.take_values().empty());
  const auto late = harness.take_side<Reading>(1);
  REQUIRE(late.size() == 1);
  CHECK(late[0].value.value == 4);
  CHECK(late[0].time.ms == 5);
  CHECK(harness.metrics().counter("late").value() == 1);
}

TEST_CASE(
    "semantics rule 4: an element behind the watermark still counts in windows not yet fired") {
  for (const bool invertible : {false, true}) {
    const WindowSpec spec{SlidingEventTimeWindows::of(10ms, 5ms)};
    OperatorHarness<Total> harness(invertible ? totals<InvertibleSum>(spec) : totals(spec));
    REQUIRE(harness.open().is_ok());
    harness.push<Reading>({{1, 1}}, {7});
    harness.watermark(9);
    CHECK(harness.take_values() == std::vector<Total>{{1, 0, 10, 1}});
    harness.push<Reading>({{1, 2}, {2, 4}}, {8, 6});  // Late for [0, 10), not for [5, 15).
    harness.watermark(30);
    CHECK(harness.take_values() == std::vector<Total>{{1, 5, 15, 3}, {2, 5, 15, 4}});
    CHECK(harness.metrics().counter("late").value() == 0);
  }
}

TEST_CASE(
    "semantics rule 4: cleanup time is clamped, so unlimited lateness keeps windows for ever") {
  OperatorHarness<Total> harness(
      totals(WindowSpec{TumblingEventTimeWindows::of(10ms), Duration(INT64_MAX)}));
  REQUIRE(harness.open().is_ok());
  harness.push<Reading>({{1, 1}}, {3});
  harness.watermark(1'000'000'000);
  harness.push<Reading>({{1, 2}}, {3});
  CHECK(harness.take_values() == std::vector<Total>{{1, 0, 10, 1}, {1, 0, 10, 3}});
}

TEST_CASE("semantics rule 5: every late but allowed element fires its windows again at once") {
  for (const bool invertible : {false, true}) {
    const WindowSpec spec{SlidingEventTimeWindows::of(10ms, 5ms), Duration(100)};
    OperatorHarness<Total> harness(invertible ? totals<InvertibleSum>(spec) : totals(spec));
    REQUIRE(harness.open().is_ok());
    harness.push<Reading>({{1, 1}, {1, 2}, {1, 4}}, {2, 7, 12});
    harness.watermark(19);
    CHECK(harness.take_values() ==
          std::vector<Total>{{1, -5, 5, 1}, {1, 0, 10, 3}, {1, 5, 15, 6}, {1, 10, 20, 4}});
    harness.push<Reading>({{1, 8}}, {8});
    CHECK(harness.take_values() == std::vector<Total>{{1, 5, 15, 14}, {1, 0, 10, 11}});
    harness.push<Reading>({{2, 16}}, {22});
    harness.watermark(24);
    CHECK(harness.take_values() == std::vector<Total>{{2, 15, 25, 16}});
  }
}

TEST_CASE("semantics rule 6: with lateness 0 a window fires first and is then gone") {
  OperatorHarness<Total> harness(totals(WindowSpec{TumblingEventTimeWindows::of(10ms)}));
  REQUIRE(harness.open().is_ok());
  harness.push<Reading>({{1, 1}}, {3});
  CHECK(harness.snapshot().keyed_entries() == 1);
  harness.watermark(9);
  CHECK(harness.take_values() == std::vector<Total>{{1, 0, 10, 1}});
  CHECK(harness.snapshot().keyed_entries() == 0);
  harness.push<Reading>({{1, 2}}, {3});
  harness.watermark(20);
  CHECK(harness.take_values().empty());
  CHECK(harness.metrics().counter("late").value() == 1);
}

TEST_CASE("semantics rule 10: an element without timestamp fails in event-time windows") {
  OperatorHarness<Total> harness(totals(WindowSpec{TumblingEventTimeWindows::of(10ms)}));
  REQUIRE(harness.open().is_ok());
  CHECK_THROWS_WITH_AS(harness.push<Reading>({{1, 1}}), doctest::Contains("no timestamp"),
                       std::invalid_argument);
}

TEST_CASE("windows: arguments that make no sense are refused with a reason") {
  const auto text = [](const auto& assigner) { return assigner.validate().message(); };
  CHECK(text(TumblingEventTimeWindows::of(0ms)).find("size must be above 0") != std::string::npos);
  CHECK(text(SlidingEventTimeWindows::of(10ms, 0ms)).find("slide") != std::string::npos);
  CHECK(text(TumblingEventTimeWindows::of(10ms, 10ms)).find("offset") != std::string::npos);
  CHECK(text(EventTimeSessionWindows::with_gap(0ms)).find("gap") != std::string::npos);
  CHECK(TumblingEventTimeWindows::of(24h, -8h).validate().is_ok());
  CHECK(WindowSpec{TumblingEventTimeWindows::of(1h), Duration(-1)}.validate().message().find(
            "lateness") != std::string::npos);
  OperatorHarness<Total> harness(totals(WindowSpec{TumblingEventTimeWindows::of(0ms)}));
  CHECK(harness.open().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("pane windows: a window of many keys fires in small outputs, nothing lost") {
  constexpr int64_t kKeys = 20'000;
  OperatorHarness<Total> harness(totals(WindowSpec{SlidingEventTimeWindows::of(20ms, 10ms)}));
  harness.set_output_rows(64);
  REQUIRE(harness.open().is_ok());
  std::vector<Reading> readings;
  std::vector<int64_t> times;
  for (int64_t i = 0; i < kKeys; ++i) {
    readings.push_back({i, i});
    times.push_back(i % 10);
  }
  harness.push(readings, times);
  harness.count_only();
  harness.watermark(kMaxTime.ms);
  CHECK(harness.rows_emitted() == 2 * kKeys);
  CHECK(harness.rows_waiting_max() <= 64);
  CHECK(harness.stops() >= 2 * kKeys / 64 - 1);
  CHECK(harness.take_watermarks() == std::vector<int64_t>{kMaxTime.ms});
}

// What comes out of a window operator that is stopped while it fires, frozen, and restored.
template <class Assigner, class Agg>
void check_snapshot_while_firing(const WindowSpec<Assigner>& spec, Agg /*agg*/) {
  const auto fill = [](OperatorHarness<Total>& harness) {
    for (int64_t time = 0; time < 30; time += 3) {
      for (int64_t sensor = 0; sensor < 20; ++sensor) {
        harness.push<Reading>({{sensor, 1 + sensor}}, {time});
      }
    }
  };
  const auto order = [](const Total& a, const Total& b) {
    return std::tie(a.start, a.sensor) < std::tie(b.start, b.sensor);
  };
  OperatorHarness<Total> undisturbed(totals<Agg>(spec));
  REQUIRE(undisturbed.open().is_ok());
  fill(undisturbed);
  undisturbed.watermark(1000);
  std::vector<Total> expected = undisturbed.take_values();
  std::sort(expected.begin(), expected.end(), order);

  for (const int stop_after : {1, 5, 12}) {
    for (const int parallelism : {1, 3}) {
      CAPTURE(stop_after);
      CAPTURE(parallelism);
      OperatorHarness<Total> first(totals<Agg>(spec));
      first.set_output_rows(3);
      REQUIRE(first.open().is_ok());
      fill(first);
      std::vector<Total> seen = first.take_values();
      StreamBatch mark;
      mark.marks.push_back({0, EventTime{1000}});
      Cursor cursor;
      const auto take = [&] {
        while (first.op().output(0).has_output()) {
          const StreamBatch out = first.op().output(0).take();
          for (const Total& total : batch_cast<Total>(*out.batch).values()) seen.push_back(total);
        }
      };
      for (int i = 0; i < stop_after; ++i) {
        REQUIRE(first.op().process(0, mark, cursor) == Progress::kOutputFull);
        if (i + 1 < stop_after) take();
      }
      REQUIRE(first.op().can_snapshot());
      const MemorySnapshot once = first.snapshot();
      take();
      // Frozen again before it fires, then by the restored operators.
      MemorySnapshot snapshot;
      for (int subtask = 0; subtask < parallelism; ++subtask) {
        OperatorHarness<Total> again(totals<Agg>(spec));
        again.context().task.subtask = subtask;
        again.context().task.parallelism = parallelism;
        auto reader = once.reader(subtask, parallelism);
        REQUIRE(again.open(&reader).is_ok());
        snapshot.merge(again.snapshot());
      }
      for (int subtask = 0; subtask < parallelism; ++subtask) {
        OperatorHarness<Total> part(totals<Agg>(spec));
        part.context().task.subtask = subtask;
        part.context().task.parallelism = parallelism;
        auto reader = snapshot.reader(subtask, parallelism);
        REQUIRE(part.open(&reader).is_ok());
        part.watermark(1000);
        for (const Total& total : part.take_values()) seen.push_back(total);
      }
      std::sort(seen.begin(), seen.end(), order);
      CHECK(seen == expected);
    }
  }
}

TEST_CASE("pane windows: a snapshot while a window is being fired knows who has had it") {
  check_snapshot_while_firing(WindowSpec{TumblingEventTimeWindows::of(10ms)}, SumValues{});
  check_snapshot_while_firing(WindowSpec{SlidingEventTimeWindows::of(10ms, 5ms)}, SumValues{});
  check_snapshot_while_firing(WindowSpec{SlidingEventTimeWindows::of(10ms, 5ms)}, InvertibleSum{});
}

TEST_CASE("pane windows: a snapshot is what was there, at any parallelism, and late stays late") {
  const WindowSpec spec{SlidingEventTimeWindows::of(20ms, 10ms)};
  std::vector<Reading> before;
  std::vector<int64_t> before_times;
  std::vector<Reading> after;
  std::vector<int64_t> after_times;
  for (int64_t i = 0; i < 500; ++i) {
    before.push_back({i % 50, i});
    before_times.push_back(i % 37);
    after.push_back({i % 50, 1});
    after_times.push_back(i % 53);
  }
  OperatorHarness<Total> whole(totals(spec));
  REQUIRE(whole.open().is_ok());
  whole.push(before, before_times);
  whole.watermark(19);
  (void)whole.take();
  const MemorySnapshot snapshot = whole.snapshot();
  whole.push(after, after_times);
  whole.watermark(kMaxTime.ms);
  auto expected = whole.take_values();

  std::vector<Total> restored;
  int64_t late = 0;
  for (int subtask = 0; subtask < 3; ++subtask) {
    OperatorHarness<Total> part(totals(spec));
    part.context().task.subtask = subtask;
    part.context().task.parallelism = 3;
    auto reader = snapshot.reader(subtask, 3);
    REQUIRE(part.open(&reader).is_ok());
    std::vector<Reading> mine;
    std::vector<int64_t> mine_times;
    for (size_t i = 0; i < after.size(); ++i) {
      const int group = key_group_of(stable_hash(after[i].sensor), kDefaultMaxParallelism);
      if (!key_group_range_of(subtask, 3, kDefaultMaxParallelism).contains(group)) continue;
      mine.push_back(after[i]);
      mine_times.push_back(after_times[i]);
    }
    part.push(mine, mine_times);
    part.watermark(kMaxTime.ms);
    for (const Total& total : part.take_values()) restored.push_back(total);
    late += part.metrics().counter("late").value();
  }
  const auto order = [](const Total& a, const Total& b) {
    return std::tie(a.start, a.sensor) < std::tie(b.start, b.sensor);
  };
  std::sort(expected.begin(), expected.end(), order);
  std::sort(restored.begin(), restored.end(), order);
  CHECK(restored == expected);
  CHECK(late == whole.metrics().counter("late").value());
}

TEST_CASE("pane windows: a delta holds what changed and erases panes that were dropped") {
  OperatorHarness<Total> harness(totals(WindowSpec{TumblingEventTimeWindows::of(10ms)}));
  REQUIRE(harness.open().is_ok());
  harness.push<Reading>({{1, 1}, {2, 1}, {3, 1}}, {1, 2, 11});
  MemorySnapshot full = harness.snapshot();
  CHECK(full.keyed_entries() == 3);
  harness.push<Reading>({{3, 5}, {4, 1}}, {12, 13});
  harness.watermark(9);
  const MemorySnapshot delta = harness.snapshot(true);
  CHECK(delta.keyed_entries() == 2);  // Keys 3 and 4; 1 and 2 are gone.
  CHECK(harness.snapshot(true).keyed_entries() == 0);
}

TEST_CASE("pane windows: texts of keys and accumulators outlive the batches they came in") {
  struct Longest {
    Text create_accumulator() const { return Text(); }
    void add(Text& longest, const Text& word) const {
      if (word.size() > longest.size()) longest = word;
    }
    Text get_result(const Text& longest) const { return longest; }
    void merge(Text& into, const Text& part) const { add(into, part); }
  };
  const auto first_letters = [](const Text& word) { return Text::view(word.view().substr(0, 14)); };
  OperatorHarness<Text> harness(make_pane_window_operator<Text, Text, Text>(
      WindowSpec{SlidingEventTimeWindows::of(20ms, 10ms)}, first_letters, Longest{}));
  REQUIRE(harness.open().is_ok());
  harness.push<Text>({Text("abcdefghijklmnop"), Text("abcdefghijklmnopqr")}, {1, 2});
  (void)harness.snapshot();
  harness.push<Text>({Text("abcdefghijklmnopq")}, {11});
  harness.watermark(kMaxTime.ms);
  std::vector<std::string> words;
  for (const Text& word : harness.take_values()) words.push_back(word.str());
  CHECK(words ==
        std::vector<std::string>{"abcdefghijklmnopqr", "abcdefghijklmnopqr", "abcdefghijklmnopq"});
}

}  // namespace
}  // namespace sluice
