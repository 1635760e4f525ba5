// Triggers, evictors, count and processing-time windows, functions with state: rules 5, 8, 9.
#include <doctest/doctest.h>

#include "operators/trigger_continuous.h"
#include "operators/window_factories.h"
#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Reading {
  int64_t sensor = 0;
  int64_t value = 0;
};
SLUICE_RECORD(Reading, sensor, value);

struct SumValues {
  int64_t create_accumulator() const { return 0; }
  void add(int64_t& sum, const Reading& reading) const { sum += reading.value; }
  int64_t get_result(const int64_t& sum) const { return sum; }
  void merge(int64_t& into, const int64_t& part) const { into += part; }
};
constexpr auto kSensor = [](const Reading& reading) { return reading.sensor; };

template <class Assigner, class Trigger>
OperatorFactory sums(WindowSpec<Assigner> spec, Trigger trigger) {
  return make_aggregate_window_operator<int64_t, Reading, int64_t>(spec, kSensor, trigger,
                                                                   SumValues{});
}
template <class Assigner, class Trigger, class Evictor>
OperatorFactory evicted_sums(WindowSpec<Assigner> spec, Trigger trigger, Evictor evictor) {
  return make_evicting_window_operator<int64_t, Reading, int64_t>(spec, kSensor, trigger, evictor,
                                                                  SumValues{});
}
using Values = std::vector<int64_t>;

std::vector<Reading> readings(const Values& values) {
  std::vector<Reading> all;
  for (const int64_t value : values) all.push_back({1, value});
  return all;
}

TEST_CASE("semantics rule 5: FIRE keeps the contents, FIRE_AND_PURGE clears them, not the window") {
  const WindowSpec spec{TumblingEventTimeWindows::of(10ms), Duration(100)};
  OperatorHarness<int64_t> keeps(make_window_operator<int64_t, Reading, int64_t>(
      spec, kSensor, EventTimeTrigger{}, SumValues{}));
  OperatorHarness<int64_t> purges(sums(spec, purging(EventTimeTrigger{})));
  for (auto* harness : {&keeps, &purges}) {
    REQUIRE(harness->open().is_ok());
    harness->push(readings({1, 2}), {1, 2});
    harness->watermark(9);
    harness->push(readings({4}), {3});
    harness->watermark(20);
  }
  CHECK(keeps.take_values() == Values{3, 7});
  CHECK(purges.take_values() == Values{3, 4});
  CHECK(purges.snapshot().keyed_entries() > 0);  // The window waits for its cleanup at 109.
  purges.watermark(109);
  CHECK(purges.snapshot().keyed_entries() == 0);
}

TEST_CASE("semantics rule 9: count_window(n) purges, so every n elements give one result") {
  OperatorHarness<int64_t> harness(
      sums(WindowSpec{GlobalWindows::create()}, purging(CountTrigger::of(3))));
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1, 2, 4, 8, 16, 32, 64}));
  const auto rows = harness.take();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].value == 7);
  CHECK(rows[1].value == 56);
  CHECK(rows[0].time == kMaxTime);  // A global window has no end.
  harness.push(readings({128, 256}));
  CHECK(harness.take_values() == Values{448});
  // Nothing is left of a key between two windows.
  CHECK(harness.snapshot().keyed_entries() == 0);
}

TEST_CASE("semantics rule 9: count_window(size, slide) fires early with fewer than size elements") {
  OperatorHarness<int64_t> harness(
      evicted_sums(WindowSpec{GlobalWindows::create()}, CountTrigger::of(2), CountEvictor::of(4)));
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1, 2, 4, 8, 16, 32}));
  CHECK(harness.take_values() == Values{3, 15, 60});
}

TEST_CASE("semantics rule 9: a global window fires by its trigger alone") {
  OperatorHarness<int64_t> harness(
      sums(WindowSpec{GlobalWindows::create()}, DefaultTriggerOf<GlobalWindows>{}));
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1, 2, 4}), {1, 2, 3});
  harness.watermark(kMaxTime.ms);
  CHECK(harness.take_values().empty());
}

TEST_CASE("continuous event-time trigger: fires at every interval and at the end") {
  OperatorHarness<int64_t> harness(
      sums(WindowSpec{TumblingEventTimeWindows::of(100ms)}, ContinuousEventTimeTrigger::of(30ms)));
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1}), {5});
  harness.watermark(29);
  CHECK(harness.take_values().empty());
  harness.watermark(30);
  CHECK(harness.take_values() == Values{1});
  harness.push(readings({2}), {31});
  harness.watermark(60);
  CHECK(harness.take_values() == Values{3});
  harness.watermark(1000);
  CHECK(harness.take_values() == Values{3, 3});  // At 90 and at the end.
  CHECK(harness.snapshot().keyed_entries() == 0);
}

TEST_CASE(
    "processing-time windows: fire when the clock has passed their end, lateness is unknown") {
  OperatorHarness<int64_t> harness(
      sums(WindowSpec{TumblingProcessingTimeWindows::of(100ms)}, ProcessingTimeTrigger{}));
  harness.clock().set_ms(1050);
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1, 2}));
  harness.watermark(kMaxTime.ms);
  CHECK(harness.take_values().empty());
  CHECK(harness.op().next_processing_timer() == 1099);
  harness.clock().set_ms(1090);
  harness.push(readings({4}));
  harness.advance_clock_to(1099);
  CHECK(harness.take_values().empty());
  harness.advance_clock_to(1100);
  const auto rows = harness.take();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].value == 7);
  CHECK(rows[0].time.ms == 1099);
  CHECK(harness.snapshot().keyed_entries() == 0);
}

TEST_CASE("processing-time sessions: end when the clock has moved on by the gap") {
  OperatorHarness<int64_t> harness(
      sums(WindowSpec{ProcessingTimeSessionWindows::with_gap(50ms)}, ProcessingTimeTrigger{}));
  harness.clock().set_ms(1000);
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1}));
  harness.clock().set_ms(1040);
  harness.push(readings({2}));
  harness.advance_clock_to(1060);
  CHECK(harness.take_values().empty());
  harness.advance_clock_to(1091);
  CHECK(harness.take_values() == Values{3});
}

TEST_CASE("continuous processing-time trigger: fires at multiples of the interval") {
  OperatorHarness<int64_t> harness(
      sums(WindowSpec{GlobalWindows::create()}, ContinuousProcessingTimeTrigger::of(100ms)));
  harness.clock().set_ms(1010);
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1}));
  harness.advance_clock_to(1102);
  CHECK(harness.take_values() == Values{1});
  harness.push(readings({2}));
  harness.advance_clock_to(1202);
  CHECK(harness.take_values() == Values{3});
}

TEST_CASE("delta trigger: fires when the value has moved beyond the threshold") {
  const auto moved = [](const Reading& from, const Reading& to) { return to.value - from.value; };
  OperatorHarness<int64_t> harness(
      sums(WindowSpec{GlobalWindows::create()}, purging(delta_trigger<Reading>(10, moved))));
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1, 5, 11, 12, 20, 23}));
  CHECK(harness.take_values() == Values{1 + 5 + 11 + 12, 20 + 23});
}

TEST_CASE("custom trigger: state per window, timers and purge are the author's") {
  struct AtZero : Trigger<Reading, TimeWindow, int64_t> {
    TriggerResult on_element(const Reading& reading, EventTime, const TimeWindow& window,
                             int64_t& seen, TriggerContext& context) override {
      if (seen++ == 0) context.register_event_timer(window.start + Duration(3));
      return reading.value == 0 ? TriggerResult::kFireAndPurge : TriggerResult::kContinue;
    }
    TriggerResult on_event_time(EventTime, const TimeWindow&, int64_t& seen,
                                TriggerContext&) override {
      return seen > 1 ? TriggerResult::kFire : TriggerResult::kContinue;
    }
  };
  OperatorHarness<int64_t> harness(sums(WindowSpec{TumblingEventTimeWindows::of(10ms)}, AtZero{}));
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1, 2, 0, 4, 8}), {0, 1, 2, 2, 2});
  CHECK(harness.take_values() == Values{3});
  harness.watermark(3);
  CHECK(harness.take_values() == Values{12});
  harness.watermark(9);  // The cleanup timer also asks the trigger.
  CHECK(harness.take_values() == Values{12});
}

TEST_CASE(
    "semantics rule 8: evictors see the elements before or after the function, and drop them") {
  const WindowSpec spec{GlobalWindows::create()};
  OperatorHarness<int64_t> before(evicted_sums(spec, CountTrigger::of(1), TimeEvictor::of(10ms)));
  OperatorHarness<int64_t> after(
      evicted_sums(spec, CountTrigger::of(1), TimeEvictor::of(10ms, Evict::kAfter)));
  for (auto* harness : {&before, &after}) {
    REQUIRE(harness->open().is_ok());
    harness->push(readings({1, 2, 4, 8}), {0, 5, 10, 30});
  }
  CHECK(before.take_values() == Values{1, 3, 6, 8});
  CHECK(after.take_values() == Values{1, 3, 7, 14});
}

TEST_CASE("delta evictor: drops what is too far from the last element") {
  const auto distance = [](const Reading& a, const Reading& last) {
    return std::abs(a.value - last.value);
  };
  OperatorHarness<int64_t> harness(
      evicted_sums(WindowSpec{GlobalWindows::create()}, CountTrigger::of(3),
                   DeltaEvictor<decltype(distance)>::of(10, distance)));
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1, 95, 100}));
  CHECK(harness.take_values() == Values{195});
}

struct Counts {
  int64_t firings = 0;
  int64_t windows = 0;
};
SLUICE_RECORD(Counts, firings, windows);

struct CountingFunction final
    : ProcessWindowFunction<int64_t, Text, int64_t, TimeWindow, Counts, Counts> {
  void process(const int64_t& key, const Context& context, std::span<const int64_t> sums,
               Collector<Text>& out) override {
    Counts& window = context.window_state();
    Counts& global = context.global_state();
    if (window.firings++ == 0) ++global.windows;
    ++global.firings;
    out.collect(Text(std::to_string(key) + ": sum " + std::to_string(sums[0]) + ", firing " +
                     std::to_string(window.firings) + " of the window, " +
                     std::to_string(global.firings) + " of the key in " +
                     std::to_string(global.windows) + " windows"));
    context.output(wide, context.window());
  }
  void clear(const int64_t&, const Context& context) override {
    context.output(cleared, context.window_state().firings);
  }
  OutputTag<TimeWindow> wide{"wide"};
  OutputTag<int64_t> cleared{"cleared"};
};

TEST_CASE("process window function: state per window and per key, side outputs, clear") {
  const auto factory = make_aggregate_window_operator<int64_t, Reading, Text>(
      WindowSpec{TumblingEventTimeWindows::of(10ms), Duration(5)}, kSensor, EventTimeTrigger{},
      SumValues{}, CountingFunction{});
  OperatorHarness<Text> harness(factory);
  harness.add_side_output<int64_t>(CountingFunction{}.cleared.id());
  REQUIRE(harness.open().is_ok());
  harness.push(readings({1}), {1});
  harness.watermark(9);
  harness.push(readings({2}), {2});
  const MemorySnapshot snapshot = harness.snapshot();
  OperatorHarness<Text> restored(factory);
  restored.add_side_output<int64_t>(CountingFunction{}.cleared.id());
  auto reader = snapshot.reader();
  REQUIRE(restored.open(&reader).is_ok());
  for (auto* each : {&harness, &restored}) {
    each->push(readings({4, 8}), {3, 11});
    each->watermark(19);
    const auto rows = each->take_values();
    REQUIRE(rows.size() >= 2);
    CHECK(rows[rows.size() - 2] == "1: sum 7, firing 3 of the window, 3 of the key in 1 windows");
    CHECK(rows.back() == "1: sum 8, firing 1 of the window, 4 of the key in 2 windows");
    const auto cleared = each->take_side<int64_t>(1);
    REQUIRE(cleared.size() == 1);
    CHECK(cleared[0].value == 3);
  }
}

TEST_CASE("window functions: a plain lambda, apply with the window, and open with keyed state") {
  struct Rich final : ProcessWindowFunction<Reading, int64_t, int64_t> {
    void open(RuntimeContext& context) {
      total_ = context.get_state(ValueStateDescriptor<int64_t>{"total"});
    }
    void process(const int64_t&, const Context&, std::span<const Reading> elements,
                 Collector<int64_t>& out) override {
      for (const Reading& reading : elements) total_.get_or_create() += reading.value;
      out.collect(*total_.get());
    }
    ValueState<int64_t> total_;
  };
  const WindowSpec spec{TumblingEventTimeWindows::of(10ms)};
  OperatorHarness<int64_t> rich(make_list_window_operator<int64_t, Reading, int64_t>(
      spec, kSensor, EventTimeTrigger{}, NoEvictor{}, Rich{}));
  const auto count = [](const int64_t&, const WindowContext<TimeWindow>& context,
                        std::span<const Reading> elements, Collector<int64_t>& out) {
    CHECK(context.current_watermark().ms == 100);
    out.collect(static_cast<int64_t>(elements.size()));
  };
  OperatorHarness<int64_t> plain(make_list_window_operator<int64_t, Reading, int64_t>(
      spec, kSensor, EventTimeTrigger{}, NoEvictor{}, count));
  for (auto* harness : {&rich, &plain}) {
    REQUIRE(harness->open().is_ok());
    harness->push(readings({1, 2, 4}), {1, 2, 11});
    harness->watermark(100);
  }
  CHECK(rich.take_values() == Values{3, 7});
  CHECK(plain.take_values() == Values{2, 1});
}

TEST_CASE("triggers: state survives a snapshot") {
  const auto factory = sums(WindowSpec{GlobalWindows::create()}, purging(CountTrigger::of(3)));
  OperatorHarness<int64_t> before(factory);
  REQUIRE(before.open().is_ok());
  before.push(readings({1, 2}));
  const MemorySnapshot snapshot = before.snapshot();
  OperatorHarness<int64_t> after(factory);
  auto reader = snapshot.reader();
  REQUIRE(after.open(&reader).is_ok());
  after.push(readings({4}));
  CHECK(after.take_values() == Values{7});
}

}  // namespace
}  // namespace sluice
