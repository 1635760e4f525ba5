// The contract of keyed state, the same for both backends: random changes in batches against a
// model, with snapshots that stay open while the state goes on, deltas, and restores on either
// backend at another parallelism. The budgets are so small that rows leave and come back all the
// time.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"
#include "state/rocksdb/rocksdb_stores.h"
#include "tests/support/scratch_directory.h"
#include "tests/unit/state/state_model.h"

namespace sluice {
namespace {

constexpr size_t kStoreBytes = 1 << 20;

enum class Backend { kHashMap, kRocksDb };
constexpr Backend kBackends[] = {Backend::kHashMap, Backend::kRocksDb};

/// Makes stores in a directory of the test's own.
class Stores {
 public:
  std::shared_ptr<ColdStore> open(Backend backend) {
    if (backend == Backend::kHashMap) return nullptr;
    if (!stores_) stores_ = *RocksDbStores::create(scratch_ / "state", kStoreBytes);
    return *RocksDbStores::open(stores_, "table");
  }

 private:
  ScratchDirectory scratch_;
  std::shared_ptr<RocksDbStores> stores_;
};

/// All subtasks of one operator, and what they should hold.
template <class K>
class World {
 public:
  World(Stores& stores, Backend backend, int parallelism, size_t memory_bytes)
      : stores_(stores), memory_bytes_(memory_bytes) {
    start(backend, parallelism);
  }

  void start(Backend backend, int parallelism) {
    tables_.clear();
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      const size_t bytes = backend == Backend::kHashMap ? 0 : memory_bytes_;
      tables_.push_back(
          std::make_unique<Table<K>>(subtask, parallelism, stores_.open(backend), bytes));
    }
  }
  void restore(const MemorySnapshot& snapshot, Backend backend, int parallelism) {
    start(backend, parallelism);
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      auto reader = snapshot.reader(subtask, parallelism);
      const Status status = table(subtask).rows().restore(reader);
      REQUIRE_MESSAGE(status.is_ok(), status.to_string());
    }
  }
  /// A batch of random changes, the way an operator does it.
  void run_batch(Random& random, const std::vector<K>& keys, Models<K>& models) {
    std::vector<std::vector<K>> by_subtask(tables_.size());
    for (const K& key : keys) by_subtask[static_cast<size_t>(subtask_of(key))].push_back(key);
    for (size_t subtask = 0; subtask < tables_.size(); ++subtask) {
      run_batch_of(*tables_[subtask], random, by_subtask[subtask], models);
    }
  }
  void check(const K& key, const Model& model) { REQUIRE(table_of(key).read(key) == model); }
  void settle() {
    for (auto& table : tables_) REQUIRE(table->rows().settle().is_ok());
  }
  std::vector<std::unique_ptr<FrozenState>> freeze() {
    std::vector<std::unique_ptr<FrozenState>> frozen;
    for (auto& table : tables_) frozen.push_back(table->rows().freeze());
    return frozen;
  }
  uint64_t evictions() const {
    uint64_t evictions = 0;
    for (const auto& table : tables_) evictions += table->rows().evictions();
    return evictions;
  }
  /// Rows that exist, wherever they stand.
  size_t count_rows() {
    size_t count = 0;
    for (auto& table : tables_) table->rows().for_each_row([&](RowAddress) { ++count; });
    return count;
  }

 private:
  Table<K>& table(int subtask) { return *tables_[static_cast<size_t>(subtask)]; }
  int subtask_of(const K& key) const {
    return subtask_of_key_group(key_group_of(stable_hash(key), kDefaultMaxParallelism),
                                static_cast<int>(tables_.size()), kDefaultMaxParallelism);
  }
  Table<K>& table_of(const K& key) { return table(subtask_of(key)); }

  static void run_batch_of(Table<K>& table, Random& random, const std::vector<K>& keys,
                           Models<K>& models) {
    KeyedRows<K>& rows = table.rows();
    const auto size = static_cast<uint32_t>(keys.size());
    std::vector<uint64_t> hashes(size);
    std::vector<uint32_t> groups(size);
    std::vector<uint32_t> hints(size, KeyedRows<K>::kNoHint);
    for (uint32_t i = 0; i < size; ++i) {
      hashes[i] = stable_hash(keys[i]);
      groups[i] = rows.group_of(hashes[i]);
    }
    if (rows.needs_load()) {
      const Status status = rows.load(
          0, size, [&](uint32_t i) -> const K& { return keys[i]; }, hashes.data(), groups.data(),
          hints.data());
      REQUIRE_MESSAGE(status.is_ok(), status.to_string());
    }
    for (uint32_t i = 0; i < size; ++i) {
      rows.set_current_key(keys[i], hashes[i], groups[i], hints[i]);
      table.change_current(random, models[keys[i]]);
    }
    rows.clear_current_key();
    REQUIRE(rows.settle().is_ok());
  }

  Stores& stores_;
  size_t memory_bytes_;
  std::vector<std::unique_ptr<Table<K>>> tables_;
};

/// A snapshot that is being written.
template <class K>
struct Open {
  std::vector<std::unique_ptr<FrozenState>> frozen;
  Models<K> models;
  bool is_delta_only = false;
};

MemorySnapshot full_copy_of(const std::vector<std::unique_ptr<FrozenState>>& frozen) {
  MemorySnapshot all;
  for (const auto& part : frozen) all.merge(full_copy(*part));
  return all;
}

template <class K>
void check_all(World<K>& world, const Models<K>& models) {
  for (const auto& [key, model] : models) {
    world.check(key, model);
    world.settle();
  }
  REQUIRE(world.count_rows() == live_keys(models));
}

/// The chain of deltas on top of `chain` gives what a full snapshot gives, or, where there is none
/// because the rows go on in the pages of the view, what the models say.
template <class K>
void finish(Open<K>& open, MemorySnapshot& chain) {
  if (open.is_delta_only) {
    for (const auto& part : open.frozen) REQUIRE(part->write(chain, true).is_ok());
    open.frozen.clear();
    Stores stores;
    World<K> restored(stores, Backend::kHashMap, 1, 0);
    restored.restore(chain, Backend::kHashMap, 2);
    check_all(restored, open.models);
    return;
  }
  const MemorySnapshot full = full_copy_of(open.frozen);
  REQUIRE(entries_of(full) == entries_of(full_copy_of(open.frozen)));
  for (const auto& part : open.frozen) REQUIRE(part->write(chain, true).is_ok());
  REQUIRE(entries_of(chain) == entries_of(full));
}

template <class K, class MakeKey>
void run_against_model(uint64_t seed, Backend backend, size_t memory_bytes, MakeKey make_key) {
  CAPTURE(seed);
  CAPTURE(static_cast<int>(backend));
  CAPTURE(memory_bytes);
  Random random(seed);
  Random kinds(seed);
  Stores stores;
  World<K> world(stores, backend, 1 + static_cast<int>(random.below(2)), memory_bytes);
  Models<K> models;
  std::vector<Open<K>> open;
  MemorySnapshot chain;
  uint64_t evictions = 0;
  for (int step = 0; step < 300; ++step) {
    std::vector<K> keys;
    for (uint64_t i = random.below(40); i > 0; --i) keys.push_back(make_key(random.below(300)));
    world.run_batch(random, keys, models);
    if (random.one_in(15)) {
      open.push_back({world.freeze(), models, kinds.one_in(2)});
      if (open.back().is_delta_only) {
        for (const auto& part : open.back().frozen) part->will_write_once(true);
      }
      // Two in flight: deltas are written in order, each while the state has gone on.
      if (open.size() == 2 || random.one_in(2)) {
        finish(open.front(), chain);
        open.erase(open.begin());
      }
    }
    if (random.one_in(60)) {
      while (!open.empty()) {
        finish(open.front(), chain);
        open.erase(open.begin());
      }
      const auto frozen = world.freeze();
      const MemorySnapshot full = full_copy_of(frozen);
      evictions += world.evictions();
      const Backend next = random.one_in(3) ? Backend::kHashMap : backend;
      world.restore(full, next, 1 + static_cast<int>(random.below(4)));
      chain = full;
      check_all(world, models);
    }
  }
  while (!open.empty()) {
    finish(open.front(), chain);
    open.erase(open.begin());
  }
  check_all(world, models);
  evictions += world.evictions();
  CHECK((evictions > 0) == (backend == Backend::kRocksDb));
}

}  // namespace

TEST_CASE("state backends: behave like a model under changes, snapshots, restores and rescaling") {
  for (const Backend backend : kBackends) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      // From "nothing fits" to "nearly everything fits".
      const size_t memory_bytes = size_t{8 * 1024} << (seed - 1);
      run_against_model<int64_t>(seed, backend, memory_bytes,
                                 [](uint64_t n) { return static_cast<int64_t>(n) - 150; });
    }
  }
}

TEST_CASE("state backends: text keys, keys that are no plain bytes, and floating-point keys") {
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  for (const Backend backend : kBackends) {
    run_against_model<Text>(11, backend, 16 * 1024, [&](uint64_t n) {
      return n % 2 == 0 ? Text("k" + std::to_string(n))
                        : Text("a key of length " + std::to_string(n));
    });
    using Key = std::pair<std::string, std::vector<int32_t>>;
    run_against_model<Key>(12, backend, 16 * 1024, [](uint64_t n) {
      return Key("part " + std::to_string(n / 3), {static_cast<int32_t>(n % 3), 7});
    });
    run_against_model<double>(13, backend, 16 * 1024, [](uint64_t n) {
      if (n % 20 == 0) return n % 40 == 0 ? 0.0 : -0.0;
      return static_cast<double>(n) / 4;
    });
  }
}

TEST_CASE("state backends: memory stays near the budget when the state is larger") {
  Stores stores;
  constexpr size_t kBudget = 2 << 20;
  Table<int64_t> table(0, 1, stores.open(Backend::kRocksDb), kBudget);
  auto count = *ValueState<int64_t>::add_to(table.rows(), {"count"});
  for (int64_t key = 0; key < 200'000; ++key) {
    table.use(key);
    count.get_or_create() = key;
    table.rows().clear_current_key();
    if (key % 500 == 0) REQUIRE(table.rows().settle().is_ok());
  }
  REQUIRE(table.rows().settle().is_ok());
  CHECK(table.rows().bytes() < kBudget * 5 / 4);
  for (int64_t key = 0; key < 200'000; key += 777) {
    table.use(key);
    REQUIRE(count.get() != nullptr);
    REQUIRE(*count.get() == key);
    table.rows().clear_current_key();
    REQUIRE(table.rows().settle().is_ok());
  }
}

TEST_CASE("state backends: restoring more than the budget keeps to it") {
  MemorySnapshot snapshot;
  {
    Table<int64_t> table;
    auto count = *ValueState<int64_t>::add_to(table.rows(), {"count"});
    auto name = *ValueState<std::string>::add_to(table.rows(), {"name"});
    for (int64_t key = 0; key < 50'000; ++key) {
      table.use(key);
      count.get_or_create() = key;
      if (key % 3 == 0) name.update("the name of " + std::to_string(key));
    }
    snapshot = full_copy(*table.rows().freeze());
  }
  Stores stores;
  constexpr size_t kBudget = 256 * 1024;
  for (int subtask = 0; subtask < 3; ++subtask) {
    Table<int64_t> table(subtask, 3, stores.open(Backend::kRocksDb), kBudget);
    auto count = *ValueState<int64_t>::add_to(table.rows(), {"count"});
    auto name = *ValueState<std::string>::add_to(table.rows(), {"name"});
    auto reader = snapshot.reader(subtask, 3);
    REQUIRE(table.rows().restore(reader).is_ok());
    CHECK(table.rows().bytes() < kBudget * 2);
    MemorySnapshot delta;
    REQUIRE(table.rows().freeze()->write(delta, true).is_ok());
    CHECK(delta.keyed_entries() == 0);
    for (int64_t key = 0; key < 50'000; key += 101) {
      if (!key_group_range_of(subtask, 3, kDefaultMaxParallelism)
               .contains(key_group_of(stable_hash(key), kDefaultMaxParallelism))) {
        continue;
      }
      table.use(key);
      REQUIRE(count.get() != nullptr);
      REQUIRE(*count.get() == key);
      REQUIRE((name.get() != nullptr) == (key % 3 == 0));
    }
  }
}

TEST_CASE("state backends: a single row larger than the budget is held while it is used") {
  Stores stores;
  Table<int64_t> table(0, 1, stores.open(Backend::kRocksDb), 64 * 1024);
  auto list = *ListState<Station>::add_to(table.rows(), {"list"});
  const std::string name(200, 'n');
  for (int32_t i = 0; i < 5000; ++i) {
    const int64_t key = i % 2;
    table.use(key);
    list.add({i, Text::view(name)});
    table.rows().clear_current_key();
    if (i % 100 == 0) REQUIRE(table.rows().settle().is_ok());
  }
  REQUIRE(table.rows().settle().is_ok());
  CHECK(table.rows().row_count() == 0);
  for (const int64_t key : {0, 1}) {
    table.use(key);
    const auto items = list.get();
    REQUIRE(items.size() == 2500);
    for (size_t i = 0; i < items.size(); ++i) {
      REQUIRE(items[i].id == static_cast<int32_t>(2 * i) + static_cast<int32_t>(key));
      REQUIRE(items[i].name.view() == name);
    }
  }
}

TEST_CASE("state backends: a deleted row does not come back from its stored copy") {
  Stores stores;
  Table<int64_t> table(0, 1, stores.open(Backend::kRocksDb), 1);
  auto count = *ValueState<int64_t>::add_to(table.rows(), {"count"});
  const int64_t key = 7;
  const auto use = [&] { table.use(key); };
  use();
  count.update(1);
  table.rows().clear_current_key();
  REQUIRE(table.rows().settle().is_ok());
  CHECK(table.rows().row_count() == 0);
  MemorySnapshot chain;
  REQUIRE(table.rows().freeze()->write(chain, true).is_ok());
  CHECK(chain.keyed_entries() == 1);
  use();
  REQUIRE(count.get() != nullptr);
  count.clear();
  use();
  CHECK(count.get() == nullptr);
  table.rows().clear_current_key();
  REQUIRE(table.rows().settle().is_ok());
  use();
  CHECK(count.get() == nullptr);
  const auto frozen = table.rows().freeze();
  CHECK(full_copy(*frozen).keyed_entries() == 0);
  REQUIRE(frozen->write(chain, true).is_ok());
  CHECK(chain.keyed_entries() == 0);
}

TEST_CASE("state backends: a value cleared in an evicted row is erased in the delta") {
  Stores stores;
  Table<int64_t> table(0, 1, stores.open(Backend::kRocksDb), 1);
  auto count = *ValueState<int64_t>::add_to(table.rows(), {"count"});
  auto name = *ValueState<std::string>::add_to(table.rows(), {"name"});
  const int64_t key = 7;
  table.use(key);
  count.update(1);
  name.update("a name");
  MemorySnapshot chain;
  REQUIRE(table.rows().freeze()->write(chain, true).is_ok());
  CHECK(chain.keyed_entries() == 2);
  table.use(key);
  name.clear();
  table.rows().clear_current_key();
  REQUIRE(table.rows().settle().is_ok());
  REQUIRE(table.rows().freeze()->write(chain, true).is_ok());
  CHECK(chain.keyed_entries() == 1);
  // Deleted and made anew with less: what it had before must not come back.
  table.use(key);
  count.clear();
  table.use(key);
  name.update("another name");
  REQUIRE(table.rows().freeze()->write(chain, true).is_ok());
  CHECK(chain.keyed_entries() == 1);
  Table<int64_t> restored;
  auto reader = chain.reader();
  REQUIRE(restored.rows().restore(reader).is_ok());
  CHECK(restored.read(key).name == "another name");
  CHECK_FALSE(restored.read(key).count.has_value());
}

namespace {

size_t stored_rows(ColdStore& store) {
  size_t count = 0;
  const auto scan = store.scan(ColdFamily::kRows, {}, "\xff", nullptr);
  while (scan->next()) ++count;
  REQUIRE(scan->status().is_ok());
  return count;
}

}  // namespace

TEST_CASE("semantics rule 39: what has expired in evicted rows is not returned, stored or kept") {
  Stores stores;
  const auto store = stores.open(Backend::kRocksDb);
  ManualClock clock(1000);
  KeyedRows<int64_t> rows(
      RowTable::Options{.clock = &clock, .memory_bytes_max = 1, .cold_store = store});
  const StateTtl ttl{Duration(100)};
  auto value = *ValueState<int64_t>::add_to(rows, {"value", ttl});
  auto list = *ListState<std::string>::add_to(rows, {"list", ttl});
  auto map = *MapState<int64_t, int64_t>::add_to(rows, {"map", ttl});
  rows.seal();
  const auto pass = [&](int64_t ms) {
    rows.clear_current_key();
    REQUIRE(rows.settle().is_ok());
    clock.advance(Duration(ms));
    rows.refresh_time();
  };
  int64_t key = 0;
  const auto use = [&](int64_t next) {
    rows.clear_current_key();
    key = next;
    rows.set_current_key(key, stable_hash(key));
  };
  for (int64_t i = 0; i < 900; ++i) {
    use(i);
    if (i % 3 == 0) value.update(i);
    if (i % 3 == 1) list.add("item");
    if (i % 3 == 2) map.put(1, i);
  }
  pass(60);
  CHECK(rows.row_count() == 0);
  for (int64_t i = 0; i < 900; i += 2) {
    use(i);
    if (i % 3 == 0) value.update(-i);
    if (i % 3 == 1) list.add("later item");
    if (i % 3 == 2) map.put(2, i);
  }
  pass(60);
  // The first entries have gone, the second ones have not.
  CHECK(full_copy(*rows.freeze()).keyed_entries() == 450);
  for (int64_t i = 0; i < 900; ++i) {
    use(i);
    const bool lives = i % 2 == 0;
    REQUIRE((value.get() != nullptr) == (lives && i % 3 == 0));
    REQUIRE(list.size() == (lives && i % 3 == 1 ? 1 : 0));
    REQUIRE(map.size() == (lives && i % 3 == 2 ? 1 : 0));
    if (lives && i % 3 == 1) REQUIRE(list.get()[0] == "later item");
  }
  pass(0);
  CHECK(stored_rows(*store) == 450);
  pass(200);
  REQUIRE(store->compact().is_ok());
  CHECK(stored_rows(*store) == 0);
  for (int64_t i = 0; i < 900; ++i) {
    use(i);
    REQUIRE(value.get() == nullptr);
  }
  CHECK(full_copy(*rows.freeze()).keyed_entries() == 0);
}

TEST_CASE("semantics rule 39: reading refreshes an evicted row when asked to") {
  Stores stores;
  ManualClock clock(1000);
  KeyedRows<int64_t> rows(RowTable::Options{
      .clock = &clock, .memory_bytes_max = 1, .cold_store = stores.open(Backend::kRocksDb)});
  auto value = *ValueState<int64_t>::add_to(
      rows, {"value", StateTtl{Duration(100), TtlUpdate::kOnReadAndWrite}});
  rows.seal();
  const int64_t key = 4;
  rows.set_current_key(key, stable_hash(key));
  value.update(9);
  for (int i = 0; i < 5; ++i) {
    rows.clear_current_key();
    REQUIRE(rows.settle().is_ok());
    CHECK(rows.row_count() == 0);
    clock.advance(Duration(80));
    rows.refresh_time();
    rows.set_current_key(key, stable_hash(key));
    REQUIRE(value.get() != nullptr);
    CHECK(*value.get() == 9);
  }
  rows.clear_current_key();
  REQUIRE(rows.settle().is_ok());
  clock.advance(Duration(100));
  rows.refresh_time();
  rows.set_current_key(key, stable_hash(key));
  CHECK(value.get() == nullptr);
}

}  // namespace sluice
