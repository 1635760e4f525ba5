// Window join, co_group and interval join: rules 17 and 43.
#include <doctest/doctest.h>

#include "operators/interval_join.h"
#include "operators/window_join.h"
#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Order {
  int64_t id = 0;
  Text item;
};
SLUICE_RECORD(Order, id, item);

struct Payment {
  int64_t order = 0;
  int64_t amount = 0;
};
SLUICE_RECORD(Payment, order, amount);

constexpr auto kOrderId = [](const Order& order) { return order.id; };
constexpr auto kPaymentOrder = [](const Payment& payment) { return payment.order; };
constexpr auto kDescribe = [](const Order& order, const Payment& payment) {
  return Text(order.item.str() + "=" + std::to_string(payment.amount));
};

OperatorFactory window_join() {
  return make_window_join_operator<int64_t, Order, Payment, Text>(
      WindowSpec{TumblingEventTimeWindows::of(10ms)}, kOrderId, kPaymentOrder, EventTimeTrigger{},
      kDescribe);
}

OperatorFactory interval_join(IntervalJoinSpec spec) {
  return make_interval_join_operator<int64_t, Order, Payment, Text>(spec, kOrderId, kPaymentOrder,
                                                                    kDescribe);
}

std::vector<std::string> texts(const std::vector<EmittedRow<Text>>& rows) {
  std::vector<std::string> all;
  all.reserve(rows.size());
  for (const auto& row : rows) all.push_back(row.value.str() + "@" + std::to_string(row.time.ms));
  return all;
}
using Strings = std::vector<std::string>;

TEST_CASE("window join: every pair of a key and window, nothing for elements without partner") {
  OperatorHarness<Text> harness(window_join());
  REQUIRE(harness.open().is_ok());
  harness.push<Order>({{1, "a rather long item name"}, {1, "b"}, {2, "c"}}, {1, 2, 3}, {}, 0);
  harness.push<Payment>({{1, 10}, {1, 20}, {3, 30}, {1, 40}}, {4, 5, 6, 12}, {}, 1);
  harness.watermark(9);
  CHECK(texts(harness.take()) == Strings{"a rather long item name=10@9",
                                         "a rather long item name=20@9", "b=10@9", "b=20@9"});
  harness.watermark(100);
  CHECK(harness.take().empty());
  CHECK(harness.snapshot().keyed_entries() == 0);
}

TEST_CASE("window join: a thousand by a thousand elements leave in small outputs") {
  OperatorHarness<Text> harness(window_join());
  harness.set_output_rows(16);
  REQUIRE(harness.open().is_ok());
  std::vector<Order> orders(1000, Order{1, "x"});
  std::vector<Payment> payments(1000, Payment{1, 5});
  harness.push(orders, std::vector<int64_t>(1000, 3), {}, 0);
  harness.push(payments, std::vector<int64_t>(1000, 4), {}, 1);
  harness.count_only();
  harness.watermark(50);
  CHECK(harness.rows_emitted() == 1'000'000);
  CHECK(harness.rows_waiting_max() <= 16);
  CHECK(harness.take_watermarks() == std::vector<int64_t>{50});
}

TEST_CASE("co_group: either side may be empty, so outer joins can be written") {
  const auto left_outer = [](std::span<const Order> orders, std::span<const Payment> payments,
                             Collector<Text>& out) {
    for (const Order& order : orders) {
      out.collect(Text(order.item.str() + "x" + std::to_string(payments.size())));
    }
  };
  OperatorHarness<Text> harness(make_co_group_operator<int64_t, Order, Payment, Text>(
      WindowSpec{EventTimeSessionWindows::with_gap(10ms)}, kOrderId, kPaymentOrder,
      EventTimeTrigger{}, left_outer));
  REQUIRE(harness.open().is_ok());
  harness.push<Order>({{1, "a"}, {2, "b"}}, {1, 2}, {}, 0);
  harness.push<Payment>({{1, 10}, {1, 20}, {3, 5}}, {9, 15, 1}, {}, 1);
  harness.watermark(11);
  CHECK(texts(harness.take()) == Strings{"bx0@11"});
  harness.watermark(100);
  CHECK(texts(harness.take()) == Strings{"ax2@24"});  // The session [1, 25) of both sides.
}

TEST_CASE("semantics rule 17: a join lives by the combined watermark, whichever input brings it") {
  // The input gate combines the watermarks of all channels of both inputs (an idle side leaves the
  // minimum), so a mark is the operator's watermark on whichever input it arrives.
  OperatorHarness<Text> harness(window_join());
  REQUIRE(harness.open().is_ok());
  harness.push<Order>({{1, "a"}}, {1}, {}, 0);
  harness.push<Payment>({{1, 10}}, {2}, {{1, EventTime{9}}}, 1);
  CHECK(texts(harness.take()) == Strings{"a=10@9"});
  harness.push<Order>({{1, "a"}}, {1}, {}, 0);
  CHECK(harness.metrics().counter("late").value() == 1);
}

TEST_CASE("semantics rule 43: interval join bounds are inclusive by default") {
  OperatorHarness<Text> harness(interval_join({.lower = -2ms, .upper = 3ms}));
  REQUIRE(harness.open().is_ok());
  harness.push<Payment>({{1, 7}, {1, 8}, {1, 10}, {1, 13}, {1, 14}, {2, 10}},
                        {7, 8, 10, 13, 14, 10}, {}, 1);
  harness.push<Order>({{1, "o"}}, {10}, {}, 0);
  CHECK(texts(harness.take()) == Strings{"o=8@10", "o=10@10", "o=13@13"});
}

TEST_CASE("semantics rule 43: interval join bounds can be excluded on either end") {
  OperatorHarness<Text> harness(interval_join(
      {.lower = -2ms, .upper = 3ms, .lower_inclusive = false, .upper_inclusive = false}));
  REQUIRE(harness.open().is_ok());
  harness.push<Order>({{1, "o"}}, {10}, {}, 0);
  harness.push<Payment>({{1, 8}, {1, 9}, {1, 12}, {1, 13}}, {8, 9, 12, 13}, {}, 1);
  CHECK(texts(harness.take()) == Strings{"o=9@10", "o=12@12"});
  OperatorHarness<Text> empty(
      interval_join({.lower = 1ms, .upper = 1ms, .lower_inclusive = false}));
  CHECK(empty.open().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("semantics rule 43: the result carries the later of both timestamps") {
  OperatorHarness<Text> harness(interval_join({.lower = -5ms, .upper = 5ms}));
  REQUIRE(harness.open().is_ok());
  harness.push<Order>({{1, "o"}, {1, "p"}}, {10, 20}, {}, 0);
  harness.push<Payment>({{1, 1}}, {15}, {}, 1);
  CHECK(texts(harness.take()) == Strings{"o=1@15", "p=1@20"});
}

TEST_CASE("semantics rule 43: late elements are dropped and counted or go to a side output") {
  OperatorHarness<Text> harness(
      interval_join({.lower = -5ms, .upper = 5ms, .late_left_tag = -1, .late_right_tag = 4}));
  harness.add_side_output<Payment>(4);
  REQUIRE(harness.open().is_ok());
  harness.push<Order>({{1, "o"}}, {10}, {}, 0);
  harness.watermark(12);
  harness.push<Payment>({{1, 1}, {1, 2}}, {11, 12}, {}, 1);
  harness.push<Order>({{1, "late"}}, {11}, {}, 0);
  CHECK(texts(harness.take()) == Strings{"o=2@12"});
  const auto late = harness.take_side<Payment>(1);
  REQUIRE(late.size() == 1);
  CHECK(late[0].value.amount == 1);
  CHECK(harness.metrics().counter("late").value() == 2);
}

TEST_CASE("semantics rule 43: each side is kept only as long as the other may bring a partner") {
  // Right comes 10 to 20 after left: left is kept for 20, right is of no use after its own time.
  OperatorHarness<Text> harness(interval_join({.lower = 10ms, .upper = 20ms}));
  REQUIRE(harness.open().is_ok());
  harness.push<Order>({{1, "o"}, {1, "p"}}, {0, 5}, {}, 0);
  harness.push<Payment>({{1, 1}}, {15}, {}, 1);
  CHECK(texts(harness.take()) == Strings{"o=1@15", "p=1@15"});
  const auto elements = [&] {
    const MemorySnapshot snapshot = harness.snapshot();
    size_t count = 0;
    for (const char* side : {"_left", "_right"}) {
      auto reader = snapshot.reader();
      REQUIRE(reader
                  .visit_keyed_state(side,
                                     [&](int, std::string_view, std::string_view) {
                                       ++count;
                                       return Status::ok();
                                     })
                  .is_ok());
    }
    return count;
  };
  CHECK(elements() == 3);
  harness.watermark(15);
  CHECK(elements() == 2);
  harness.watermark(20);
  CHECK(elements() == 1);
  harness.watermark(25);
  CHECK(elements() == 0);
}

TEST_CASE("interval join: an element with many partners stops and goes on at the same pair") {
  OperatorHarness<Text> harness(interval_join({.lower = -1000ms, .upper = 1000ms}));
  harness.set_output_rows(8);
  REQUIRE(harness.open().is_ok());
  std::vector<Payment> payments;
  std::vector<int64_t> times;
  for (int64_t i = 0; i < 1000; ++i) {
    payments.push_back({1, i});
    times.push_back(i / 3);
  }
  harness.push(payments, times, {}, 1);
  harness.push<Order>({{1, "o"}, {1, "p"}}, {500, 600}, {}, 0);
  const auto rows = harness.take();
  REQUIRE(rows.size() == 2000);
  CHECK(harness.rows_waiting_max() <= 8);
  bool in_order = true;
  for (size_t i = 0; i < 2000; ++i) {
    const std::string wanted = (i < 1000 ? "o=" : "p=") + std::to_string(i % 1000);
    in_order = in_order && rows[i].value.view() == wanted;
  }
  CHECK(in_order);
}

TEST_CASE("interval join: buffers and lateness come back from a snapshot") {
  OperatorHarness<Text> before(interval_join({.lower = -5ms, .upper = 5ms}));
  REQUIRE(before.open().is_ok());
  before.push<Order>({{1, "an item that is not short"}}, {10}, {}, 0);
  before.watermark(8);
  const MemorySnapshot snapshot = before.snapshot();
  OperatorHarness<Text> after(interval_join({.lower = -5ms, .upper = 5ms}));
  auto reader = snapshot.reader();
  REQUIRE(after.open(&reader).is_ok());
  after.push<Payment>({{1, 1}, {1, 2}}, {7, 9}, {}, 1);
  CHECK(texts(after.take()) == Strings{"an item that is not short=2@10"});
  CHECK(after.metrics().counter("late").value() == 1);
  after.watermark(15);
  CHECK(after.snapshot().keyed_entries() == 0);
}

}  // namespace
}  // namespace sluice
