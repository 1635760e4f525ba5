// Timers by plain calls: rules 18 and 19 of the semantics, and a model.
#include "operators/timer_service.h"

#include <map>
#include <set>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "core/clock.h"
#include "core/random.h"

namespace sluice {
namespace {

struct Fired {
  int64_t key;
  int64_t time;
  int64_t name_space;
  friend auto operator<=>(const Fired&, const Fired&) = default;
};

struct Fixture {
  ManualClock clock;
  KeyedRows<int64_t> rows{RowTable::Options{.clock = &clock}};
  TimerService timers;
  int64_t key = 0;
  std::vector<Fired> fired;

  Fixture() {
    REQUIRE(timers.open(rows).is_ok());
    rows.seal();
  }
  /// Makes `k` the current key; `key` stays its home until the next call.
  TimerService& at(int64_t k) {
    rows.clear_current_key();
    key = k;
    rows.set_current_key(key, stable_hash(key));
    return timers;
  }
  std::vector<Fired> event_timers_up_to(int64_t watermark) {
    rows.clear_current_key();
    timers.fire_event_timers(
        EventTime{watermark},
        [&](EventTime time, int64_t name_space) {
          fired.push_back({rows.current_key(), time.ms, name_space});
        },
        [] { return false; });
    return std::exchange(fired, {});
  }
  std::vector<Fired> processing_timers_at(int64_t now) {
    rows.clear_current_key();
    timers.fire_processing_timers(
        now,
        [&](int64_t time, int64_t name_space) {
          fired.push_back({rows.current_key(), time, name_space});
        },
        [] { return false; });
    return std::exchange(fired, {});
  }
};

using Fires = std::vector<Fired>;

TEST_CASE("semantics rule 18: a timer registered twice fires once") {
  Fixture f;
  f.at(1).register_event_timer(EventTime{10});
  f.at(1).register_event_timer(EventTime{10});
  f.at(1).register_processing_timer(10);
  f.at(1).register_processing_timer(10);
  CHECK(f.event_timers_up_to(100) == Fires{{1, 10, 0}});
  CHECK(f.processing_timers_at(100) == Fires{{1, 10, 0}});
  CHECK(f.event_timers_up_to(1000).empty());
  CHECK(f.rows.row_count() == 0);
}

TEST_CASE("semantics rule 18: event timers fire in time order, each with its key set") {
  Fixture f;
  f.at(1).register_event_timer(EventTime{30});
  f.at(2).register_event_timer(EventTime{20});
  f.at(3).register_event_timer(EventTime{25});
  f.at(1).register_event_timer(EventTime{10});
  f.at(2).register_event_timer(EventTime{31});
  CHECK(f.event_timers_up_to(9).empty());
  // A timer at the watermark is due.
  CHECK(f.event_timers_up_to(30) == Fires{{1, 10, 0}, {2, 20, 0}, {3, 25, 0}, {1, 30, 0}});
  CHECK(f.timers.next_event_timer() == EventTime{31});
}

TEST_CASE("semantics rule 18: namespaces keep timers of one key and time apart") {
  Fixture f;
  f.at(7).register_event_timer(EventTime{5}, 1);
  f.at(7).register_event_timer(EventTime{5}, 2);
  f.at(7).register_event_timer(EventTime{5}, 3);
  f.at(7).delete_event_timer(EventTime{5}, 2);
  CHECK(f.event_timers_up_to(5) == Fires{{7, 5, 1}, {7, 5, 3}});
}

TEST_CASE(
    "semantics rule 18: timers set in a callback for a time passed fire in the same advance") {
  Fixture f;
  f.at(1).register_event_timer(EventTime{10});
  f.at(2).register_event_timer(EventTime{50});
  f.rows.clear_current_key();
  f.timers.fire_event_timers(
      EventTime{100},
      [&](EventTime time, int64_t) {
        f.fired.push_back({f.rows.current_key(), time.ms, 0});
        // Ten more for key 1, the last beyond the watermark; one of them in the past.
        if (f.rows.current_key() == 1 && time.ms < 100) {
          f.timers.register_event_timer(time + 20ms);
        }
        if (time.ms == 50 && f.rows.current_key() == 1) f.timers.register_event_timer({3});
      },
      [] { return false; });
  const std::set<Fired> all(f.fired.begin(), f.fired.end());
  CHECK(all == std::set<Fired>{{1, 10, 0},
                               {1, 30, 0},
                               {1, 50, 0},
                               {1, 3, 0},
                               {1, 23, 0},
                               {1, 43, 0},
                               {1, 63, 0},
                               {1, 70, 0},
                               {1, 83, 0},
                               {1, 90, 0},
                               {2, 50, 0}});
  f.fired.clear();
  CHECK(f.event_timers_up_to(110) == Fires{{1, 103, 0}, {1, 110, 0}});
}

TEST_CASE("semantics rule 18: a deleted timer does not fire, the others of its key do") {
  Fixture f;
  f.at(1).register_event_timer(EventTime{10});
  f.at(1).register_event_timer(EventTime{20});
  f.at(1).delete_event_timer(EventTime{10});
  f.at(1).delete_event_timer(EventTime{15});
  f.at(2).register_event_timer(EventTime{10});
  f.at(2).delete_event_timer(EventTime{10});
  CHECK(f.event_timers_up_to(100) == Fires{{1, 20, 0}});
  f.rows.clear_current_key();
  CHECK(f.rows.row_count() == 0);
}

TEST_CASE("semantics rule 19: a processing timer fires when the clock is past its time") {
  Fixture f;
  f.at(1).register_processing_timer(1000);
  f.at(2).register_processing_timer(999);
  CHECK(f.timers.next_processing_timer() == 999);
  CHECK(f.processing_timers_at(999).empty());
  CHECK(f.processing_timers_at(1000) == Fires{{2, 999, 0}});
  CHECK(f.timers.next_processing_timer() == 1000);
  CHECK(f.processing_timers_at(1001) == Fires{{1, 1000, 0}});
  CHECK(f.timers.next_processing_timer() == Operator::kNoTimer);
}

TEST_CASE("timers: event time and processing time of one key do not mix") {
  Fixture f;
  f.at(1).register_event_timer(EventTime{10});
  f.at(1).register_processing_timer(10);
  f.at(1).delete_processing_timer(10);
  CHECK(f.processing_timers_at(INT64_MAX).empty());
  CHECK(f.event_timers_up_to(10) == Fires{{1, 10, 0}});
}

TEST_CASE("timers: firing stops where it is told to and goes on at the next timer") {
  Fixture f;
  constexpr int64_t kKeys = 1000;
  for (int64_t key = 0; key < kKeys; ++key) f.at(key).register_event_timer(EventTime{key % 7});
  f.rows.clear_current_key();
  int64_t calls = 0;
  int64_t last_time = -1;
  std::set<int64_t> keys;
  for (bool done = false; !done; ++calls) {
    int room = 3;
    done = f.timers.fire_event_timers(
        EventTime{100},
        [&](EventTime time, int64_t) {
          CHECK(time.ms >= last_time);
          last_time = time.ms;
          keys.insert(f.rows.current_key());
          --room;
        },
        [&] { return room == 0; });
  }
  CHECK(keys.size() == kKeys);
  CHECK(calls >= kKeys / 3);
}

TEST_CASE("timers: any order of calls gives what a sorted set gives") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Fixture f;
    std::set<std::tuple<int64_t, int64_t, int64_t>> model;  // time, key, namespace
    int64_t watermark = 0;
    for (int i = 0; i < 600; ++i) {
      const int64_t key = random.between(0, 9);
      const int64_t time = watermark + random.between(1, 40);
      const int64_t name_space = random.between(0, 2);
      if (random.one_in(3)) {
        f.at(key).delete_event_timer(EventTime{time}, name_space);
        model.erase({time, key, name_space});
      } else {
        f.at(key).register_event_timer(EventTime{time}, name_space);
        model.insert({time, key, name_space});
      }
      if (!random.one_in(10)) continue;
      watermark += random.between(0, 25);
      Fires fires = f.event_timers_up_to(watermark);
      int64_t last = INT64_MIN;
      std::set<std::tuple<int64_t, int64_t, int64_t>> seen;
      for (const Fired& one : fires) {
        CHECK(one.time >= last);
        last = one.time;
        seen.insert({one.time, one.key, one.name_space});
      }
      CHECK(seen.size() == fires.size());
      std::set<std::tuple<int64_t, int64_t, int64_t>> due;
      while (!model.empty() && std::get<0>(*model.begin()) <= watermark) {
        due.insert(*model.begin());
        model.erase(model.begin());
      }
      CHECK(seen == due);
    }
  }
}

}  // namespace
}  // namespace sluice
