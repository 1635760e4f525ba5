#include "operators/async_operator.h"

#include <map>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

/// Keeps the handles so that the test decides what happens when.
struct Desk {
  std::vector<std::pair<int64_t, AsyncResult<Text>>> calls;

  AsyncResult<Text>& of(int64_t record, int occurrence = 1) {
    for (auto& [number, result] : calls) {
      if (number == record && --occurrence == 0) return result;
    }
    throw std::runtime_error("no such call");
  }
  int count(int64_t record) const {
    int n = 0;
    for (const auto& call : calls) n += call.first == record ? 1 : 0;
    return n;
  }
};

struct Ask {
  Desk* desk;
  void operator()(const int64_t& record, AsyncResult<Text> result) {
    desk->calls.emplace_back(record, std::move(result));
  }
};

Text long_text(int64_t n) { return Text("the answer to question number " + std::to_string(n)); }

OperatorFactory ask(Desk& desk, AsyncOptions options) {
  return make_async_operator<int64_t, Text>(Ask{&desk}, std::move(options));
}

AsyncOptions with_order(AsyncOrder order, int capacity = 100) {
  AsyncOptions options;
  options.order = order;
  options.capacity = capacity;
  return options;
}

std::vector<std::string> texts(OperatorHarness<Text>& harness) {
  std::vector<std::string> all;
  for (const auto& row : harness.take()) all.push_back(row.value.str());
  return all;
}
std::vector<std::string> answers(const std::vector<int64_t>& numbers) {
  std::vector<std::string> all;
  all.reserve(numbers.size());
  for (const int64_t n : numbers) all.push_back(long_text(n).str());
  return all;
}
/// What the task does after wake().
void wake(OperatorHarness<Text>& harness) { harness.advance_clock_to(harness.clock().wall_ms()); }

TEST_CASE("async_operator: ordered results leave in the order of the records") {
  Desk desk;
  OperatorHarness<Text> harness(ask(desk, with_order(AsyncOrder::kOrdered)));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1, 2, 3}, {10, 20, 30});
  CHECK(desk.calls.size() == 3);
  desk.of(2).complete(long_text(2));
  desk.of(3).complete(long_text(3));
  CHECK(harness.wakes() == 2);
  wake(harness);
  CHECK(harness.take().empty());
  desk.of(1).complete(long_text(1));
  wake(harness);
  const auto rows = harness.take();
  REQUIRE(rows.size() == 3);
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(rows[static_cast<size_t>(i)].value.str() == long_text(i + 1).str());
    CHECK(rows[static_cast<size_t>(i)].time == EventTime{(i + 1) * 10});
  }
}

TEST_CASE("async_operator: unordered results leave as they come") {
  Desk desk;
  OperatorHarness<Text> harness(ask(desk, with_order(AsyncOrder::kUnordered)));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1, 2, 3});
  desk.of(3).complete(long_text(3));
  wake(harness);
  CHECK(texts(harness) == answers({3}));
  desk.of(1).complete(long_text(1));
  wake(harness);
  CHECK(texts(harness) == answers({1}));
}

TEST_CASE("semantics rule 44: watermarks stay ordered in both modes") {
  for (const AsyncOrder order : {AsyncOrder::kOrdered, AsyncOrder::kUnordered}) {
    Desk desk;
    OperatorHarness<Text> harness(ask(desk, with_order(order)));
    REQUIRE(harness.open().is_ok());
    harness.push<int64_t>({1, 2}, {}, {{2, {5}}});
    harness.push<int64_t>({3});
    harness.watermark(7);
    // Done, but behind a watermark that records before it hold back.
    desk.of(3).complete(long_text(3));
    desk.of(2).complete(long_text(2));
    wake(harness);
    CHECK(texts(harness) == (order == AsyncOrder::kOrdered ? answers({}) : answers({2})));
    CHECK(harness.take_watermarks().empty());
    desk.of(1).complete(long_text(1));
    wake(harness);
    CHECK(texts(harness) == (order == AsyncOrder::kOrdered ? answers({1, 2, 3}) : answers({1, 3})));
    CHECK(harness.take_watermarks() == std::vector<int64_t>{5, 7});
    // With nothing in flight a watermark passes at once.
    harness.watermark(9);
    CHECK(harness.take_watermarks() == std::vector<int64_t>{9});
  }
}

TEST_CASE(
    "semantics rule 44: records in flight are state and are asked for again after a restore") {
  Desk desk;
  OperatorHarness<Text> harness(ask(desk, with_order(AsyncOrder::kOrdered)));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1, 2, 3}, {10, 20, 30});
  desk.of(1).complete(long_text(1));
  wake(harness);
  CHECK(texts(harness) == answers({1}));
  // Done but not emitted: it is asked for again, too.
  desk.of(3).complete(long_text(3));
  const MemorySnapshot snapshot = harness.snapshot();

  Desk again;
  OperatorHarness<Text> restored(ask(again, with_order(AsyncOrder::kOrdered)));
  auto reader = snapshot.reader();
  REQUIRE(restored.open(&reader).is_ok());
  REQUIRE(again.calls.size() == 2);
  again.of(3).complete(long_text(3));
  again.of(2).complete(long_text(2));
  wake(restored);
  const auto rows = restored.take();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].value.str() == long_text(2).str());
  CHECK(rows[0].time == EventTime{20});
  CHECK(rows[1].time == EventTime{30});
}

TEST_CASE("async_operator: records in flight that were stored with narrower fields are widened") {
  const auto ask_about_i32 = [](Desk& desk) {
    return make_async_operator<int32_t, Text>(
        [&desk](const int32_t& record, AsyncResult<Text> result) {
          desk.calls.emplace_back(record, std::move(result));
        },
        with_order(AsyncOrder::kOrdered));
  };
  Desk desk;
  OperatorHarness<Text> harness(ask_about_i32(desk));
  REQUIRE(harness.open().is_ok());
  harness.push<int32_t>({-5, 6}, {10, 20});
  const MemorySnapshot snapshot = harness.snapshot();

  Desk again;
  OperatorHarness<Text> restored(ask(again, with_order(AsyncOrder::kOrdered)));
  auto reader = snapshot.reader();
  REQUIRE(restored.open(&reader).is_ok());
  REQUIRE(again.calls.size() == 2);
  CHECK(again.calls[0].first == -5);

  // The other way round numbers could be lost.
  const MemorySnapshot wide = restored.snapshot();
  OperatorHarness<Text> narrow(ask_about_i32(desk));
  auto wide_reader = wide.reader();
  const Status refused = narrow.open(&wide_reader);
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(refused.message().find("stored as i64, now i32") != std::string::npos);
}

TEST_CASE("async_operator: with the capacity in flight no more records are taken") {
  Desk desk;
  OperatorHarness<Text> harness(ask(desk, with_order(AsyncOrder::kUnordered, 2)));
  REQUIRE(harness.open().is_ok());
  auto batch = TypedBatch<int64_t>::make(8);
  for (int64_t n = 1; n <= 4; ++n) batch->push(n);
  StreamBatch in{batch, {{4, {9}}}};
  Cursor cursor;
  CHECK(harness.op().process(0, in, cursor) == Progress::kAwait);
  CHECK(desk.calls.size() == 2);
  desk.of(2).complete(long_text(2));
  CHECK(harness.op().process(0, in, cursor) == Progress::kAwait);
  CHECK(desk.calls.size() == 3);
  desk.of(1).complete(long_text(1));
  CHECK(harness.op().process(0, in, cursor) == Progress::kDone);
  CHECK(harness.op().finish() == Progress::kAwait);
  desk.of(3).complete(long_text(3));
  desk.of(4).complete(long_text(4));
  CHECK(harness.op().finish() == Progress::kDone);
  CHECK(harness.op().output(0).take().rows() == 4);
}

TEST_CASE("async_operator: small outputs stop it between results") {
  Desk desk;
  OperatorHarness<Text> harness(ask(desk, with_order(AsyncOrder::kOrdered)));
  harness.set_output_rows(1);
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1, 2, 3});
  for (int64_t n = 1; n <= 3; ++n) desk.of(n).complete(long_text(n));
  wake(harness);
  CHECK(texts(harness) == answers({1, 2, 3}));
  CHECK(harness.stops() >= 2);
}

TEST_CASE("async_operator: a failure ends the job when no attempt is left") {
  Desk desk;
  AsyncOptions options;
  options.retry = AsyncRetry::fixed_delay(2, 100ms);
  OperatorHarness<Text> harness(ask(desk, options));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1});
  desk.of(1).fail("refused");
  wake(harness);
  CHECK(desk.count(1) == 1);
  harness.advance_clock_to(101);
  REQUIRE(desk.count(1) == 2);
  desk.of(1, 2).fail("refused again");
  CHECK_THROWS_WITH(wake(harness),
                    "the asynchronous operation failed after 2 attempts: refused again");
}

TEST_CASE("async_operator: a later attempt may succeed, an old one no longer counts") {
  Desk desk;
  AsyncOptions options;
  options.retry = AsyncRetry::exponential(4, 100ms, 250ms);
  OperatorHarness<Text> harness(ask(desk, options));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1});
  desk.of(1).fail("one");
  wake(harness);
  harness.advance_clock_to(101);
  CHECK(desk.count(1) == 2);
  desk.of(1, 2).fail("two");
  wake(harness);
  harness.advance_clock_to(250);
  CHECK(desk.count(1) == 2);  // 101 + 200 is not over yet.
  harness.advance_clock_to(302);
  REQUIRE(desk.count(1) == 3);
  desk.of(1).complete(long_text(9));
  wake(harness);
  CHECK(harness.take().empty());
  desk.of(1, 3).complete(long_text(1));
  wake(harness);
  CHECK(texts(harness) == answers({1}));
}

TEST_CASE("async_operator: only failures the strategy wants are repeated; empty results if asked") {
  Desk desk;
  AsyncOptions options;
  options.retry = AsyncRetry::fixed_delay(3, 10ms);
  options.retry.retry_if = [](const std::string& error) { return error == "busy"; };
  options.retry.retry_empty = true;
  OperatorHarness<Text> harness(ask(desk, options));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1, 2});
  desk.of(1).complete_all({});
  wake(harness);
  harness.advance_clock_to(11);
  REQUIRE(desk.count(1) == 2);
  desk.of(1, 2).complete_all({});
  wake(harness);
  harness.advance_clock_to(22);
  REQUIRE(desk.count(1) == 3);
  desk.of(1, 3).complete_all({});
  wake(harness);
  CHECK(harness.take().empty());
  desk.of(2).fail("gone");
  CHECK_THROWS_WITH(wake(harness), "the asynchronous operation failed: gone");
}

TEST_CASE("semantics rule 44: the timeout covers all retries") {
  Desk desk;
  AsyncOptions options;
  options.timeout = 1s;
  options.retry = AsyncRetry::fixed_delay(100, 300ms);
  OperatorHarness<Text> harness(ask(desk, options));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1});
  for (const int64_t now : {0, 301, 602, 903}) {
    harness.advance_clock_to(now);
    desk.calls.back().second.fail("busy");
    wake(harness);
  }
  CHECK(desk.count(1) == 4);
  CHECK_THROWS_WITH(harness.advance_clock_to(1001),
                    "an asynchronous operation had no result within 1s");
}

TEST_CASE("async_operator: a function with timeout() answers in another way") {
  struct AskWithTimeout : Ask {
    void timeout(const int64_t& record, AsyncResult<Text> result) {
      result.complete(Text("none for " + std::to_string(record)));
    }
  };
  Desk desk;
  AsyncOptions options;
  options.timeout = 50ms;
  OperatorHarness<Text> harness(
      make_async_operator<int64_t, Text>(AskWithTimeout{{&desk}}, options));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1});
  harness.advance_clock_to(20);
  harness.push<int64_t>({2});
  harness.advance_clock_to(50);
  CHECK(harness.take().empty());
  harness.advance_clock_to(51);
  CHECK(texts(harness) == std::vector<std::string>{"none for 1"});
  desk.of(1).complete(long_text(1));
  desk.of(2).complete(long_text(2));
  wake(harness);
  CHECK(texts(harness) == answers({2}));
}

TEST_CASE("async_operator: a handle dropped without a result is a failure, nothing hangs") {
  Desk desk;
  OperatorHarness<Text> harness(ask(desk, AsyncOptions()));
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1});
  desk.calls.clear();
  CHECK_THROWS_WITH(wake(harness),
                    "the asynchronous operation failed: the asynchronous function dropped its "
                    "AsyncResult without completing it");
}

TEST_CASE("async_operator: results come from other threads, also after the operator has ended") {
  Desk desk;
  {
    OperatorHarness<Text> harness(ask(desk, with_order(AsyncOrder::kUnordered)));
    REQUIRE(harness.open().is_ok());
    std::vector<int64_t> numbers;
    for (int64_t n = 0; n < 50; ++n) numbers.push_back(n);
    harness.push(numbers);
    std::thread other([&] {
      for (int64_t n = 0; n < 40; ++n) desk.of(n).complete(long_text(n));
    });
    other.join();
    wake(harness);
    CHECK(texts(harness).size() == 40);
  }
  desk.of(41).complete(long_text(41));
}

TEST_CASE("async_operator: functions that complete at once need no waking") {
  const auto now = [](const int64_t& n, AsyncResult<int64_t> result) { result.complete(n * 2); };
  OperatorHarness<int64_t> harness(make_async_operator<int64_t, int64_t>(now, {}));
  harness.set_output_rows(2);
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1, 2, 3, 4, 5}, {}, {{3, {8}}});
  harness.finish();
  CHECK(harness.take_values() == std::vector<int64_t>{2, 4, 6, 8, 10});
  CHECK(harness.take_watermarks() == std::vector<int64_t>{8});
}

}  // namespace
}  // namespace sluice
