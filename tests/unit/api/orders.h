// Orders and their totals, and a way to run one job in many settings: for the tests that run jobs.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include "api/execute.h"

namespace sluice {

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

inline Order make_order(int64_t n) {
  return {n, Text("customer with a long name " + std::to_string(n % 7)), n % 100,
          EventTime{(n - n % 5 + (n * 3) % 5) * 100}};
}
inline WatermarkStrategy<Order> in_order_within(Duration bound) {
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

}  // namespace sluice
