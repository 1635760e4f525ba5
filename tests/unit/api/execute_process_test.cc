// Process functions, rolling results, partitionings and the settings of a job, run to their end.
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "connectors/generator.h"
#include "tests/unit/api/orders.h"

namespace sluice {
namespace {

std::vector<Order> some_orders(int64_t count) {
  std::vector<Order> orders;
  for (int64_t n = 0; n < count; ++n) {
    orders.push_back({n, Text("c" + std::to_string(n % 5)), (n * 37) % 101, EventTime{n * 10}});
  }
  return orders;
}

// ---- rolling results ----------------------------------------------------------------------------

/// What `fold(so far, next)` gives after each order of a customer, as (id of the order, price).
using Step = std::pair<int64_t, int64_t>;
std::vector<Step> rolling(const std::function<Order(const Order&, const Order&)>& fold) {
  std::map<std::string, Order> held;
  std::vector<Step> steps;
  for (const Order& order : some_orders(100)) {
    const auto [at, first] = held.emplace(order.customer.str(), order);
    if (!first) at->second = fold(at->second, order);
    steps.emplace_back(at->second.id, at->second.price);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}
template <class Reduction>
std::vector<Step> rolling_of_job(Reduction&& reduction) {
  return same_everywhere([&](StreamEnvironment& env) {
    return reduction(env.from_collection(some_orders(100)).key_by(&Order::customer))
        .map([](const Order& order) { return Step(order.id, order.price); });
  });
}

TEST_CASE("execute: sum, min and max change one field, min_by and max_by take the whole record") {
  const auto with_price = [](const Order& order, int64_t price) {
    Order changed = order;
    changed.price = price;
    return changed;
  };
  CHECK(rolling_of_job([](const auto& keyed) { return keyed.sum(&Order::price); }) ==
        rolling([&](const Order& a, const Order& b) { return with_price(a, a.price + b.price); }));
  CHECK(rolling_of_job([](const auto& keyed) { return keyed.min(&Order::price); }) ==
        rolling([&](const Order& a, const Order& b) {
          return with_price(a, std::min(a.price, b.price));
        }));
  CHECK(rolling_of_job([](const auto& keyed) { return keyed.max(&Order::price); }) ==
        rolling([&](const Order& a, const Order& b) {
          return with_price(a, std::max(a.price, b.price));
        }));
  CHECK(rolling_of_job([](const auto& keyed) { return keyed.min_by(&Order::price); }) ==
        rolling([](const Order& a, const Order& b) { return b.price < a.price ? b : a; }));
  CHECK(rolling_of_job([](const auto& keyed) { return keyed.max_by(&Order::price); }) ==
        rolling([](const Order& a, const Order& b) { return b.price > a.price ? b : a; }));
  CHECK(rolling_of_job([](const auto& keyed) {
          return keyed.reduce([](const Order& a, const Order& b) {
            return Order{b.id, a.customer, a.price ^ b.price, b.time};
          });
        }) == rolling([](const Order& a, const Order& b) {
          return Order{b.id, a.customer, a.price ^ b.price, b.time};
        }));
}

TEST_CASE("execute: a rolling aggregate gives the result so far for each record") {
  const auto totals = same_everywhere([](StreamEnvironment& env) {
    return env.from_collection(some_orders(50)).key_by(&Order::customer).aggregate(CountOrders{});
  });
  REQUIRE(totals.size() == 50);
  CHECK(std::count_if(totals.begin(), totals.end(),
                      [](const Total& total) { return total.orders == 10; }) == 5);
}

TEST_CASE("execute: in batch mode a rolling result comes once per key, the last one") {
  for (const int parallelism : {1, 3}) {
    StreamEnvironment env;
    env.set_parallelism(parallelism).set_runtime_mode(RuntimeMode::kBatch);
    const auto result = env.from_collection(some_orders(100))
                            .key_by(&Order::customer)
                            .sum(&Order::price)
                            .map([](const Order& order) { return order.price; })
                            .execute_and_collect();
    REQUIRE(result.is_ok());
    std::map<std::string, int64_t> sums;
    for (const Order& order : some_orders(100)) sums[order.customer.str()] += order.price;
    std::vector<int64_t> expected;
    expected.reserve(sums.size());
    for (const auto& [customer, sum] : sums) expected.push_back(sum);
    auto actual = *result;
    std::sort(actual.begin(), actual.end());
    std::sort(expected.begin(), expected.end());
    CHECK(actual == expected);
  }
}

TEST_CASE("execute: batch mode refuses a source that never ends") {
  StreamEnvironment env;
  env.set_runtime_mode(RuntimeMode::kBatch);
  const auto result =
      env.from_source(generate({}, [](int64_t n) { return n; })).execute_and_collect();
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
}

// ---- process functions --------------------------------------------------------------------------

const OutputTag<Order> kExpensive("expensive");

class SortOut : public ProcessFunction<Order, int64_t> {
 public:
  void process_element(const Order& order, Context& context, Collector<int64_t>& out) override {
    if (order.price > 90) {
      context.output(kExpensive, order);
    } else {
      out.collect(order.id);
    }
  }
};

TEST_CASE("execute: a side output is a stream of its own") {
  int64_t expensive = 0;
  for (const Order& order : some_orders(300)) expensive += order.price > 90 ? 1 : 0;
  const auto cheap = same_everywhere([](StreamEnvironment& env) {
    return env.from_collection(some_orders(300)).rebalance().process(SortOut{});
  });
  CHECK(static_cast<int64_t>(cheap.size()) == 300 - expensive);
  const auto side = same_everywhere([](StreamEnvironment& env) {
    return env.from_collection(some_orders(300))
        .rebalance()
        .process(SortOut{})
        .side_output(kExpensive)
        .map([](const Order& order) { return order.price; });
  });
  CHECK(static_cast<int64_t>(side.size()) == expensive);
  CHECK(std::all_of(side.begin(), side.end(), [](int64_t price) { return price > 90; }));
}

/// Gives each order with the number of payments of its customer, when event time is over.
class PaymentsOfOrder : public KeyedCoProcessFunction<Text, Order, Order, int64_t> {
 public:
  void open(RuntimeContext& context) override {
    orders_ = context.get_list_state(ListStateDescriptor<int64_t>{"orders"});
    payments_ = context.get_state(ValueStateDescriptor<int64_t>{"payments"});
  }
  void process_element1(const Order& order, Context& context, Collector<int64_t>&) override {
    orders_.add(order.id);
    context.timer_service().register_event_time_timer(EventTime{1'000'000});
  }
  void process_element2(const Order&, Context&, Collector<int64_t>&) override {
    payments_.modify([](int64_t& count) { ++count; });
  }
  void on_timer(EventTime, OnTimerContext&, Collector<int64_t>& out) override {
    for (const int64_t id : orders_.get()) out.collect(id * 1000 + payments_.value_or(0));
  }

 private:
  ListState<int64_t> orders_;
  ValueState<int64_t> payments_;
};

TEST_CASE("execute: two keyed streams share the state and the timers of a key") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.from_collection(some_orders(50), in_order_within(0s))
        .key_by(&Order::customer)
        .connect(env.from_collection(some_orders(20), in_order_within(0s)).key_by(&Order::customer))
        .process(PaymentsOfOrder{});
  });
  std::vector<int64_t> expected;
  for (int64_t id = 0; id < 50; ++id) expected.push_back(id * 1000 + 4);
  CHECK(results == expected);
}

const MapStateDescriptor<Text, int64_t> kDiscounts{"discounts"};

/// Prices less the discounts that were there when the customer's last order came and event time
/// ended; the discounts come on a broadcast stream.
class Discount : public KeyedBroadcastProcessFunction<Text, Order, Order, int64_t> {
 public:
  void open(RuntimeContext& context) override {
    sum_ = context.get_state(ValueStateDescriptor<int64_t>{"sum"});
  }
  void process_element(const Order& order, ReadOnlyContext& context, Collector<int64_t>&) override {
    sum_.modify([&](int64_t& sum) { sum += order.price; });
    context.timer_service().register_event_time_timer(EventTime{1'000'000});
  }
  void process_broadcast_element(const Order& discount, Context& context,
                                 Collector<int64_t>&) override {
    context.get_broadcast_state(kDiscounts).put(discount.customer, discount.price);
  }
  void on_timer(EventTime, OnTimerContext& context, Collector<int64_t>& out) override {
    const int64_t* discount = context.get_broadcast_state(kDiscounts).get(context.current_key());
    out.collect(*sum_.get() - (discount != nullptr ? *discount : 0));
  }

 private:
  ValueState<int64_t> sum_;
};

TEST_CASE("execute: a broadcast stream reaches the timers of every key") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    const auto discounts = env.from_collection(some_orders(5), in_order_within(0s));
    return env.from_collection(some_orders(100), in_order_within(0s))
        .key_by(&Order::customer)
        .connect(discounts.broadcast(kDiscounts))
        .process(Discount{});
  });
  std::map<std::string, int64_t> sums;
  for (const Order& order : some_orders(100)) sums[order.customer.str()] += order.price;
  for (const Order& order : some_orders(5)) sums[order.customer.str()] -= order.price;
  std::vector<int64_t> expected;
  expected.reserve(sums.size());
  for (const auto& [customer, sum] : sums) expected.push_back(sum);
  std::sort(expected.begin(), expected.end());
  CHECK(results == expected);
}

// ---- partitionings ------------------------------------------------------------------------------

struct Where {
  int subtask = 0;
  void open(RuntimeContext& context) { subtask = context.subtask(); }
  std::pair<int64_t, int64_t> operator()(int64_t n) { return {n, subtask}; }
};

/// How many records each of the three subtasks got.
template <class Partition>
std::map<int64_t, int64_t> records_per_subtask(int sources, Partition&& partition) {
  StreamEnvironment env;
  env.set_parallelism(3);
  const auto numbers = env.from_sequence(1, 300).set_parallelism(sources);
  const auto result = partition(numbers).map(Where{}).set_parallelism(3).execute_and_collect();
  REQUIRE_MESSAGE(result.is_ok(), result.status().to_string());
  std::map<int64_t, int64_t> counts;
  for (const auto& [number, subtask] : *result) ++counts[subtask];
  return counts;
}

TEST_CASE("execute: each partitioning sends records where it says") {
  using Counts = std::map<int64_t, int64_t>;
  const Counts evenly{{0, 100}, {1, 100}, {2, 100}};
  CHECK(records_per_subtask(1, [](const auto& s) { return s.rebalance(); }) == evenly);
  CHECK(records_per_subtask(1, [](const auto& s) { return s.rescale(); }) == evenly);
  CHECK(records_per_subtask(1, [](const auto& s) { return s.global(); }) == Counts{{0, 300}});
  CHECK(records_per_subtask(1, [](const auto& s) { return s.broadcast(); }) ==
        Counts{{0, 300}, {1, 300}, {2, 300}});
  const Counts shuffled = records_per_subtask(2, [](const auto& s) { return s.shuffle(); });
  int64_t all = 0;
  for (const auto& [subtask, count] : shuffled) {
    CHECK(count > 50);
    all += count;
  }
  CHECK(all == 300);
  int64_t forwarded = 0;
  for (const auto& [subtask, count] :
       records_per_subtask(3, [](const auto& s) { return s.forward(); })) {
    forwarded += count;
  }
  CHECK(forwarded == 300);
}

// ---- time ---------------------------------------------------------------------------------------

/// Tells, for each slow reading, how far the fast source has come.
class FarthestFast : public ProcessFunction<std::pair<bool, int64_t>, int64_t> {
 public:
  void process_element(const std::pair<bool, int64_t>& reading, Context&,
                       Collector<int64_t>& out) override {
    if (reading.first) {
      fast_ = std::max(fast_, reading.second);
    } else {
      out.collect(fast_);
    }
  }

 private:
  int64_t fast_ = 0;
};

TEST_CASE("semantics rule 16: a source of a group does not run away from a slow one") {
  using Reading = std::pair<bool, int64_t>;
  // The fast source would be through in a moment; the slow one takes 300 ms for 3 s of event time.
  constexpr int64_t kFast = 1'000'000;
  const auto strategy = [] {
    return WatermarkStrategy<Reading>::monotonous()
        .with_timestamp([](const Reading& reading) { return EventTime{reading.second}; })
        .with_alignment("readings", 500ms);
  };
  StreamEnvironment env;
  env.set_parallelism(1);
  env.options().put(options::kBatchRows, int64_t{10});
  env.options().put(options::kTaskInputMemory, int64_t{16 << 10});
  const auto fast = env.from_source(
      generate({.count = kFast}, [](int64_t n) { return Reading(true, n * 10); }), strategy());
  const auto slow = env.from_source(generate({.count = 300, .rows_per_second = 1000},
                                             [](int64_t n) { return Reading(false, n * 10); }),
                                    strategy());
  const auto result = fast.union_with(slow).global().process(FarthestFast{}).execute_and_collect();
  REQUIRE_MESSAGE(result.is_ok(), result.status().to_string());
  REQUIRE(result->size() == 300);
  CHECK(*std::max_element(result->begin(), result->end()) < kFast * 10 / 2);
}

// ---- metrics ------------------------------------------------------------------------------------

TEST_CASE("execute: a rich function has counters, gauges, histograms and accumulators") {
  struct Measured {
    Counter* even = nullptr;
    Gauge* last = nullptr;
    Histogram* sizes = nullptr;
    Counter* total = nullptr;
    void open(RuntimeContext& context) {
      CHECK(context.attempt() == 0);
      CHECK(context.parallelism() == 2);
      CHECK(context.job_name() == "measured");
      CHECK(context.operator_name() == "measure");
      even = &context.counter("even");
      last = &context.gauge("last");
      sizes = &context.histogram("sizes");
      total = &context.accumulator("total");
    }
    int64_t operator()(int64_t n) {
      if (n % 2 == 0) even->add();
      last->set(n);
      sizes->record(n);
      total->add(n);
      CHECK(last->value() == n);
      CHECK(sizes->max() >= n);
      return n;
    }
  };
  StreamEnvironment env;
  env.set_parallelism(2);
  env.from_sequence(1, 100)
      .map(Measured{})
      .name("measure")
      .sink_to(CollectSink<int64_t>(std::make_shared<CollectedRecords>()));
  const auto result = env.execute("measured");
  REQUIRE(result.is_ok());
  REQUIRE_MESSAGE(result->status == JobStatus::kFinished, result->error.to_string());
  CHECK(result->accumulators == std::map<std::string, int64_t>{{"total", 5050}});
}

}  // namespace
}  // namespace sluice
