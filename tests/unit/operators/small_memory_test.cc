// Operators on the RocksDB backend with next to no memory give what they give in memory: timers of
// rows that have left fire, windows and joins that stop at a full output go on, snapshots restore
// on the other backend.
#include "tests/support/small_memory.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"
#include "operators/interval_join.h"
#include "operators/keyed_runtime_context.h"
#include "operators/process_operator.h"
#include "operators/reduce_operator.h"
#include "operators/window_factories.h"
#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Item {
  int64_t key = 0;
  int64_t value = 0;
  friend auto operator<=>(const Item&, const Item&) = default;
};
SLUICE_RECORD(Item, key, value);

constexpr auto kKey = [](const Item& item) { return item.key; };

/// A result with its time, to be compared in any order.
using Row = std::tuple<int64_t, int64_t, int64_t>;

std::vector<Row> rows_of(std::vector<EmittedRow<Item>> emitted) {
  std::vector<Row> rows;
  rows.reserve(emitted.size());
  for (const auto& row : emitted) {
    rows.emplace_back(row.time.ms, row.value.key, row.value.value);
  }
  return rows;
}
std::vector<Row> sorted(std::vector<Row> rows) {
  std::sort(rows.begin(), rows.end());
  return rows;
}

/// Counts a key's items and tells the count when a timer of it fires.
class CountUntilTimer final : public KeyedProcessFunction<int64_t, Item, Item> {
 public:
  explicit CountUntilTimer(TimerDomain domain) : domain_(domain) {}
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
  }
  void process_element(const Item& item, Context& context, Collector<Item>& /*out*/) override {
    ++count_.get_or_create();
    if (domain_ == TimerDomain::kEvent) {
      context.timer_service().register_event_time_timer({item.value});
    } else {
      context.timer_service().register_processing_time_timer({item.value});
    }
  }
  void on_timer(EventTime time, OnTimerContext& context, Collector<Item>& out) override {
    out.collect({context.current_key(), *count_.get() * 1'000'000 + time.ms});
  }

 private:
  TimerDomain domain_;
  ValueState<int64_t> count_;
};

OperatorFactory counting(TimerDomain domain) {
  return make_keyed_process_operator<int64_t, Item, Item>(CountUntilTimer(domain), kKey);
}

/// Runs a scenario in memory and beyond it, the second part restored on the other backend.
template <class Scenario>
void check_same_results(const OperatorFactory& factory, Scenario&& scenario, bool keeps_order) {
  std::vector<Row> expected;
  for (const bool small : {false, true}) {
    SmallMemory memory;
    SmallMemory memory_of_second;
    OperatorHarness<Item> first(factory);
    OperatorHarness<Item> second(factory);
    if (small) memory.give_to(first.context());
    if (!small) memory_of_second.give_to(second.context());
    first.set_output_rows(7);
    second.set_output_rows(7);
    REQUIRE(first.open().is_ok());
    scenario(first, 0);
    std::vector<Row> rows = rows_of(first.take());
    const MemorySnapshot snapshot = first.snapshot();
    auto reader = snapshot.reader();
    second.clock().set_ms(first.clock().wall_ms());
    const Status status = second.open(&reader);
    REQUIRE_MESSAGE(status.is_ok(), status.to_string());
    scenario(second, 1);
    const std::vector<Row> more = rows_of(second.take());
    rows.insert(rows.end(), more.begin(), more.end());
    REQUIRE(rows.size() > 100);
    if (keeps_order)
      CHECK(std::is_sorted(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
        return std::get<0>(a) < std::get<0>(b);
      }));
    if (expected.empty()) {
      expected = sorted(rows);
    } else {
      REQUIRE(sorted(rows) == expected);
    }
  }
}

std::vector<Item> random_items(Random& random, int64_t keys, int64_t value_min, int64_t value_max) {
  std::vector<Item> items(100);
  for (Item& item : items) {
    item = {random.between(0, keys), random.between(value_min, value_max)};
  }
  return items;
}

/// One for each of `random_items`.
std::vector<int64_t> random_times(Random& random, int64_t now, int64_t spread) {
  std::vector<int64_t> times(100);
  for (int64_t& time : times) time = now + random.between(0, spread);
  return times;
}

}  // namespace

TEST_CASE("small memory: event timers of rows that have left fire in the order of time") {
  check_same_results(
      counting(TimerDomain::kEvent),
      [](OperatorHarness<Item>& harness, int part) {
        Random random(5 + static_cast<uint64_t>(part));
        for (int64_t step = 0; step < 30; ++step) {
          const int64_t now = part * 300 + step * 10;
          harness.push<Item>(random_items(random, 3000, now - 5, now + 400), {});
          harness.watermark(now);
        }
        if (part == 1) harness.watermark(10'000);
      },
      true);
}

TEST_CASE("small memory: more timers at one time than are read at once") {
  check_same_results(
      counting(TimerDomain::kEvent),
      [](OperatorHarness<Item>& harness, int part) {
        for (int64_t i = 0; part == 0 && i < 3000; ++i) {
          harness.push<Item>({{i, 100}, {i % 7, 100 + i % 3}}, {});
        }
        harness.watermark(part == 0 ? 50 : 100);
        harness.watermark(part == 0 ? 99 : 200);
        // Some results must come before the snapshot, too.
        if (part == 0) {
          for (int64_t i = 0; i < 200; ++i) harness.push<Item>({{10'000 + i, 99}}, {});
          harness.watermark(99);
        }
      },
      true);
}

TEST_CASE("small memory: processing timers of rows that have left fire") {
  check_same_results(
      counting(TimerDomain::kProcessing),
      [](OperatorHarness<Item>& harness, int part) {
        Random random(9 + static_cast<uint64_t>(part));
        for (int64_t step = 0; step < 30; ++step) {
          const int64_t now = part * 300 + step * 10;
          harness.push<Item>(random_items(random, 3000, now + 1, now + 400), {});
          harness.advance_clock_to(now + 5);
        }
        if (part == 1) harness.advance_clock_to(10'000);
      },
      false);
}

TEST_CASE("small memory: sessions merge, fire and are cleaned up") {
  struct SumValues {
    int64_t create_accumulator() const { return 0; }
    void add(const Item& item, int64_t& sum) const { sum += item.value; }
    int64_t get_result(const int64_t& sum) const { return sum; }
    void merge(int64_t& into, const int64_t& part) const { into += part; }
  };
  constexpr auto kToItem = [](const int64_t& key, const TimeWindow& window,
                              std::span<const int64_t> sums, Collector<Item>& out) {
    out.collect({key, sums[0] * 100'000 + window.start.ms});
  };
  check_same_results(
      make_aggregate_window_operator<int64_t, Item, Item>(
          WindowSpec{EventTimeSessionWindows::with_gap(30ms), 0ms, -1}, kKey, EventTimeTrigger{},
          SumValues{}, kToItem),
      [](OperatorHarness<Item>& harness, int part) {
        Random random(21 + static_cast<uint64_t>(part));
        for (int64_t step = 0; step < 40; ++step) {
          const int64_t now = part * 400 + step * 10;
          const auto times = random_times(random, now, 25);
          harness.push<Item>(random_items(random, 500, 1, 9), times);
          harness.watermark(now);
        }
        if (part == 1) harness.watermark(kMaxTime.ms);
      },
      true);
}

TEST_CASE("small memory: an interval join goes on after a full output and a timer in between") {
  IntervalJoinSpec spec;
  spec.lower = Duration(-20);
  spec.upper = Duration(20);
  const auto pair = [](const Item& left, const Item& right) {
    return Item{left.key, left.value * 1000 + right.value};
  };
  check_same_results(
      make_interval_join_operator<int64_t, Item, Item, Item>(spec, kKey, kKey, pair),
      [](OperatorHarness<Item>& harness, int part) {
        Random random(31 + static_cast<uint64_t>(part));
        for (int64_t step = 0; step < 20; ++step) {
          const int64_t now = part * 200 + step * 10;
          for (const int input : {0, 1}) {
            const auto times = random_times(random, now, 15);
            harness.push<Item>(random_items(random, 40, 1, 999), times, {}, input);
          }
          harness.watermark(now, 0);
        }
      },
      false);
}

TEST_CASE("small memory: batch mode emits the last result of every key once") {
  const auto factory = make_sum_operator<int64_t, Item>(&Item::value, kKey);
  std::vector<Row> expected;
  for (const bool small : {false, true}) {
    SmallMemory memory;
    OperatorHarness<Item> harness(factory);
    if (small) memory.give_to(harness.context());
    harness.context().final_results_only = true;
    harness.set_output_rows(7);
    REQUIRE(harness.open().is_ok());
    Random random(41);
    for (int i = 0; i < 50; ++i) harness.push<Item>(random_items(random, 3000, 1, 9), {});
    harness.watermark(kMaxTime.ms);
    const std::vector<Row> rows = sorted(rows_of(harness.take()));
    REQUIRE(rows.size() > 1000);
    if (small) {
      REQUIRE(rows == expected);
    } else {
      expected = rows;
    }
  }
}

TEST_CASE("small memory: open windows over panes that do not fit are an error naming the option") {
  SmallMemory memory;
  struct SumValues {
    int64_t create_accumulator() const { return 0; }
    void add(const Item& item, int64_t& sum) const { sum += item.value; }
    int64_t get_result(const int64_t& sum) const { return sum; }
    void merge(int64_t& into, const int64_t& part) const { into += part; }
  };
  OperatorHarness<int64_t> harness(make_aggregate_window_operator<int64_t, Item, int64_t>(
      WindowSpec{TumblingEventTimeWindows::of(1000ms)}, kKey, EventTimeTrigger{}, SumValues{}));
  memory.give_to(harness.context());
  REQUIRE(harness.open().is_ok());
  std::string message;
  try {
    for (int64_t i = 0; i < 1000; ++i) harness.push<Item>({{i, i}}, {i});
  } catch (const OperatorFailure& failure) {
    message = failure.status().message();
  }
  CHECK(message.find("state.backend.memory") != std::string::npos);
}

}  // namespace sluice
