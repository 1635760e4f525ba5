// Records of every field type on their whole way: exchange, keyed state, CSV and JSON files.
#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "api/execute.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"
#include "connectors/formats/json_lines.h"
#include "tests/support/scratch_directory.h"

namespace sluice {

enum class Mood { kCalm, kWild };
BOOST_DESCRIBE_ENUM(Mood, kCalm, kWild)

struct Address {
  Text street;
  std::optional<int32_t> number;
  friend bool operator==(const Address&, const Address&) = default;
};
SLUICE_RECORD(Address, street, number);

struct Everything {
  int64_t id = 0;
  bool flag = false;
  int8_t small = 0;
  uint32_t count = 0;
  float ratio = 0;
  double mean = 0;
  Decimal price;
  Text text;
  std::string string;
  Bytes bytes;
  EventTime at;
  Duration took{0};
  Mood mood = Mood::kCalm;
  std::optional<Text> maybe;
  std::vector<Text> tags;
  std::map<std::string, int64_t> counts;
  std::pair<int32_t, Text> pair;
  std::tuple<bool, Decimal, EventTime> tuple;
  Address home;
  std::vector<Address> others;
  friend bool operator==(const Everything&, const Everything&) = default;
};
SLUICE_RECORD(Everything, id, flag, small, count, ratio, mean, price, text, string, bytes, at, took,
              mood, maybe, tags, counts, pair, tuple, home, others);

namespace {

constexpr int64_t kRecords = 200;

Everything make_everything(int64_t n) {
  const std::string long_text =
      "a text that is too long to be inline, \"number\" " + std::to_string(n);
  Everything e;
  e.id = n;
  e.flag = n % 2 == 0;
  e.small = static_cast<int8_t>(n - 100);
  e.count = static_cast<uint32_t>(n) * 20'000'000;
  e.ratio = static_cast<float>(n) / 3;
  e.mean = static_cast<double>(n) / 7;
  e.price = Decimal::of(n * 1001 - 5000, 3);
  e.text = n % 3 == 0 ? Text() : Text(long_text);
  e.string = "x,\n" + std::to_string(n);
  e.bytes.data = std::string("\0\xff\x80", 3) + std::to_string(n);
  e.at = EventTime{n * 1'000'003};
  e.took = Duration(n * 17);
  e.mood = n % 5 == 0 ? Mood::kWild : Mood::kCalm;
  if (n % 4 != 0) e.maybe = Text(long_text);
  for (int64_t i = 0; i < n % 3; ++i) e.tags.push_back(Text("tag " + std::to_string(i)));
  for (int64_t i = 0; i < n % 4; ++i) e.counts["key " + std::to_string(i)] = i - n;
  e.pair = {static_cast<int32_t>(-n), Text(long_text)};
  e.tuple = {n % 2 == 1, Decimal::of(n, 1), EventTime{-n}};
  e.home = {Text(long_text), n % 2 == 0 ? std::optional<int32_t>(7) : std::nullopt};
  for (int64_t i = 0; i < n % 3; ++i) e.others.push_back({Text("other street"), std::nullopt});
  return e;
}

void check_all(const Result<std::vector<Everything>>& result) {
  REQUIRE_MESSAGE(result.is_ok(), result.status().to_string());
  auto records = *result;
  std::sort(records.begin(), records.end(),
            [](const Everything& a, const Everything& b) { return a.id < b.id; });
  REQUIRE(records.size() == kRecords);
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  for (int64_t n = 0; n < kRecords; ++n) {
    CAPTURE(n);
    CHECK(records[static_cast<size_t>(n)] == make_everything(n));
  }
}

/// Gives each record back out of the states of its key, at the end of event time.
class ThroughState : public KeyedProcessFunction<int64_t, Everything, Everything> {
 public:
  void open(RuntimeContext& context) override {
    value_ = context.get_state(ValueStateDescriptor<Everything>{"value"});
    list_ = context.get_list_state(ListStateDescriptor<Everything>{"list"});
    map_ = context.get_map_state(MapStateDescriptor<Address, Everything>{"map"});
  }
  void process_element(const Everything& e, Context& context, Collector<Everything>&) override {
    if (e.id % 3 == 0) {
      value_.update(e);
    } else if (e.id % 3 == 1) {
      list_.add(e);
    } else {
      map_.put(e.home, e);
    }
    context.timer_service().register_event_time_timer(EventTime{1});
  }
  void on_timer(EventTime, OnTimerContext&, Collector<Everything>& out) override {
    if (const Everything* value = value_.get()) out.collect(*value);
    for (const Everything& e : list_.get()) out.collect(e);
    for (const auto& [home, e] : map_.entries()) {
      CHECK(home == e.home);
      out.collect(e);
    }
  }

 private:
  ValueState<Everything> value_;
  ListState<Everything> list_;
  MapState<Address, Everything> map_;
};

TEST_CASE("field types: all of them survive an exchange and keyed state") {
  for (const int parallelism : {1, 3}) {
    StreamEnvironment env;
    env.set_parallelism(parallelism);
    check_all(env.generator(kRecords, make_everything)
                  .rebalance()
                  .key_by(&Everything::id)
                  .process(ThroughState{})
                  .execute_and_collect());
  }
}

/// How many different keys there are.
template <class KeyFn>
size_t count_keys(KeyFn key) {
  using Counted = std::pair<std::decay_t<std::invoke_result_t<KeyFn&, const Everything&>>, int64_t>;
  StreamEnvironment env;
  env.set_parallelism(3).set_runtime_mode(RuntimeMode::kBatch);
  const auto result = env.generator(kRecords, make_everything)
                          .map([key](const Everything& e) { return Counted(key(e), 1); })
                          .key_by(&Counted::first)
                          .sum(&Counted::second)
                          .map([](const Counted& counted) { return counted.second; })
                          .execute_and_collect();
  REQUIRE_MESSAGE(result.is_ok(), result.status().to_string());
  CHECK(std::accumulate(result->begin(), result->end(), int64_t{0}) == kRecords);
  return result->size();
}

TEST_CASE("field types: all but maps may be a key") {
  CHECK(count_keys([](const Everything& e) {
          return std::tuple(e.price, e.at, e.took, e.bytes, e.string, e.pair, e.home);
        }) == kRecords);
  // Two flags, two moods, three lists of tags: as long as equal values are one key.
  CHECK(count_keys([](const Everything& e) {
          return std::tuple(e.flag, e.mood, e.tags, e.price - e.price);
        }) == 12);
}

template <class Sink, class Source>
void check_through_files(Sink sink, Source source) {
  StreamEnvironment writing;
  writing.set_parallelism(2);
  writing.generator(kRecords, make_everything).sink_to(std::move(sink));
  const auto written = writing.execute("writing");
  REQUIRE(written.is_ok());
  REQUIRE_MESSAGE(written->status == JobStatus::kFinished, written->error.to_string());
  StreamEnvironment reading;
  reading.set_parallelism(2);
  check_all(reading.from_source(std::move(source)).execute_and_collect());
}

TEST_CASE("field types: all of them survive JSON lines and CSV files") {
  const ScratchDirectory scratch;
  check_through_files(json_lines_files(scratch.path() + "/json"),
                      json_lines_file<Everything>(scratch.path() + "/json"));
  check_through_files(csv_files(scratch.path() + "/csv"),
                      csv_file<Everything>(scratch.path() + "/csv", {.multiline = true}));
}

}  // namespace
}  // namespace sluice
