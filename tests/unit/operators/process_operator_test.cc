// The four kinds of process function and their broadcast and connected forms: contexts, state,
// timers, side outputs, snapshots.
#include "operators/process_operator.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Trade {
  Text stock;
  int64_t amount = 0;
};
SLUICE_RECORD(Trade, stock, amount);

constexpr auto kStock = [](const Trade& trade) { return trade.stock; };
const OutputTag<int64_t> kLarge("large trades");

using Lines = std::vector<std::string>;

Lines lines_of(const std::vector<EmittedRow<Text>>& rows) {
  Lines lines;
  for (const auto& row : rows) {
    lines.push_back(row.value.str() + "@" +
                    (row.time == kNoTimestamp ? "none" : std::to_string(row.time.ms)));
  }
  return lines;
}

// ---- without key --------------------------------------------------------------------------------

class Describe : public ProcessFunction<Trade, Text> {
 public:
  void process_element(const Trade& trade, Context& context, Collector<Text>& out) override {
    if (trade.amount < 0) throw std::runtime_error("a trade of less than nothing");
    if (trade.amount > 100) context.output(kLarge, trade.amount);
    const EventTime watermark = context.current_watermark();
    out.collect(Text(trade.stock.str() + " at " + std::to_string(context.timestamp().ms) +
                     (watermark == kMinTime ? "" : " after " + std::to_string(watermark.ms))));
    CHECK(context.timer_service().current_watermark() == watermark);
    CHECK(context.current_processing_time().ms == 77);
  }
};

TEST_CASE("process function: sees time, watermark and clock, writes side outputs") {
  OperatorHarness<Text> harness(make_process_operator<Trade, Text>(Describe{}));
  harness.add_side_output<int64_t>(kLarge.id());
  harness.clock().set_ms(77);
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 1}, {"b", 101}, {"c", 2}}, {5, 6, 9}, {{2, {5}}});
  CHECK(lines_of(harness.take()) == Lines{"a at 5@5", "b at 6@6", "c at 9 after 5@9"});
  const auto large = harness.take_side<int64_t>(1);
  REQUIRE(large.size() == 1);
  CHECK(large[0].value == 101);
  CHECK(large[0].time.ms == 6);
  CHECK(harness.take_watermarks() == std::vector<int64_t>{5});
}

TEST_CASE("process function: a side output that nobody reads is dropped") {
  OperatorHarness<Text> harness(make_process_operator<Trade, Text>(Describe{}));
  harness.clock().set_ms(77);
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"b", 101}}, {6});
  CHECK(harness.take().size() == 1);
}

TEST_CASE("process function: exceptions leave the operator") {
  OperatorHarness<Text> harness(make_process_operator<Trade, Text>(Describe{}));
  harness.clock().set_ms(77);
  REQUIRE(harness.open().is_ok());
  CHECK_THROWS_WITH(harness.push<Trade>({{"a", -1}}), "a trade of less than nothing");
}

class WantsState : public ProcessFunction<Trade, Text> {
 public:
  void open(RuntimeContext& context) override {
    context.get_state(ValueStateDescriptor<int64_t>{"sum"});
  }
  void process_element(const Trade&, Context&, Collector<Text>&) override {}
};

TEST_CASE("process function: keyed state without key_by is refused with the state's name") {
  OperatorHarness<Text> harness(make_process_operator<Trade, Text>(WantsState{}));
  const Status status = harness.open();
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.message().find("'sum' needs a keyed stream") != std::string::npos);
}

class Merge : public CoProcessFunction<Trade, int64_t, Text> {
 public:
  void process_element1(const Trade& trade, Context& context, Collector<Text>& out) override {
    out.collect(Text("trade " + trade.stock.str() + " of " + std::to_string(factor_)));
    CHECK(context.timestamp() != kNoTimestamp);
  }
  void process_element2(const int64_t& factor, Context&, Collector<Text>& out) override {
    factor_ = factor;
    out.collect(Text("factor"));
  }

 private:
  int64_t factor_ = 1;
};

TEST_CASE("co-process function: both inputs reach one object, with their own times") {
  OperatorHarness<Text> harness(make_co_process_operator<Trade, int64_t, Text>(Merge{}));
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 1}}, {1}, {}, 0);
  harness.push<int64_t>({9}, {2}, {}, 1);
  harness.push<Trade>({{"b", 1}}, {3}, {}, 0);
  CHECK(lines_of(harness.take()) == Lines{"trade a of 1@1", "factor@2", "trade b of 9@3"});
}

// ---- keyed --------------------------------------------------------------------------------------

/// Sums per stock; tells the sum `delay` after the first trade in event time, and after 100 ms of
/// the clock when asked to.
class SumPerStock : public KeyedProcessFunction<Text, Trade, Text> {
 public:
  void open(RuntimeContext& context) override {
    sum_ = context.get_state(ValueStateDescriptor<int64_t>{"sum"});
  }
  void process_element(const Trade& trade, Context& context, Collector<Text>& out) override {
    const bool first = sum_.is_empty();
    sum_.modify([&](int64_t& sum) { sum += trade.amount; });
    CHECK(context.current_key() == trade.stock);
    if (first) context.timer_service().register_event_time_timer(context.timestamp() + 10ms);
    if (trade.amount == 1000) {
      context.timer_service().register_processing_time_timer(context.current_processing_time() +
                                                             100ms);
    }
    if (trade.amount == 0) {
      context.timer_service().delete_event_time_timer(context.timestamp() + 10ms);
      out.collect("cancelled");
    }
  }
  void on_timer(EventTime time, OnTimerContext& context, Collector<Text>& out) override {
    const bool event = context.time_domain() == TimerDomain::kEvent;
    out.collect(Text(context.current_key().str() + (event ? " " : " by clock ") +
                     std::to_string(sum_.value_or(-1)) + " due " + std::to_string(time.ms)));
    CHECK((context.timestamp() == time) == event);
    sum_.clear();
  }

 private:
  ValueState<int64_t> sum_;
};

OperatorFactory sums_per_stock() {
  return make_keyed_process_operator<Text, Trade, Text>(SumPerStock{}, kStock);
}

TEST_CASE("keyed process function: state and timers belong to the key") {
  OperatorHarness<Text> harness(sums_per_stock());
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 1}, {"b", 10}, {"a", 2}, {"c", 0}}, {0, 5, 6, 7});
  CHECK(lines_of(harness.take()) == Lines{"cancelled@7"});
  harness.watermark(9);
  CHECK(harness.take().empty());
  harness.watermark(10);
  CHECK(lines_of(harness.take()) == Lines{"a 3 due 10@10"});
  harness.watermark(100);
  CHECK(lines_of(harness.take()) == Lines{"b 10 due 15@15"});
  // Only the sum of c, whose timer was deleted, is left.
  CHECK(harness.snapshot().keyed_entries() == 1);
}

TEST_CASE("semantics rule 19: what a processing timer emits has no event time") {
  OperatorHarness<Text> harness(sums_per_stock());
  harness.clock().set_ms(5000);
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 1000}}, {0});
  harness.advance_clock_to(5100);
  CHECK(harness.take().empty());
  harness.advance_clock_to(5101);
  CHECK(lines_of(harness.take()) == Lines{"a by clock 1000 due 5100@none"});
}

TEST_CASE("semantics rule 19: overdue processing timers fire at once after a restore") {
  OperatorHarness<Text> harness(sums_per_stock());
  harness.clock().set_ms(5000);
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 1000}, {"b", 5}}, {0, 0});
  const MemorySnapshot snapshot = harness.snapshot();

  OperatorHarness<Text> restored(sums_per_stock());
  restored.clock().set_ms(90'000);
  auto reader = snapshot.reader();
  REQUIRE(restored.open(&reader).is_ok());
  restored.advance_clock_to(90'000);
  CHECK(lines_of(restored.take()) == Lines{"a by clock 1000 due 5100@none"});
  restored.watermark(10);
  // The event timer of a was set too; its sum is gone.
  CHECK(lines_of(restored.take()).size() == 2);
}

TEST_CASE("semantics rule 19: processing timers are not run to completion at the end of input") {
  OperatorHarness<Text> harness(sums_per_stock());
  harness.clock().set_ms(5000);
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 1000}}, {0});
  harness.watermark(kMaxTime.ms);
  CHECK(lines_of(harness.take()) == Lines{"a 1000 due 10@10"});
  harness.end_of_input();
  harness.finish();
  CHECK(harness.take().empty());
}

TEST_CASE("semantics rule 20: records, timers and watermarks keep one order, at any batch size") {
  // Each record tells itself; each timer tells the sum so far.
  class Log : public KeyedProcessFunction<Text, Trade, Text> {
   public:
    void process_element(const Trade& trade, Context& context, Collector<Text>& out) override {
      out.collect(Text("record " + std::to_string(trade.amount)));
      context.timer_service().register_event_time_timer(context.timestamp());
      CHECK(context.current_watermark() < context.timestamp());
    }
    void on_timer(EventTime time, OnTimerContext& context, Collector<Text>& out) override {
      // Timers run with the new watermark and before it is forwarded.
      CHECK(context.current_watermark() >= time);
      out.collect(Text("timer " + std::to_string(time.ms)));
    }
  };
  const Lines expected{"record 1", "record 3", "timer 1", "record 4", "timer 3", "timer 4"};
  for (const uint32_t output_rows : {0U, 1U, 2U}) {
    CAPTURE(output_rows);
    for (const bool one_batch : {true, false}) {
      OperatorHarness<Text> harness(make_keyed_process_operator<Text, Trade, Text>(Log{}, kStock));
      harness.set_output_rows(output_rows);
      REQUIRE(harness.open().is_ok());
      if (one_batch) {
        harness.push<Trade>({{"a", 1}, {"b", 3}, {"a", 4}}, {1, 3, 4}, {{2, {2}}, {3, {9}}});
      } else {
        harness.push<Trade>({{"a", 1}}, {1});
        harness.push<Trade>({{"b", 3}}, {3}, {{1, {2}}});
        harness.push<Trade>({{"a", 4}}, {4});
        harness.watermark(9);
      }
      Lines lines;
      for (const auto& row : harness.take()) lines.push_back(row.value.str());
      CHECK(lines == expected);
      CHECK(harness.take_watermarks() == std::vector<int64_t>{2, 9});
    }
  }
}

TEST_CASE("resumability: a million timers on one watermark with 2 KiB of output, nothing lost") {
  class Tick : public KeyedProcessFunction<int64_t, int64_t, int64_t> {
   public:
    void process_element(const int64_t& n, Context& context, Collector<int64_t>&) override {
      context.timer_service().register_event_time_timer(EventTime{n % 1000});
    }
    void on_timer(EventTime, OnTimerContext& context, Collector<int64_t>& out) override {
      out.collect(context.current_key());
    }
  };
  constexpr int64_t kTimers = 1'000'000;
  constexpr uint32_t kRowsIn2KiB = 2048 / sizeof(int64_t);
  OperatorHarness<int64_t> harness(
      make_keyed_process_operator<int64_t, int64_t, int64_t>(Tick{}, [](int64_t n) { return n; }));
  harness.set_output_rows(kRowsIn2KiB);
  REQUIRE(harness.open().is_ok());
  std::vector<int64_t> numbers;
  for (int64_t n = 0; n < kTimers; ++n) {
    numbers.push_back(n);
    if (numbers.size() == 10'000) harness.push(std::exchange(numbers, {}));
  }
  harness.count_only();
  harness.watermark(2000);
  CHECK(harness.rows_emitted() == kTimers);
  // Between two stops, when a stop request is looked at, there is one output's worth of timers.
  CHECK(harness.rows_waiting_max() <= kRowsIn2KiB);
  CHECK(harness.stops() >= kTimers / kRowsIn2KiB);
  CHECK(harness.take_watermarks() == std::vector<int64_t>{2000});
}

TEST_CASE("keyed process function: mistakes with states are told when it opens") {
  class Twice : public KeyedProcessFunction<Text, Trade, Text> {
   public:
    explicit Twice(std::string second) : second_(std::move(second)) {}
    void open(RuntimeContext& context) override {
      context.get_state(ValueStateDescriptor<int64_t>{"sum"});
      context.get_state(ValueStateDescriptor<Text>{second_});
    }
    void process_element(const Trade&, Context&, Collector<Text>&) override {}

   private:
    std::string second_;
  };
  for (const std::string second : {"sum", "_hidden", ""}) {
    OperatorHarness<Text> harness(
        make_keyed_process_operator<Text, Trade, Text>(Twice{second}, kStock));
    const Status status = harness.open();
    CHECK_FALSE(status.is_ok());
    CHECK_MESSAGE(status.message().find("'" + second + "'") != std::string::npos,
                  status.to_string());
  }
}

/// Joins trades and limits of a stock, with one state for both.
class Limit : public KeyedCoProcessFunction<Text, Trade, Trade, Text> {
 public:
  void open(RuntimeContext& context) override {
    limit_ = context.get_state(ValueStateDescriptor<int64_t>{"limit"});
  }
  void process_element1(const Trade& trade, Context& context, Collector<Text>& out) override {
    const int64_t* limit = limit_.get();
    if (limit == nullptr) {
      out.collect(Text(trade.stock.str() + " has no limit"));
    } else if (trade.amount > *limit) {
      out.collect(Text(context.current_key().str() + " above " + std::to_string(*limit)));
    }
  }
  void process_element2(const Trade& limit, Context& context, Collector<Text>&) override {
    limit_.update(limit.amount);
    context.timer_service().register_event_time_timer(context.timestamp() + 50ms);
  }
  void on_timer(EventTime, OnTimerContext& context, Collector<Text>& out) override {
    limit_.clear();
    out.collect(Text("limit of " + context.current_key().str() + " ended"));
  }

 private:
  ValueState<int64_t> limit_;
};

TEST_CASE("keyed co-process function: both inputs share state and timers of a key") {
  OperatorHarness<Text> harness(
      make_keyed_co_process_operator<Text, Trade, Trade, Text>(Limit{}, kStock, kStock));
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 5}}, {1}, {}, 0);
  harness.push<Trade>({{"a", 4}, {"b", 9}}, {2, 3}, {}, 1);
  harness.push<Trade>({{"a", 5}, {"b", 5}}, {4, 4}, {}, 0);
  CHECK(lines_of(harness.take()) == Lines{"a has no limit@1", "a above 4@4"});
  harness.watermark(52);
  harness.push<Trade>({{"a", 5}}, {60}, {}, 0);
  CHECK(lines_of(harness.take()) == Lines{"limit of a ended@52", "a has no limit@60"});
}

// ---- broadcast ----------------------------------------------------------------------------------

const MapStateDescriptor<Text, int64_t> kFactors{"factors"};

/// Multiplies amounts with the factor of their stock; a factor of 0 resets the sums of all keys.
class Scale : public KeyedBroadcastProcessFunction<Text, Trade, Trade, Text> {
 public:
  void open(RuntimeContext& context) override {
    sum_ = context.get_state(ValueStateDescriptor<int64_t>{"sum"});
  }
  void process_element(const Trade& trade, ReadOnlyContext& context,
                       Collector<Text>& out) override {
    const int64_t* factor = context.get_broadcast_state(kFactors).get(trade.stock);
    sum_.modify([&](int64_t& sum) { sum += trade.amount * (factor != nullptr ? *factor : 1); });
    out.collect(Text(trade.stock.str() + " " + std::to_string(*sum_.get())));
    context.timer_service().register_event_time_timer(EventTime{1000});
  }
  void process_broadcast_element(const Trade& factor, Context& context,
                                 Collector<Text>& out) override {
    if (factor.amount == 0) {
      context.apply_to_keyed_state(sum_, [&](const Text& stock, ValueState<int64_t>& sum) {
        out.collect(Text("reset " + stock.str() + " from " + std::to_string(*sum.get())));
        sum.clear();
      });
      context.get_broadcast_state(kFactors).clear();
      return;
    }
    context.get_broadcast_state(kFactors).put(factor.stock, factor.amount);
  }
  void on_timer(EventTime, OnTimerContext& context, Collector<Text>& out) override {
    const auto& factors = context.get_broadcast_state(kFactors);
    out.collect(Text("end of " + context.current_key().str() + " with " +
                     std::to_string(factors.size()) + " factors"));
  }

 private:
  ValueState<int64_t> sum_;
};

OperatorFactory scale() {
  return make_keyed_broadcast_process_operator<Text, Trade, Trade, Text>(
      Scale{}, kStock, {BroadcastStateSpec::of(kFactors)});
}

TEST_CASE("keyed broadcast process function: rules reach all keys, timers read them") {
  OperatorHarness<Text> harness(scale());
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 2}}, {1}, {}, 0);
  harness.push<Trade>({{"a", 10}, {"z", 3}}, {2, 2}, {}, 1);
  harness.push<Trade>({{"a", 2}, {"b", 2}}, {3, 3}, {}, 0);
  CHECK(lines_of(harness.take()) == Lines{"a 2@1", "a 22@3", "b 2@3"});
  harness.push<Trade>({{"any", 0}}, {4}, {}, 1);
  auto lines = lines_of(harness.take());
  std::sort(lines.begin(), lines.end());
  CHECK(lines == Lines{"reset a from 22@4", "reset b from 2@4"});
  harness.watermark(1000);
  CHECK(lines_of(harness.take()).size() == 2);
}

TEST_CASE("keyed broadcast process function: both states come back, also at another parallelism") {
  OperatorHarness<Text> harness(scale());
  REQUIRE(harness.open().is_ok());
  harness.push<Trade>({{"a", 10}, {"z", 3}}, {2, 2}, {}, 1);
  harness.push<Trade>({{"a", 2}, {"b", 2}, {"c", 1}}, {3, 3, 3}, {}, 0);
  const MemorySnapshot snapshot = harness.snapshot();
  Lines ends;
  for (int subtask = 0; subtask < 3; ++subtask) {
    OperatorHarness<Text> restored(scale());
    restored.context().task.subtask = subtask;
    restored.context().task.parallelism = 3;
    auto reader = snapshot.reader(subtask, 3);
    REQUIRE(restored.open(&reader).is_ok());
    restored.watermark(1000);
    for (const auto& line : lines_of(restored.take())) ends.push_back(line);
  }
  std::sort(ends.begin(), ends.end());
  CHECK(ends == Lines{"end of a with 2 factors@1000", "end of b with 2 factors@1000",
                      "end of c with 2 factors@1000"});
}

TEST_CASE("broadcast state: a state that was not given to broadcast() is refused") {
  class Other : public BroadcastProcessFunction<Trade, Trade, Text> {
   public:
    void process_element(const Trade&, ReadOnlyContext& context, Collector<Text>&) override {
      context.get_broadcast_state(MapStateDescriptor<Text, int64_t>{"other"});
    }
    void process_broadcast_element(const Trade&, Context&, Collector<Text>&) override {}
  };
  OperatorHarness<Text> harness(make_broadcast_process_operator<Trade, Trade, Text>(
      Other{}, {BroadcastStateSpec::of(kFactors)}));
  REQUIRE(harness.open().is_ok());
  try {
    harness.push<Trade>({{"a", 1}});
    FAIL("it must be refused");
  } catch (const OperatorFailure& failure) {
    CHECK(failure.status().message().find("'other'") != std::string::npos);
  }
}

}  // namespace
}  // namespace sluice
