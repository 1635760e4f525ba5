// Jobs with windows and joins, run to their end as actors of this process.
#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/api/orders.h"

namespace sluice {
namespace {

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
