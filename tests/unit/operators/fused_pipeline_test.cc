#include "operators/fused_pipeline.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"
#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Line {
  int64_t number = 0;
  Text text;
};
SLUICE_RECORD(Line, number, text);

template <class T, class F>
auto filter_stage(F f) {
  return FilterStage<T, F>{f};
}
template <class T, class U, class F>
auto map_stage(F f) {
  return MapStage<T, U, F>{f};
}
template <class T, class U, class F>
auto lazy_stage(F f) {
  return LazyRangeStage<T, U, F>(f);
}
template <class... S>
OperatorFactory pipeline(S... stages) {
  return make_fused_operator(std::tuple<S...>(stages...));
}

/// Everything an operator emitted, in order: values, and marks as text.
struct Trace {
  std::vector<std::string> events;
  friend bool operator==(const Trace&, const Trace&) = default;
};

/// Runs `op` over rows 1..n with a mark after every row whose number is in `marked`, cut into
/// batches of `batch_rows`; outputs hold `output_rows`. A shared batch cannot be changed in place.
Trace run(const OperatorFactory& factory, int64_t n, uint32_t batch_rows, uint32_t output_rows,
          bool shared, bool with_times) {
  auto op = factory();
  ManualClock clock;
  MetricGroup metrics;
  OperatorContext context;
  context.clock = &clock;
  context.metrics = &metrics;
  op->output(0).set_limits(1 << 16, output_rows);
  REQUIRE(op->open(context).is_ok());
  Trace trace;
  const auto drain = [&] {
    while (op->output(0).has_output()) {
      const StreamBatch out = op->output(0).take();
      size_t mark = 0;
      for (uint32_t row = 0; row <= out.rows(); ++row) {
        for (; mark < out.marks.size() && out.marks[mark].row == row; ++mark) {
          trace.events.push_back("w" + std::to_string(out.marks[mark].watermark.ms));
        }
        if (row == out.rows()) break;
        const auto& batch = batch_cast<int64_t>(*out.batch);
        trace.events.push_back(std::to_string(batch[row]) + "@" +
                               std::to_string(batch.time(row).ms));
      }
    }
  };
  for (int64_t first = 1; first <= n; first += batch_rows) {
    auto batch = TypedBatch<int64_t>::make(batch_rows);
    Marks marks;
    for (int64_t v = first; v < first + batch_rows && v <= n; ++v) {
      batch->push(v, with_times ? EventTime{v * 10} : kNoTimestamp);
      if (v % 3 == 0 || v % 7 == 1) add_mark(marks, batch->rows(), EventTime{v});
    }
    StreamBatch in{batch, marks};
    const BatchPtr other = shared ? BatchPtr(batch) : BatchPtr();
    batch.reset();
    Cursor cursor;
    while (op->process(0, in, cursor) == Progress::kOutputFull) drain();
    // The reader takes what there is between two batches now and then.
    if (output_rows <= 2) drain();
  }
  drain();
  op->close();
  // A mark that nothing separates from the next one may have been replaced by it.
  Trace coalesced;
  for (const auto& event : trace.events) {
    if (event[0] == 'w' && !coalesced.events.empty() && coalesced.events.back()[0] == 'w') {
      coalesced.events.back() = event;
    } else {
      coalesced.events.push_back(event);
    }
  }
  return coalesced;
}

void check_equal_everywhere(const OperatorFactory& factory) {
  for (const bool with_times : {false, true}) {
    const Trace expected = run(factory, 100, 1, 1, true, with_times);
    CHECK(expected.events.size() >= 10);
    for (const uint32_t batch_rows : {1, 2, 7, 100}) {
      for (const uint32_t output_rows : {1, 2, 1024}) {
        for (const bool shared : {false, true}) {
          CHECK(run(factory, 100, batch_rows, output_rows, shared, with_times).events ==
                expected.events);
        }
      }
    }
  }
}

TEST_CASE(
    "fused_pipeline: a map gives the same rows and marks at any batch size, in place or not") {
  check_equal_everywhere(pipeline(map_stage<int64_t, int64_t>([](int64_t v) { return v * 2; })));
}

TEST_CASE("fused_pipeline: a filter keeps marks at the position of the rows they follow") {
  check_equal_everywhere(pipeline(filter_stage<int64_t>([](int64_t v) { return v % 2 == 0; })));
  // So few rows stay that they are collected into larger batches.
  check_equal_everywhere(pipeline(filter_stage<int64_t>([](int64_t v) { return v % 11 == 0; })));
}

TEST_CASE("fused_pipeline: marks stand exactly where they stood") {
  OperatorHarness<int64_t> harness(
      pipeline(filter_stage<int64_t>([](int64_t v) { return v % 2 == 0; })));
  REQUIRE(harness.open().is_ok());
  auto batch = TypedBatch<int64_t>::make(8);
  for (int64_t v = 1; v <= 6; ++v) batch->push(v);
  StreamBatch in{BatchPtr(batch), {{0, {1}}, {1, {2}}, {3, {3}}, {4, {4}}, {6, {5}}}};
  batch.reset();
  Cursor cursor;
  CHECK(harness.op().process(0, in, cursor) == Progress::kDone);
  const StreamBatch out = harness.op().output(0).take();
  CHECK(out.rows() == 3);
  // Rows 2, 4, 6: the first two marks meet before row 2.
  REQUIRE(out.marks.size() == 4);
  CHECK(out.marks[0].row == 0);
  CHECK(out.marks[0].watermark.ms == 2);
  CHECK(out.marks[1].row == 1);
  CHECK(out.marks[1].watermark.ms == 3);
  CHECK(out.marks[2].row == 2);
  CHECK(out.marks[2].watermark.ms == 4);
  CHECK(out.marks[3].row == 3);
  CHECK(out.marks[3].watermark.ms == 5);
}

TEST_CASE("fused_pipeline: stages in one loop equal the stages one after the other") {
  const auto twice = map_stage<int64_t, int64_t>([](int64_t v) { return v * 2 + 1; });
  const auto odd = filter_stage<int64_t>([](int64_t v) { return v % 3 != 0; });
  const auto text = map_stage<int64_t, Text>([](int64_t v) { return Text(std::to_string(v)); });
  const auto size = map_stage<Text, int64_t>(
      [](const Text& t) { return static_cast<int64_t>(t.size()) + t.data()[0]; });
  check_equal_everywhere(pipeline(twice, odd, text, size));
  const auto expected = [&](int64_t v) -> std::optional<int64_t> {
    v = v * 2 + 1;
    if (v % 3 == 0) return std::nullopt;
    const std::string digits = std::to_string(v);
    return static_cast<int64_t>(digits.size()) + digits[0];
  };
  OperatorHarness<int64_t> harness(pipeline(twice, odd, text, size));
  REQUIRE(harness.open().is_ok());
  std::vector<int64_t> rows;
  std::vector<int64_t> wanted;
  for (int64_t v = 0; v < 500; ++v) {
    rows.push_back(v);
    if (const auto w = expected(v)) wanted.push_back(*w);
  }
  harness.push(rows);
  CHECK(harness.take_values() == wanted);
}

TEST_CASE("fused_pipeline: texts made and passed on live as long as the batch they are in") {
  OperatorHarness<Line> harness(
      pipeline(map_stage<Line, Line>([](const Line& line) {
                 return Line{line.number, Text(line.text.str() + " and some more bytes")};
               }),
               filter_stage<Line>([](const Line& line) { return line.number % 5 == 0; })));
  REQUIRE(harness.open().is_ok());
  std::vector<Line> lines;
  for (int64_t i = 0; i < 200; ++i) lines.push_back({i, Text("line number " + std::to_string(i))});
  harness.push(lines);
  const auto rows = harness.take();
  REQUIRE(rows.size() == 40);
  for (const auto& row : rows) {
    CHECK(row.value.text.str() ==
          "line number " + std::to_string(row.value.number) + " and some more bytes");
  }
}

TEST_CASE("fused_pipeline: a record kind and its time go through map and filter") {
  OperatorHarness<int64_t> harness(
      pipeline(map_stage<int32_t, int64_t>([](int32_t v) { return int64_t{v}; }),
               filter_stage<int64_t>([](int64_t v) { return v > 1; })));
  REQUIRE(harness.open().is_ok());
  auto batch = TypedBatch<int32_t>::make(4);
  batch->push(1, EventTime{10}, RowKind::kInsert);
  batch->push(2, EventTime{20}, RowKind::kUpdateBefore);
  batch->push(3, EventTime{30}, RowKind::kUpdateAfter);
  harness.push_batch({batch, {}});
  const auto rows = harness.take();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].kind == RowKind::kUpdateBefore);
  CHECK(rows[0].time == EventTime{20});
  CHECK(rows[1].kind == RowKind::kUpdateAfter);
}

TEST_CASE("fused_pipeline: the three forms of flat_map agree at every batch size") {
  const auto collect = [](int64_t v, Collector<int64_t>& out) {
    for (int64_t i = 0; i < v % 4; ++i) out.collect(v * 10 + i);
  };
  const auto vector = [](int64_t v) {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < v % 4; ++i) all.push_back(v * 10 + i);
    return all;
  };
  const auto lazy = [](const int64_t& v) -> Generator<int64_t> {
    for (int64_t i = 0; i < v % 4; ++i) co_yield v * 10 + i;
  };
  const auto keep = filter_stage<int64_t>([](int64_t v) { return v % 7 != 0; });
  const auto by_collector =
      pipeline(CollectingStage<int64_t, int64_t, decltype(collect)>(collect), keep);
  const auto by_vector =
      pipeline(EagerRangeStage<int64_t, int64_t, decltype(vector)>{vector}, keep);
  const auto by_generator = pipeline(lazy_stage<int64_t, int64_t>(lazy), keep);
  check_equal_everywhere(by_collector);
  check_equal_everywhere(by_vector);
  check_equal_everywhere(by_generator);
  const Trace expected = run(by_vector, 100, 10, 1024, false, true);
  CHECK(run(by_collector, 100, 10, 1024, false, true) == expected);
  CHECK(run(by_generator, 100, 10, 1024, false, true) == expected);
}

TEST_CASE("fused_pipeline: optional results are at most one row") {
  const auto maybe = [](int64_t v) {
    return v % 2 == 0 ? std::optional<int64_t>(v) : std::nullopt;
  };
  check_equal_everywhere(pipeline(EagerRangeStage<int64_t, int64_t, decltype(maybe)>{maybe}));
}

TEST_CASE("fused_pipeline: generators inside generators stop and go on at any result") {
  const auto outer = [](const int64_t& v) -> Generator<Text> {
    for (int64_t i = 0; i < v % 3; ++i) {
      co_yield Text("a text too long to be inline " + std::to_string(v * 10 + i));
    }
  };
  const auto inner = [](const Text& t) -> Generator<int64_t> {
    for (const char c : t.view()) co_yield static_cast<int64_t>(c);
  };
  check_equal_everywhere(pipeline(lazy_stage<int64_t, Text>(outer),
                                  lazy_stage<Text, int64_t>(inner),
                                  filter_stage<int64_t>([](int64_t c) { return c % 2 == 0; })));
}

TEST_CASE(
    "resumability: flat_map of 1 to 1 M with 2 KiB of output keeps memory flat, loses nothing") {
  constexpr int64_t kResults = 1'000'000;
  const auto many = [](const int64_t& v) -> Generator<int64_t> {
    for (int64_t result = v; result < v + kResults; ++result) co_yield result;
  };
  auto op = pipeline(lazy_stage<int64_t, int64_t>(many))();
  ManualClock clock;
  MetricGroup metrics;
  OperatorContext context;
  context.clock = &clock;
  context.metrics = &metrics;
  op->output(0).set_limits(2048, 0);
  REQUIRE(op->open(context).is_ok());
  auto batch = TypedBatch<int64_t>::make(1);
  batch->push(5);
  StreamBatch in{batch, {{1, {77}}}};
  Cursor cursor;
  int64_t next = 5;
  size_t bytes_max = 0;
  uint32_t rows_of_call_max = 0;
  Progress progress = Progress::kOutputFull;
  while (progress == Progress::kOutputFull) {
    progress = op->process(0, in, cursor);
    uint32_t rows_of_call = 0;
    while (op->output(0).has_output()) {
      StreamBatch out = op->output(0).take();
      if (out.batch) bytes_max = std::max(bytes_max, out.batch->bytes());
      rows_of_call += out.rows();
      for (uint32_t row = 0; row < out.rows(); ++row) {
        if (batch_cast<int64_t>(*out.batch)[row] == next) ++next;
      }
      if (progress == Progress::kDone) CHECK(out.marks.size() == 1);
      op->output(0).recycle(std::move(out.batch));
    }
    rows_of_call_max = std::max(rows_of_call_max, rows_of_call);
  }
  CHECK(next == 5 + kResults);
  CHECK(bytes_max <= 2048);
  // A stop request is looked at between two calls, and none does more than fill the output once.
  CHECK(rows_of_call_max <= 2048 / sizeof(int64_t));
  op->close();
}

TEST_CASE(
    "fused_pipeline: rich functions are opened before the first and closed after the last row") {
  struct Rich {
    std::vector<std::string>* log;
    Counter* seen = nullptr;
    void open(RuntimeContext& context) {
      log->push_back("open " + context.operator_name());
      seen = &context.counter("seen");
      context.accumulator("rows").add(0);
    }
    void close() { log->push_back("close"); }
    int64_t operator()(int64_t v) {
      seen->add();
      return v;
    }
  };
  std::vector<std::string> log;
  {
    OperatorHarness<int64_t> harness(pipeline(MapStage<int64_t, int64_t, Rich>{Rich{&log}}));
    REQUIRE(harness.open().is_ok());
    harness.push<int64_t>({1, 2, 3});
    CHECK(harness.metrics().counter("seen").value() == 3);
  }
  CHECK(log == std::vector<std::string>{"open under-test", "close"});
}

TEST_CASE("fused_pipeline: an exception of the function leaves process()") {
  OperatorHarness<int64_t> harness(pipeline(map_stage<int64_t, int64_t>([](int64_t v) -> int64_t {
    if (v == 2) throw std::runtime_error("two");
    return v;
  })));
  REQUIRE(harness.open().is_ok());
  CHECK_THROWS_WITH(harness.push<int64_t>({1, 2, 3}), "two");
}

}  // namespace
}  // namespace sluice
