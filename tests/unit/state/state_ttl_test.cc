// Time to live (semantics rule 39) and what else the handles promise.
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "state/api/folding_state.h"
#include "state/api/keyed_rows.h"
#include "state/api/list_state.h"
#include "state/api/map_state.h"
#include "state/api/value_state.h"
#include "tests/support/memory_snapshot.h"

namespace sluice {
namespace {

struct Average {
  struct Sum {
    double total = 0;
    int64_t count = 0;
  };
  Sum create_accumulator() const { return {}; }
  void add(double value, Sum& sum) const {
    sum.total += value;
    ++sum.count;
  }
  double get_result(const Sum& sum) const { return sum.total / static_cast<double>(sum.count); }
};
SLUICE_RECORD(Average::Sum, total, count);

/// A table on a clock that stands still, always at one key unless told otherwise.
struct Fixture {
  ManualClock clock{1000};
  KeyedRows<int64_t> rows{RowTable::Options{.clock = &clock}};
  int64_t key = 1;

  void use(int64_t next_key) {
    rows.clear_current_key();
    key = next_key;
    rows.set_current_key(key, stable_hash(key));
  }
  void pass(int64_t ms) {
    rows.clear_current_key();
    clock.advance(Duration(ms));
    rows.refresh_time();
    use(key);
  }
};

template <class T>
std::vector<T> items(const ListState<T>& list) {
  const auto view = list.get();
  return {view.begin(), view.end()};
}

}  // namespace

TEST_CASE("semantics rule 39: a value expires when it was not written for the time to live") {
  Fixture f;
  auto value = *ValueState<std::string>::add_to(f.rows, {"v", StateTtl{Duration(100)}});
  auto plain = *ValueState<int32_t>::add_to(f.rows, {"p", StateTtl{Duration(100)}});
  f.rows.seal();
  f.use(1);
  value.update("one");
  plain.get_or_create() = 7;
  f.pass(60);
  CHECK(value.value() == "one");
  value.update("two");
  f.pass(60);
  CHECK(value.value() == "two");
  CHECK(plain.get() == nullptr);
  CHECK(plain.get_or_create() == 0);  // Starts anew.
  f.pass(39);
  CHECK(value.value() == "two");
  f.pass(1);
  CHECK(value.get() == nullptr);
  value.modify([](std::string& text) { text += "x"; });
  CHECK(value.value() == "x");
}

TEST_CASE("semantics rule 39: with read-and-write a read refreshes") {
  Fixture f;
  const StateTtl ttl{Duration(100), TtlUpdate::kOnReadAndWrite};
  auto value = *ValueState<int64_t>::add_to(f.rows, {"v", ttl});
  auto list = *ListState<int64_t>::add_to(f.rows, {"l", ttl});
  auto map = *MapState<int64_t, int64_t>::add_to(f.rows, {"m", ttl});
  f.rows.seal();
  f.use(1);
  value.update(1);
  list.add(1);
  map.put(1, 1);
  for (int i = 0; i < 5; ++i) {
    f.pass(80);
    CHECK(value.value() == 1);
    CHECK(list.size() == 1);
    CHECK(map.contains(1));
  }
  f.pass(100);
  CHECK(value.is_empty());
  CHECK(list.is_empty());
  CHECK(map.is_empty());
}

TEST_CASE("semantics rule 39: lists and maps expire per entry") {
  Fixture f;
  const StateTtl ttl{Duration(100)};
  auto list = *ListState<Text>::add_to(f.rows, {"l", ttl});
  auto map = *MapState<Text, std::string>::add_to(f.rows, {"m", ttl});
  f.rows.seal();
  f.use(1);
  list.add("the first item of the list");
  map.put("the first key of the map", "a");
  f.pass(50);
  list.add("the second item of the list");
  map.put("the second key of the map", "b");
  f.pass(50);
  CHECK(items(list) == std::vector<Text>{"the second item of the list"});
  CHECK(map.get("the first key of the map") == nullptr);
  CHECK(map.size() == 1);
  CHECK(map.remove("the first key of the map") == false);
  CHECK(map.value_or("the second key of the map", "") == "b");
  map.modify("the second key of the map", [](std::string& text) { text += "c"; });
  f.pass(60);
  CHECK(list.get().empty());
  CHECK(map.value_or("the second key of the map", "") == "bc");
}

TEST_CASE("semantics rule 39: reducing and aggregating state expire as a whole") {
  Fixture f;
  const StateTtl ttl{Duration(100)};
  using Plus = std::plus<>;
  auto sum = *ReducingState<int64_t>::add_to(
      f.rows, ReducingStateDescriptor<int64_t, Plus>{"sum", Plus(), ttl});
  auto average = *AggregatingState<double, Average>::add_to(f.rows, {"avg", Average(), ttl});
  f.rows.seal();
  f.use(1);
  sum.add(1);
  sum.add(2);
  average.add(1);
  average.add(4);
  CHECK(*sum.get() == 3);
  CHECK(average.get() == 2.5);
  f.pass(99);
  sum.add(3);
  f.pass(50);
  CHECK(*sum.get() == 6);
  CHECK(!average.get().has_value());
  average.add(7);
  CHECK(average.get() == 7);
}

TEST_CASE("semantics rule 39: expired entries are not in a snapshot and do not come back") {
  Fixture f;
  const StateTtl ttl{Duration(100)};
  auto value = *ValueState<int64_t>::add_to(f.rows, {"v", ttl});
  auto map = *MapState<int64_t, int64_t>::add_to(f.rows, {"m", ttl});
  f.rows.seal();
  f.use(1);
  value.update(1);
  map.put(1, 1);
  f.pass(80);
  map.put(2, 2);
  f.use(2);
  value.update(2);
  f.pass(30);
  MemorySnapshot snapshot;
  REQUIRE(f.rows.freeze()->write(snapshot, false).is_ok());
  CHECK(snapshot.keyed_entries() == 2);

  // What was alive in the snapshot may have expired by the restore.
  Fixture later;
  auto value2 = *ValueState<int64_t>::add_to(later.rows, {"v", ttl});
  auto map2 = *MapState<int64_t, int64_t>::add_to(later.rows, {"m", ttl});
  later.rows.seal();
  later.clock.set_ms(1000 + 80 + 30 + 40);
  later.rows.refresh_time();
  auto reader = snapshot.reader();
  REQUIRE(later.rows.restore(reader).is_ok());
  later.use(2);
  CHECK(value2.value() == 2);
  later.use(1);
  CHECK(map2.value_or(2, 0) == 2);
  later.pass(40);
  CHECK(map2.is_empty());
}

TEST_CASE("state ttl: memory of expired keys is reclaimed while others are used") {
  Fixture f;
  auto value = *ValueState<std::string>::add_to(f.rows, {"v", StateTtl{Duration(100)}});
  auto map = *MapState<int64_t, int64_t>::add_to(f.rows, {"m", StateTtl{Duration(100)}});
  f.rows.seal();
  for (int64_t key = 0; key < 1000; ++key) {
    f.use(key);
    value.update("a value of some length");
    map.put(key, key);
  }
  CHECK(f.rows.row_count() == 1000);
  f.use(-1);
  f.pass(100);
  const auto frozen = f.rows.freeze();  // The clean-up must not disturb an open snapshot.
  for (int i = 0; i < 100; ++i) f.pass(0);
  CHECK(f.rows.row_count() == 0);
  MemorySnapshot snapshot;
  REQUIRE(frozen->write(snapshot, false).is_ok());
  CHECK(snapshot.keyed_entries() == 0);
}

TEST_CASE("map state: sorted iteration, removal while iterating, entries without TTL counted") {
  Fixture f;
  auto map = *MapState<Text, int64_t>::add_to(f.rows, {"m"});
  f.rows.seal();
  f.use(1);
  for (int64_t i = 0; i < 500; ++i) map.put(Text("key number " + std::to_string(i)), i);
  CHECK(map.size() == 500);
  std::string last;
  for (const auto& [key, value] : map.entries()) {
    CHECK(last < key.str());
    last = key.str();
  }
  map.erase_if([](const Text&, int64_t value) { return value % 2 == 0; });
  CHECK(map.size() == 250);
  // A value of the map itself as the new value of another key.
  map.put("new", *map.get("key number 1"));
  CHECK(map.value_or("new", -1) == 1);
  map.clear();
  CHECK(map.is_empty());
  f.rows.clear_current_key();
  CHECK(f.rows.row_count() == 0);
}

TEST_CASE("value state: a value may be updated with itself, also while a snapshot is open") {
  Fixture f;
  auto text = *ValueState<Text>::add_to(f.rows, {"t"});
  auto strings = *ValueState<std::vector<std::string>>::add_to(f.rows, {"s"});
  f.rows.seal();
  f.use(1);
  text.update("a text that does not fit inside");
  strings.update({"a string that does not fit inside", "b"});
  for (int i = 0; i < 3; ++i) {
    f.rows.clear_current_key();
    auto frozen = f.rows.freeze();
    f.use(1);
    if (i == 2) frozen.reset();
    text.update(*text.get());
    strings.update(*strings.get());
    CHECK(*text.get() == "a text that does not fit inside");
    CHECK(strings.get()->front() == "a string that does not fit inside");
  }
}

}  // namespace sluice
