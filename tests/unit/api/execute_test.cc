// Jobs written with the API, run to their end as actors of this process.
#include "api/execute.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace sluice {
namespace {

struct Order {
  int64_t id = 0;
  Text customer;
  int64_t price = 0;
  EventTime time;
  friend bool operator==(const Order&, const Order&) = default;
};
SLUICE_RECORD(Order, id, customer, price, time);

struct Total {
  Text customer;
  EventTime end;
  int64_t orders = 0;
  int64_t price = 0;
  friend auto operator<=>(const Total&, const Total&) = default;
};
SLUICE_RECORD(Total, customer, end, orders, price);

Order make_order(int64_t n) {
  return {n, Text("customer with a long name " + std::to_string(n % 7)), n % 100,
          EventTime{(n - n % 5 + (n * 3) % 5) * 100}};
}
WatermarkStrategy<Order> in_order_within(Duration bound) {
  return WatermarkStrategy<Order>::bounded_out_of_orderness(bound).with_timestamp(&Order::time);
}

/// Runs a job that `build` makes, at several parallelisms and batch sizes, with and without chains,
/// and expects the same records every time.
template <class Build>
auto same_everywhere(Build&& build) {
  using Stream = std::invoke_result_t<Build&, StreamEnvironment&>;
  std::vector<typename Stream::Record> expected;
  bool first = true;
  for (const int parallelism : {1, 2, 3}) {
    for (const int64_t batch_rows : {1024, 1, 2}) {
      StreamEnvironment env;
      env.set_parallelism(parallelism);
      env.options().put(options::kBatchRows, batch_rows);
      if (batch_rows == 2) env.disable_operator_chaining();
      auto result = build(env).execute_and_collect();
      REQUIRE_MESSAGE(result.is_ok(), result.status().to_string());
      std::sort(result->begin(), result->end());
      if (first) expected = *result;
      first = false;
      CHECK(*result == expected);
    }
  }
  return expected;
}

TEST_CASE("execute: fused functions give what the same functions give one by one") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.from_sequence(1, 1000)
        .map([](int64_t n) { return n * 3; })
        .filter([](int64_t n) { return n % 2 == 0; })
        .flat_map([](int64_t n) {
          return std::vector<int64_t>{n, n + 1};
        })
        .map([](int64_t n) { return n - 1; });
  });
  CHECK(results.size() == 1000);
  CHECK(results.front() == 5);
}

TEST_CASE("execute: running sums per key end with the whole sum") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.generator(700, make_order)
        .key_by(&Order::customer)
        .sum(&Order::price)
        .map([](const Order& order) { return std::pair(order.customer.str(), order.price); })
        .key_by([](const std::pair<std::string, int64_t>& total) { return total.first; })
        .max_by(&std::pair<std::string, int64_t>::second)
        .map([](const std::pair<std::string, int64_t>& total) { return total.first; });
  });
  CHECK(results.size() == 700);
}

struct CountOrders {
  Total create_accumulator() const { return {}; }
  void add(const Order& order, Total& total) const {
    ++total.orders;
    total.price += order.price;
  }
  Total get_result(const Total& total) const { return total; }
  void merge(Total& into, const Total& other) const {
    into.orders += other.orders;
    into.price += other.price;
  }
};

TEST_CASE("execute: windows per key do not depend on parallelism or batch size") {
  const auto totals = same_everywhere([](StreamEnvironment& env) {
    return env.generator(700, make_order, in_order_within(10s))
        .key_by(&Order::customer)
        .window(TumblingEventTimeWindows::of(10s))
        .aggregate(CountOrders{}, [](const Text& customer, const TimeWindow& window,
                                     std::span<const Total> totals, Collector<Total>& out) {
          out.collect({customer, EventTime{window.end}, totals[0].orders, totals[0].price});
        });
  });
  int64_t orders = 0;
  for (const Total& total : totals) orders += total.orders;
  CHECK(orders == 700);
  CHECK(totals.size() == 49);
}

TEST_CASE("execute: late records go to their side output") {
  StreamEnvironment env;
  const OutputTag<Order> late("late");
  auto totals = env.from_elements<Order>({{1, "a", 1, EventTime{5000}},
                                          {2, "a", 1, EventTime{25000}},
                                          {3, "a", 1, EventTime{6000}}},
                                         in_order_within(0s))
                    .key_by(&Order::customer)
                    .window(TumblingEventTimeWindows::of(10s))
                    .side_output_late_data(late)
                    .aggregate(CountOrders{});
  const auto result = totals.get_side_output(late).execute_and_collect();
  REQUIRE(result.is_ok());
  REQUIRE(result->size() == 1);
  CHECK((*result)[0].id == 3);
}

TEST_CASE("execute: windows over all records run in one subtask") {
  StreamEnvironment env;
  env.set_parallelism(3);
  const auto result = env.generator(100, make_order, in_order_within(10s))
                          .window_all(TumblingEventTimeWindows::of(1h))
                          .aggregate(CountOrders{})
                          .execute_and_collect();
  REQUIRE(result.is_ok());
  REQUIRE(result->size() == 1);
  CHECK((*result)[0].orders == 100);
}

TEST_CASE("execute: count windows per key") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.from_sequence(1, 100)
        .key_by([](int64_t n) { return n % 4; })
        .count_window(5)
        .reduce([](int64_t a, int64_t) { return a % 4; });
  });
  CHECK(results.size() == 20);
}

/// Counts per key and tells the count by a timer at the end of event time.
class CountAtEnd : public KeyedProcessFunction<int64_t, int64_t, int64_t> {
 public:
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
    seen_ = &context.accumulator("numbers seen");
  }
  void process_element(const int64_t& /*n*/, Context& context, Collector<int64_t>&) override {
    const int64_t* count = count_.get();
    count_.update(count == nullptr ? 1 : *count + 1);
    seen_->add();
    context.timer_service().register_event_time_timer(EventTime{1'000'000});
  }
  void on_timer(EventTime /*time*/, OnTimerContext& context, Collector<int64_t>& out) override {
    out.collect(context.current_key() * 1000 + *count_.get());
  }

 private:
  ValueState<int64_t> count_;
  Counter* seen_ = nullptr;
};

TEST_CASE("execute: state and timers per key; the MAX watermark fires the last timers") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.from_sequence(1, 99).key_by([](int64_t n) { return n % 3; }).process(CountAtEnd{});
  });
  CHECK(results == std::vector<int64_t>{33, 1033, 2033});
}

TEST_CASE("execute: accumulators are sums over all subtasks") {
  StreamEnvironment env;
  env.set_parallelism(3);
  env.from_sequence(1, 99)
      .key_by([](int64_t n) { return n % 3; })
      .process(CountAtEnd{})
      .sink_to(CollectSink<int64_t>(std::make_shared<CollectedRecords>()));
  const auto result = env.execute("counting");
  REQUIRE(result.is_ok());
  CHECK(result->status == JobStatus::kFinished);
  CHECK(result->records_in == 99);
  CHECK(result->records_out == 3);
  CHECK(result->accumulators.at("numbers seen") == 99);
}

const MapStateDescriptor<int64_t, int64_t> kFactors{"factors"};

class Multiply : public BroadcastProcessFunction<int64_t, int64_t, int64_t> {
 public:
  void process_element(const int64_t& n, ReadOnlyContext& context,
                       Collector<int64_t>& out) override {
    const int64_t* factor = context.get_broadcast_state(kFactors).get(0);
    out.collect(n * (factor == nullptr ? 0 : 1));
  }
  void process_broadcast_element(const int64_t& factor, Context& context,
                                 Collector<int64_t>& out) override {
    context.get_broadcast_state(kFactors).put(0, factor);
    out.collect(-factor);
  }
};

TEST_CASE("execute: a broadcast stream reaches every subtask") {
  StreamEnvironment env;
  env.set_parallelism(3);
  const auto factors = env.from_elements<int64_t>({7});
  const auto result = env.from_sequence(1, 10)
                          .connect(factors.broadcast(kFactors))
                          .process(Multiply{})
                          .execute_and_collect();
  REQUIRE(result.is_ok());
  CHECK(std::count(result->begin(), result->end(), -7) == 3);
  CHECK(result->size() == 13);
}

TEST_CASE("execute: connected and united streams bring the records of both") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    const auto numbers = env.from_sequence(1, 5);
    const auto texts = env.from_elements<Text>({"10", "20"});
    const auto parsed = numbers.connect(texts).map(
        [](int64_t n) { return n; }, [](const Text& text) { return int64_t{text.data()[0]}; });
    return parsed.union_with(numbers);
  });
  CHECK(results == std::vector<int64_t>{1, 1, 2, 2, 3, 3, 4, 4, 5, 5, '1', '2'});
}

struct Payment {
  int64_t order = 0;
  int64_t amount = 0;
  EventTime time;
};
SLUICE_RECORD(Payment, order, amount, time);

Payment make_payment(int64_t n) { return {n % 50, n, EventTime{n * 100}}; }
WatermarkStrategy<Payment> payments_in_order() {
  return WatermarkStrategy<Payment>::monotonous().with_timestamp(&Payment::time);
}
/// All pairs of the orders and payments below for which `fits` holds, as order id · 1000 + amount.
template <class Fits>
std::vector<int64_t> pairs(Fits&& fits) {
  std::vector<int64_t> all;
  for (int64_t o = 0; o < 50; ++o) {
    for (int64_t p = 0; p < 200; ++p) {
      const Order order = make_order(o);
      const Payment payment = make_payment(p);
      if (payment.order == order.id && fits(order, payment)) all.push_back(o * 1000 + p);
    }
  }
  return all;
}

TEST_CASE("execute: a window join gives every pair of one key and window") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.generator(50, make_order, in_order_within(10s))
        .join(env.generator(200, make_payment, payments_in_order()))
        .where(&Order::id)
        .equal_to(&Payment::order)
        .window(TumblingEventTimeWindows::of(5s))
        .apply([](const Order& o, const Payment& p) { return o.id * 1000 + p.amount; });
  });
  CHECK(results == pairs([](const Order& o, const Payment& p) {
          return o.time.ms / 5000 == p.time.ms / 5000;
        }));
}

TEST_CASE("semantics rule 43: an interval join pairs records whose times are near each other") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.generator(50, make_order, in_order_within(10s))
        .key_by(&Order::id)
        .interval_join(
            env.generator(200, make_payment, payments_in_order()).key_by(&Payment::order))
        .between(-100ms, 5100ms)
        .upper_bound_exclusive()
        .process([](const Order& o, const Payment& p) { return o.id * 1000 + p.amount; });
  });
  CHECK(results == pairs([](const Order& o, const Payment& p) {
          return p.time - o.time >= -100ms && p.time - o.time < 5100ms;
        }));
}

TEST_CASE("execute: co_group hands over both sides, also when one is empty") {
  const auto results = same_everywhere([](StreamEnvironment& env) {
    return env.generator(50, make_order, in_order_within(10s))
        .co_group(env.generator(200, make_payment, payments_in_order()))
        .where(&Order::id)
        .equal_to(&Payment::order)
        .window(TumblingEventTimeWindows::of(5s))
        .apply([](std::span<const Order> orders, std::span<const Payment> payments,
                  Collector<int64_t>& out) {
          out.collect(static_cast<int64_t>(orders.size() * 10 + payments.size()));
        });
  });
  const auto count = [&](int64_t value) {
    return std::count(results.begin(), results.end(), value);
  };
  // 200 payments of 50 orders: 4 of each, 5 s apart, of which one meets its order.
  CHECK(count(1) + count(11) == 200);
  CHECK(count(10) + count(11) == 50);
}

TEST_CASE("execute: blocking lookups on I/O threads keep the order if asked") {
  StreamEnvironment env;
  env.set_parallelism(1);
  AsyncOptions options;
  options.capacity = 8;
  const auto result = env.from_sequence(1, 200)
                          .async_map(on_io_threads([](int64_t n) {
                                       return Text("looked up as number " + std::to_string(n));
                                     }),
                                     options)
                          .execute_and_collect();
  REQUIRE_MESSAGE(result.is_ok(), result.status().to_string());
  REQUIRE(result->size() == 200);
  for (size_t i = 0; i < 200; ++i) {
    CHECK((*result)[i].str() == "looked up as number " + std::to_string(i + 1));
  }
}

TEST_CASE("execute: a custom partitioner decides the subtask") {
  struct Where {
    int subtask = 0;
    void open(RuntimeContext& context) { subtask = context.subtask(); }
    int64_t operator()(int64_t n) { return n % 3 == subtask ? 1 : 0; }
  };
  StreamEnvironment env;
  env.set_parallelism(3);
  const auto result =
      env.from_sequence(1, 90)
          .partition_custom([](int64_t n, int subtasks) { return static_cast<int>(n) % subtasks; },
                            [](int64_t n) { return n; })
          .map(Where{})
          .execute_and_collect();
  REQUIRE(result.is_ok());
  CHECK(std::accumulate(result->begin(), result->end(), int64_t{0}) == 90);
}

TEST_CASE("execute: new times in the middle of a job") {
  StreamEnvironment env;
  env.set_parallelism(1);
  const auto result = env.generator(100, make_order)
                          .assign_timestamps_and_watermarks(in_order_within(10s))
                          .key_by(&Order::customer)
                          .window(TumblingEventTimeWindows::of(1h))
                          .aggregate(CountOrders{})
                          .execute_and_collect();
  REQUIRE(result.is_ok());
  CHECK(result->size() == 7);
}

TEST_CASE("execute: a failing function fails the job with operator, subtask and text") {
  StreamEnvironment env;
  env.set_parallelism(1);
  const auto result = env.from_sequence(1, 10)
                          .map([](int64_t n) -> int64_t {
                            if (n == 5) throw std::runtime_error("five is refused");
                            return n;
                          })
                          .name("pick")
                          .execute_and_collect();
  REQUIRE_FALSE(result.is_ok());
  const std::string text = result.status().to_string();
  CHECK(text.find("pick") != std::string::npos);
  CHECK(text.find("(1/1)") != std::string::npos);
  CHECK(text.find("five is refused") != std::string::npos);
}

TEST_CASE("execute: mistakes of the builder come before anything runs") {
  StreamEnvironment env;
  const auto result = env.generator(10, make_order, in_order_within(1s))
                          .key_by(&Order::customer)
                          .window(TumblingEventTimeWindows::of(0s))
                          .aggregate(CountOrders{})
                          .execute_and_collect();
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
  StreamEnvironment empty;
  CHECK_FALSE(empty.execute("nothing").is_ok());
}

}  // namespace
}  // namespace sluice
