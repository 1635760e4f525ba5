// KeyedRows against a model of standard containers: random operations, snapshots taken while the
// table goes on, deltas, and restore at other key-group ranges.
#include "state/api/keyed_rows.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "state/api/folding_state.h"
#include "tests/unit/state/state_model.h"

namespace sluice {
namespace {

std::string encoded_count(int64_t count) {
  std::string bytes;
  ByteWriter writer(bytes);
  encode(count, writer);
  return bytes;
}

template <class K>
void check_restores(const MemorySnapshot& snapshot, const Models<K>& models, int parallelism) {
  size_t restored = 0;
  for (int subtask = 0; subtask < parallelism; ++subtask) {
    Table<K> table(subtask, parallelism);
    auto reader = snapshot.reader(subtask, parallelism);
    const Status status = table.rows().restore(reader);
    REQUIRE_MESSAGE(status.is_ok(), status.to_string());
    restored += table.rows().row_count();
    const KeyGroupRange range = key_group_range_of(subtask, parallelism, kDefaultMaxParallelism);
    for (const auto& [key, model] : models) {
      if (!range.contains(key_group_of(stable_hash(key), kDefaultMaxParallelism))) continue;
      REQUIRE(table.read(key) == model);
    }
  }
  CHECK(restored == live_keys(models));
}

/// What a snapshot consists of.
class CountedSnapshot final : public SnapshotWriter {
 public:
  Status begin_keyed_state(std::string_view /*name*/, std::string_view /*schema*/) override {
    return Status::ok();
  }
  Status put(int /*key_group*/, std::string_view /*key*/, std::string_view /*value*/) override {
    ++puts;
    return Status::ok();
  }
  Status erase(int /*key_group*/, std::string_view /*key*/) override {
    ++erasures;
    return Status::ok();
  }
  Status add_item(std::string_view /*name*/, Redistribution /*mode*/,
                  std::string_view /*item*/) override {
    return Status::ok();
  }

  int puts = 0;
  int erasures = 0;
};

template <class K, class MakeKey>
void run_against_model(uint64_t seed, MakeKey make_key) {
  CAPTURE(seed);
  Random random(seed);
  Table<K> table;
  Models<K> models;
  // Snapshots that are open: the frozen view and the model of that moment. Up to two.
  struct Open {
    std::unique_ptr<FrozenState> frozen;
    Models<K> models;
  };
  std::vector<Open> open;
  MemorySnapshot chain;  // The newest snapshot written so far, by deltas only.
  const auto close_oldest = [&] {
    MemorySnapshot full = full_copy(*open.front().frozen);
    // Writing twice gives the same: nothing of the view changes.
    REQUIRE(entries_of(full) == entries_of(full_copy(*open.front().frozen)));
    REQUIRE(open.front().frozen->write(chain, true).is_ok());
    REQUIRE(entries_of(chain) == entries_of(full));
    check_restores(full, open.front().models, 1 + static_cast<int>(random.below(5)));
    open.erase(open.begin());
  };
  for (int step = 0; step < 6000; ++step) {
    const K key = make_key(random.below(200));
    table.change(random, key, models[key]);
    if (random.one_in(400)) {
      open.push_back({table.rows().freeze(), models});
      if (open.size() == 2 || random.one_in(2)) close_oldest();
    }
  }
  while (!open.empty()) close_oldest();
  for (const auto& [key, model] : models) REQUIRE(table.read(key) == model);
  CHECK(table.rows().row_count() == live_keys(models));
}

/// Deltas that an I/O thread writes while the task changes the same rows, up to two at once; the
/// chain of all of them is what the table was at the last freeze.
template <class K, class MakeKey>
void run_deltas(uint64_t seed, MakeKey make_key) {
  CAPTURE(seed);
  Random random(seed);
  std::vector<K> keys;
  for (uint64_t n = 0; n < 300; ++n) keys.push_back(make_key(n));
  Table<K> table;
  Models<K> models;
  Models<K> frozen_models;
  MemorySnapshot chain;
  std::thread writer;
  std::unique_ptr<FrozenState> waiting;
  const auto change = [&](int changes) {
    for (int i = 0; i < changes; ++i) {
      const K& key = keys[random.below(keys.size())];
      table.change(random, key, models[key]);
    }
  };
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    change(200);
    auto frozen = table.rows().freeze();
    frozen->will_write_once(true);
    frozen_models = models;
    // Two in flight: rows of the older one may still be in use when the next one is frozen.
    const bool keeps_waiting = waiting == nullptr && random.one_in(3);
    if (keeps_waiting) {
      waiting = std::move(frozen);
      continue;
    }
    change(static_cast<int>(random.below(100)));
    std::atomic<bool> done{false};
    writer = std::thread([&, older = std::move(waiting), newer = std::move(frozen)]() mutable {
      if (older != nullptr) CHECK(older->write(chain, true).is_ok());
      older.reset();
      CHECK(newer->write(chain, true).is_ok());
      newer.reset();
      done = true;
    });
    while (!done) change(10);
    writer.join();
    check_restores(chain, frozen_models, 2);
  }
  for (const auto& [key, model] : models) REQUIRE(table.read(key) == model);
}

}  // namespace

TEST_CASE("keyed rows: behave like a model under random changes, snapshots and restores") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    run_against_model<int64_t>(seed, [](uint64_t n) { return static_cast<int64_t>(n) - 100; });
  }
}

TEST_CASE("keyed rows: text keys own their bytes, also long ones") {
  const TextArenaRef arena(new TextArena());
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const ArenaScope scope(arena.get());
    run_against_model<Text>(seed, [&](uint64_t n) {
      return n % 2 == 0 ? Text("k" + std::to_string(n))
                        : Text("a key of length " + std::to_string(n));
    });
  }
}

TEST_CASE("keyed rows: keys that are no plain bytes") {
  using Key = std::pair<std::string, std::vector<int32_t>>;
  run_against_model<Key>(7, [](uint64_t n) {
    return Key("part " + std::to_string(n / 3), {static_cast<int32_t>(n % 3), 7});
  });
}

TEST_CASE("keyed rows: the key's text may go away after the record") {
  Table<Text> table;
  Random random(1);
  Model model;
  const std::string name = "an airport with a very long name";
  {
    const TextArenaRef arena(new TextArena());
    const ArenaScope scope(arena.get());
    const Text key(name);
    for (int i = 0; i < 20; ++i) table.change(random, key, model);
  }
  CHECK(table.read(Text::view(name)) == model);
}

TEST_CASE("semantics rule 36: every NaN is one key and the zeros are one") {
  ManualClock clock;
  KeyedRows<double> rows(RowTable::Options{.clock = &clock});
  auto count = *ValueState<int64_t>::add_to(rows, {"count"});
  rows.seal();
  const auto add = [&](double key) {
    rows.set_current_key(key, stable_hash(key));
    ++count.get_or_create();
    rows.clear_current_key();
  };
  add(std::numeric_limits<double>::quiet_NaN());
  add(-std::numeric_limits<double>::quiet_NaN());
  add(std::nan("7"));
  add(0.0);
  add(-0.0);
  CHECK(rows.row_count() == 2);
}

TEST_CASE("keyed rows: pages that were written for the last time are not copied") {
  for (const bool is_last : {false, true}) {
    CAPTURE(is_last);
    ManualClock clock;
    KeyedRows<int64_t> rows(RowTable::Options{.clock = &clock});
    auto text = *ValueState<Text>::add_to(rows, {"text"});
    auto count = *ValueState<int64_t>::add_to(rows, {"count"});
    rows.seal();
    const auto update_all = [&] {
      for (int64_t key = 0; key < 5000; ++key) {
        rows.set_current_key(key, stable_hash(key));
        text.update(Text::view("a text that does not fit into the row"));
        ++count.get_or_create();
        rows.clear_current_key();
      }
    };
    update_all();
    const size_t before = rows.bytes();
    const auto frozen = rows.freeze();
    if (is_last) frozen->will_write_once(false);
    MemorySnapshot snapshot;
    REQUIRE(frozen->write(snapshot, false).is_ok());
    size_t entries = 0;
    for (const auto& [state, of_state] : entries_of(snapshot)) entries += of_state.size();
    CHECK(entries == 10000);
    update_all();
    CHECK((rows.bytes() == before) == is_last);
  }
}

TEST_CASE("keyed rows: pages that a delta does not need are not copied after the freeze") {
  for (const bool is_last : {false, true}) {
    CAPTURE(is_last);
    ManualClock clock;
    KeyedRows<int64_t> rows(RowTable::Options{.clock = &clock});
    auto count = *ValueState<int64_t>::add_to(rows, {"count"});
    rows.seal();
    const auto update = [&](int64_t key) {
      rows.set_current_key(key, stable_hash(key));
      ++count.get_or_create();
      rows.clear_current_key();
    };
    const auto group_of = [](int64_t key) {
      return key_group_of(stable_hash(key), kDefaultMaxParallelism);
    };
    for (int64_t key = 0; key < 5000; ++key) update(key);
    MemorySnapshot base;
    REQUIRE(rows.freeze()->write(base, false).is_ok());
    update(0);
    const auto frozen = rows.freeze();
    if (is_last) frozen->will_write_once(true);
    const size_t before = rows.bytes();
    for (int64_t key = 1; key < 5000; ++key) {
      if (group_of(key) != group_of(0)) update(key);
    }
    CHECK((rows.bytes() == before) == is_last);
    MemorySnapshot delta;
    REQUIRE(frozen->write(delta, true).is_ok());
    CHECK(delta.keyed_entries() == 1);
  }
}

TEST_CASE("keyed rows: while a delta is written rows are saved for it, not their pages") {
  constexpr int64_t kKeys = 5000;
  ManualClock clock;
  KeyedRows<int64_t> rows(
      RowTable::Options{.key_groups = {0, 0}, .max_parallelism = 1, .clock = &clock});
  auto count = *ValueState<int64_t>::add_to(rows, {"count"});
  rows.seal();
  const auto update = [&](int64_t key) {
    rows.set_current_key(key, stable_hash(key));
    ++count.get_or_create();
    rows.clear_current_key();
  };
  for (int64_t key = 0; key < kKeys; ++key) update(key);
  MemorySnapshot chain = full_copy(*rows.freeze());
  for (int64_t key = 0; key < kKeys; key += 100) update(key);
  auto frozen = rows.freeze();
  frozen->will_write_once(true);
  const size_t before = rows.bytes();
  for (int64_t key = 0; key < kKeys; ++key) update(key);
  // 50 rows, in blocks that double.
  CHECK(rows.bytes() - before < 64 * 64);
  MemorySnapshot delta;
  REQUIRE(frozen->write(delta, true).is_ok());
  CHECK(delta.keyed_entries() == kKeys / 100);
  const Entries entries = entries_of(delta);
  for (const auto& [key, value] : entries.at("count")) CHECK(value == encoded_count(2));
  frozen.reset();
  CHECK(rows.bytes() == before);
  // All rows have changed: copying them one by one would take longer than copying the pages.
  frozen = rows.freeze();
  frozen->will_write_once(true);
  for (int64_t key = 0; key < kKeys; ++key) update(key);
  const size_t copied = rows.bytes() - before;
  CHECK(copied > before / 2);
  CHECK(copied < before + before / 4);
  MemorySnapshot next;
  REQUIRE(frozen->write(next, true).is_ok());
  CHECK(next.keyed_entries() == kKeys);
  const Entries all = entries_of(next);
  for (const auto& [key, value] : all.at("count")) {
    const bool twice = entries.at("count").count(key) > 0;
    CHECK(value == encoded_count(twice ? 3 : 2));
  }
}

TEST_CASE("keyed rows: deltas hold what was at their barrier while the table goes on") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    run_deltas<int64_t>(seed, [](uint64_t n) { return static_cast<int64_t>(n); });
    run_deltas<Text>(
        seed, [](uint64_t n) { return Text("a key that owns its bytes " + std::to_string(n)); });
  }
}

TEST_CASE("semantics rule 42: changes after the barrier do not reach the snapshot") {
  Table<int64_t> table;
  Random random(3);
  Models<int64_t> models;
  for (int64_t key = 0; key < 5000; ++key) {
    for (int i = 0; i < 3; ++i) table.change(random, key, models[key]);
  }
  const Models<int64_t> at_barrier = models;
  const auto frozen = table.rows().freeze();
  for (int64_t key = 0; key < 5000; ++key) table.change(random, key, models[key]);
  check_restores(full_copy(*frozen), at_barrier, 2);
}

TEST_CASE("keyed rows: a delta holds what changed and nothing else") {
  ManualClock clock;
  KeyedRows<int64_t> rows(RowTable::Options{.clock = &clock});
  auto count = *ValueState<int64_t>::add_to(rows, {"count"});
  rows.seal();
  int64_t current = 0;  // Keys must outlive their use.
  const auto use = [&](int64_t key) {
    rows.clear_current_key();
    current = key;
    rows.set_current_key(current, stable_hash(current));
  };
  for (int64_t key = 0; key < 10000; ++key) {
    use(key);
    count.update(key);
  }
  MemorySnapshot snapshot = full_copy(*rows.freeze());
  CHECK(snapshot.keyed_entries() == 10000);
  for (int64_t key = 0; key < 100; ++key) {
    use(key);
    count.update(-1);
  }
  use(5000);
  count.clear();
  use(20000);
  count.update(1);
  MemorySnapshot delta;
  const auto second = rows.freeze();
  REQUIRE(second->write(delta, true).is_ok());
  CHECK(delta.keyed_entries() == 101);
  REQUIRE(second->write(snapshot, true).is_ok());
  CHECK(snapshot.keyed_entries() == 10000);
  MemorySnapshot nothing;
  REQUIRE(rows.freeze()->write(nothing, true).is_ok());
  CHECK(nothing.keyed_entries() == 0);
}

// Rows are marked with one of a few tags of epochs, which come round.
TEST_CASE("keyed rows: a delta holds what changed, however long ago its page was last written to") {
  constexpr int64_t kOld = 1;
  constexpr int64_t kGone = 2;
  constexpr int64_t kHalf = 3;
  constexpr int64_t kNew = 4;
  for (int untouched = 0; untouched < 40; ++untouched) {
    CAPTURE(untouched);
    ManualClock clock;
    // One group, so that all rows stand in one page.
    KeyedRows<int64_t> rows(
        RowTable::Options{.key_groups = {0, 0}, .max_parallelism = 1, .clock = &clock});
    auto count = *ValueState<int64_t>::add_to(rows, {"count"});
    auto other = *ValueState<int64_t>::add_to(rows, {"other"});
    rows.seal();
    const auto use = [&](const int64_t& key) { rows.set_current_key(key, stable_hash(key)); };
    MemorySnapshot chain;
    const auto take_delta = [&] {
      const auto frozen = rows.freeze();
      CountedSnapshot delta;
      REQUIRE(frozen->write(delta, true).is_ok());
      REQUIRE(frozen->write(chain, true).is_ok());
      REQUIRE(entries_of(chain) == entries_of(full_copy(*frozen)));
      return std::pair(delta.puts, delta.erasures);
    };
    for (const int64_t& key : {kOld, kGone, kHalf}) {
      use(key);
      count.update(1);
      other.update(1);
    }
    rows.clear_current_key();
    CHECK(take_delta() == std::pair(6, 0));
    for (int i = 0; i < untouched; ++i) CHECK(take_delta() == std::pair(0, 0));
    use(kNew);
    count.update(1);
    use(kGone);
    count.clear();
    other.clear();
    use(kHalf);
    other.clear();
    rows.clear_current_key();
    CHECK(take_delta() == std::pair(2, 3));
  }
}

TEST_CASE("keyed rows: what is written at every snapshot is in every delta once") {
  ManualClock clock;
  KeyedRows<int64_t> rows(
      RowTable::Options{.key_groups = {0, 0}, .max_parallelism = 1, .clock = &clock});
  auto count = *ValueState<int64_t>::add_to(rows, {"count"});
  rows.seal();
  const auto use = [&](const int64_t& key) { rows.set_current_key(key, stable_hash(key)); };
  constexpr int64_t kKeys = 1000;
  for (int64_t key = 0; key < kKeys; ++key) {
    use(key);
    count.update(0);
    rows.clear_current_key();
  }
  // Each round writes one row more than the one before, so that rows of any age share a page.
  for (int64_t round = 1; round < 100; ++round) {
    CAPTURE(round);
    auto held = rows.freeze();  // Open while the page is written to in every other round.
    if (round % 2 == 0) held.reset();
    for (int64_t key = 0; key < round; ++key) {
      use(key);
      count.update(round);
      rows.clear_current_key();
    }
    CountedSnapshot delta;
    REQUIRE(rows.freeze()->write(delta, true).is_ok());
    CHECK(delta.puts == round);
    CHECK(delta.erasures == 0);
  }
}

TEST_CASE("keyed rows: rows are reused, so keys that come and go do not grow the table") {
  ManualClock clock;
  KeyedRows<int64_t> rows(RowTable::Options{.clock = &clock});
  auto names = *ValueState<std::string>::add_to(rows, {"names"});
  rows.seal();
  size_t bytes_after_first_round = 0;
  for (int64_t round = 0; round < 20; ++round) {
    for (int64_t key = 0; key < 2000; ++key) {
      const int64_t unique = round * 2000 + key;
      rows.set_current_key(unique, stable_hash(unique));
      names.update("a value that does not fit the row itself");
    }
    for (int64_t key = 0; key < 2000; ++key) {
      const int64_t unique = round * 2000 + key;
      rows.set_current_key(unique, stable_hash(unique));
      names.clear();
    }
    rows.clear_current_key();
    CHECK(rows.row_count() == 0);
    if (round == 0) bytes_after_first_round = rows.bytes();
  }
  // The groups' shares differ a little from round to round.
  CHECK(rows.bytes() < bytes_after_first_round * 2);
}

TEST_CASE(
    "keyed rows: a clear error for a state that comes too late, twice, or unknown to restore") {
  Table<int64_t> table;
  const auto late = ValueState<int64_t>::add_to(table.rows(), {"late"});
  CHECK(late.status().code() == StatusCode::kFailedPrecondition);
  CHECK(late.status().message().find("'late'") != std::string::npos);
  CHECK(ValueState<int64_t>::add_to(table.rows(), {"count"}).is_ok());
  CHECK(ValueState<int32_t>::add_to(table.rows(), {"count"}).status().code() ==
        StatusCode::kInvalidArgument);

  Random random(1);
  Model model;
  for (int i = 0; i < 20; ++i) table.change(random, 1, model);
  const MemorySnapshot snapshot = full_copy(*table.rows().freeze());
  ManualClock clock;
  KeyedRows<int64_t> other(RowTable::Options{.clock = &clock});
  REQUIRE(ValueState<int64_t>::add_to(other, {"count"}).is_ok());
  other.seal();
  auto reader = snapshot.reader();
  const Status refused = other.restore(reader);
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(other.restore(reader, [](const std::string&) { return true; }).is_ok());
}

TEST_CASE("keyed rows: writing without a current key is refused") {
  Table<int64_t> table;
  auto count = *ValueState<int64_t>::add_to(table.rows(), {"count"});
  CHECK(count.get() == nullptr);
  CHECK_THROWS_AS(count.update(1), std::logic_error);
}

TEST_CASE("keyed rows: memory beyond the limit is an error that names owner and option") {
  ManualClock clock;
  KeyedRows<int64_t> rows(
      RowTable::Options{.clock = &clock, .memory_bytes_max = 1 << 20, .owner = "window-op (2/4)"});
  auto names = *ValueState<std::string>::add_to(rows, {"names"});
  rows.seal();
  CHECK(rows.check_memory().is_ok());
  const std::string long_value(1000, 'x');
  for (int64_t key = 0; key < 2000; ++key) {
    rows.set_current_key(key, stable_hash(key));
    names.update(long_value);
  }
  rows.clear_current_key();
  const Status full = rows.check_memory();
  CHECK(full.code() == StatusCode::kResourceExhausted);
  CHECK(full.message().find("window-op (2/4)") != std::string::npos);
  CHECK(full.message().find("state.backend.memory") != std::string::npos);
  rows.for_each_row([&](RowAddress) { names.clear(); });
  CHECK(rows.check_memory().is_ok());
}

namespace {

struct FlightV1 {
  int32_t id = 0;
  int32_t delay = 0;
  Text origin;
};
SLUICE_RECORD(FlightV1, id, delay, origin);
struct FlightV2 {
  Text origin;
  int64_t delay = 0;
  int32_t gate = 7;
};
SLUICE_RECORD(FlightV2, origin, delay, gate);

}  // namespace

TEST_CASE("keyed rows: restored records may have gained, lost, moved and widened fields") {
  ManualClock clock;
  KeyedRows<int64_t> before(RowTable::Options{.clock = &clock});
  auto value = *ValueState<FlightV1>::add_to(before, {"flight"});
  auto list = *ListState<FlightV1>::add_to(before, {"list"});
  auto map = *MapState<Text, FlightV1>::add_to(before, {"map"});
  before.seal();
  const int64_t key = 5;
  before.set_current_key(key, stable_hash(key));
  value.update({1, 20, "San Francisco International"});
  list.add({2, 30, "LAX"});
  map.put("m", {3, 40, "JFK"});
  const MemorySnapshot snapshot = full_copy(*before.freeze());

  KeyedRows<int64_t> after(RowTable::Options{.clock = &clock});
  auto new_value = *ValueState<FlightV2>::add_to(after, {"flight"});
  auto new_list = *ListState<FlightV2>::add_to(after, {"list"});
  auto new_map = *MapState<Text, FlightV2>::add_to(after, {"map"});
  after.seal();
  auto reader = snapshot.reader();
  const Status status = after.restore(reader);
  REQUIRE_MESSAGE(status.is_ok(), status.to_string());
  after.set_current_key(key, stable_hash(key));
  REQUIRE(new_value.get() != nullptr);
  CHECK(new_value.get()->origin == "San Francisco International");
  CHECK(new_value.get()->delay == 20);
  CHECK(new_value.get()->gate == 7);
  CHECK(new_list.get()[0].delay == 30);
  CHECK(new_map.get("m")->origin == "JFK");

  KeyedRows<int64_t> wrong(RowTable::Options{.clock = &clock});
  REQUIRE(ValueState<Text>::add_to(wrong, {"flight"}).is_ok());
  wrong.seal();
  const Status refused = wrong.restore(reader, [](const std::string&) { return true; });
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(refused.message().find("flight") != std::string::npos);

  KeyedRows<int32_t> other_key(RowTable::Options{.clock = &clock});
  REQUIRE(ValueState<FlightV1>::add_to(other_key, {"flight"}).is_ok());
  other_key.seal();
  CHECK(other_key.restore(reader, [](const std::string&) { return true; }).code() ==
        StatusCode::kFailedPrecondition);
}

}  // namespace sluice
