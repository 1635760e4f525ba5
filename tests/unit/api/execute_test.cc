// Jobs written with the API, run to their end as actors of this process.
#include "api/execute.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/api/orders.h"

namespace sluice {
namespace {

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

TEST_CASE("execute: adjacent functions run as one operator of one task") {
  StreamEnvironment env;
  env.set_parallelism(2);
  env.from_sequence(1, 9)
      .map([](int64_t n) { return n; })
      .name("first")
      .filter([](int64_t n) { return n > 0; })
      .map([](int64_t n) { return n; })
      .name("last")
      .sink_to(PrintSink<int64_t>());
  JobSettings settings;
  settings.options = env.options();
  const auto plan = explain_plan(env.graph(), settings, PlanFormat::kText);
  REQUIRE(plan.is_ok());
  CHECK_MESSAGE(plan->find("first -> filter -> last") != std::string::npos, *plan);
}

/// A type with a codec of its own instead of SLUICE_RECORD.
class Point {
 public:
  Point() = default;
  Point(int32_t x, int32_t y) : x_(x), y_(y) {}
  int32_t x() const { return x_; }
  int32_t y() const { return y_; }

 private:
  int32_t x_ = 0;
  int32_t y_ = 0;
};

}  // namespace

template <>
struct Codec<Point> {
  static std::string schema_name() { return "point"; }
  static void encode(const Point& point, ByteWriter& writer) {
    writer.fixed(point.x());
    writer.fixed(point.y());
  }
  static void decode(ByteReader& reader, Point& point) {
    const auto x = reader.fixed<int32_t>();
    point = Point(x, reader.fixed<int32_t>());
  }
};

namespace {

TEST_CASE("execute: a type with a codec of its own flows like any record") {
  StreamEnvironment env;
  const auto result =
      env.from_sequence(1, 3)
          .map([](int64_t n) { return Point(static_cast<int32_t>(n), 7); })
          .key_by([](const Point& point) { return point.y(); })
          .reduce([](const Point& a, const Point& b) { return Point(a.x() + b.x(), b.y()); })
          .execute_and_collect();
  REQUIRE_MESSAGE(result.is_ok(), result.status().to_string());
  REQUIRE(result->size() == 3);
  CHECK((*result)[2].x() == 6);
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

TEST_CASE("execute: connected keyed streams meet in the subtask of their key") {
  struct Where {
    int subtask = 0;
    void open(RuntimeContext& context) { subtask = context.subtask(); }
    std::pair<int64_t, int64_t> operator()(int64_t n) { return {n, subtask}; }
  };
  StreamEnvironment env;
  env.set_parallelism(3);
  const auto same = [](int64_t n) { return n; };
  const auto result = env.from_sequence(1, 20)
                          .connect(env.from_sequence(1, 20))
                          .key_by(same, same)
                          .map(Where{}, Where{})
                          .execute_and_collect();
  REQUIRE(result.is_ok());
  auto places = *result;
  std::sort(places.begin(), places.end());
  REQUIRE(places.size() == 40);
  for (size_t i = 0; i < 40; i += 2) CHECK(places[i] == places[i + 1]);
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

}  // namespace
}  // namespace sluice
