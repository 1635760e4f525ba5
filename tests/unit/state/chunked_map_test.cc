#include "state/api/chunked_map.h"

#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"

namespace sluice {
namespace {

using Map = ChunkedMap<int64_t, Text>;

std::map<int64_t, std::string> contents(const Map& map) {
  std::map<int64_t, std::string> all;
  int64_t last = INT64_MIN;
  map.for_each_while([&](const Map::Entry& entry, int64_t) {
    CHECK(entry.key > last);
    last = entry.key;
    all[entry.key] = entry.value.str();
    return true;
  });
  CHECK(all.size() == map.size());
  return all;
}

void put(Map& map, int64_t key, const std::string& value) {
  Map::Place place;
  if (!map.find(key, place)) {
    map.insert(place, key, Text::view(value), false, 0);
  } else {
    map.modify(place, [&](Text& stored) { stored = Text::view(value); });
  }
}

}  // namespace

TEST_CASE("chunked map: behaves like std::map, and copies keep what they had") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Map map;
    std::map<int64_t, std::string> model;
    std::vector<std::pair<Map, std::map<int64_t, std::string>>> copies;
    for (int step = 0; step < 5000; ++step) {
      const auto key = static_cast<int64_t>(random.below(1500));
      if (random.one_in(3)) {
        Map::Place place;
        const bool found = map.find(key, place);
        REQUIRE(found == (model.erase(key) == 1));
        if (found) map.erase(place);
      } else {
        const std::string value = "a value with some length " + std::to_string(random.below(100));
        put(map, key, value);
        model[key] = value;
      }
      if (random.one_in(1000)) copies.emplace_back(map, model);
      if (random.one_in(2000)) {
        map.erase_if([](const Map::Entry& entry, int64_t) { return entry.key % 7 == 0; });
        std::erase_if(model, [](const auto& entry) { return entry.first % 7 == 0; });
      }
    }
    REQUIRE(contents(map) == model);
    for (const auto& [copy, expected] : copies) REQUIRE(contents(copy) == expected);
  }
}

TEST_CASE("chunked map: rising keys fill their chunks, and the front can be taken one by one") {
  ChunkedMap<int64_t, NoValue> set;
  for (int64_t key = 0; key < 100'000; ++key) {
    ChunkedMap<int64_t, NoValue>::Place place;
    REQUIRE(!set.find(key, place));
    set.insert(place, key, {}, false, 0);
  }
  for (int64_t key = 0; key < 100'000; ++key) {
    REQUIRE(set.front().key == key);
    set.erase({});
  }
  CHECK(set.empty());
}

TEST_CASE("chunked map: walking with next() visits every entry once") {
  Map map;
  for (int64_t key = 999; key >= 0; --key) put(map, key, "x");
  Map::Place place;
  int64_t expected = 0;
  bool more = !map.empty();
  while (more) {
    REQUIRE(map.at(place).key == expected++);
    more = map.next(place);
  }
  CHECK(expected == 1000);
}

}  // namespace sluice
