// What the state backends must be able to do (counters under 8-byte keys, one task each): updates
// within and beyond the budget, checkpoints while the task goes on, and restore at another
// parallelism. Prints one JSON object; every figure stands beside its aim.
//
//   state_backend_bench --keys 10000000 --directory DIR [--only NAME]
//
// Rates are per second of the task's own processor time, so that other load on the machine matters
// little; what background threads used is given as a share of it. Ratios compare runs of one
// process. RocksDB-bound figures depend on how its library was built: Debian's has assertions and
// sync points compiled in.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include "core/file_system.h"
#include "core/random.h"
#include "state/api/keyed_rows.h"
#include "state/api/value_state.h"
#include "state/rocksdb/rocksdb_stores.h"
#include "state/snapshot_reader.h"
#include "tests/bench/bare_map.h"

namespace sluice {
namespace {

constexpr uint32_t kBatchRows = 1024;
constexpr size_t kRowBytes = 24;  // Header, key, counter.
constexpr uint64_t kCheckpointRounds = 9;
constexpr size_t kEntryBytes = 16;  // What a changed counter is in a snapshot at least.

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Wall, own and all processor time since construction.
class Stopwatch {
 public:
  double wall() const { return seconds_of(CLOCK_MONOTONIC) - wall_; }
  double own() const { return seconds_of(CLOCK_THREAD_CPUTIME_ID) - own_; }
  double all() const { return seconds_of(CLOCK_PROCESS_CPUTIME_ID) - all_; }

 private:
  double wall_ = seconds_of(CLOCK_MONOTONIC);
  double own_ = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  double all_ = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
};

/// Figures as JSON, in the order in which they were measured.
class Report {
 public:
  enum class Aim { kNone, kAtLeast, kAtMost };
  void add(const std::string& name, double value, Aim kind = Aim::kNone, double aim = 0) {
    char line[256];
    if (kind == Aim::kNone) {
      std::snprintf(line, sizeof(line), "    {\"name\": \"%s\", \"value\": %.4g}", name.c_str(),
                    value);
    } else {
      const bool met = kind == Aim::kAtLeast ? value >= aim : value <= aim;
      std::snprintf(line, sizeof(line),
                    "    {\"name\": \"%s\", \"value\": %.4g, \"%s\": %.4g, \"met\": %s}",
                    name.c_str(), value, kind == Aim::kAtLeast ? "at_least" : "at_most", aim,
                    met ? "true" : "false");
    }
    std::fprintf(stderr, "%s\n", line);
    lines_ += (lines_.empty() ? "" : ",\n") + std::string(line);
  }
  const std::string& lines() const { return lines_; }

 private:
  std::string lines_;
};
using Aim = Report::Aim;

/// A task's counters.
struct Counters {
  ManualClock clock;
  std::shared_ptr<RocksDbStores> stores;
  std::unique_ptr<KeyedRows<int64_t>> rows;
  ValueState<int64_t> count;

  explicit Counters(int subtask = 0, int parallelism = 1) {
    make({.key_groups = key_group_range_of(subtask, parallelism, kDefaultMaxParallelism)});
  }
  /// `budget`: rows and RocksDB together.
  Counters(const std::string& directory, size_t budget, int subtask = 0, int parallelism = 1) {
    stores = *RocksDbStores::create(directory, budget / 4);
    make({.key_groups = key_group_range_of(subtask, parallelism, kDefaultMaxParallelism),
          .memory_bytes_max = budget / 4 * 3,
          .cold_store = *RocksDbStores::open(stores, "bench")});
  }
  ~Counters() { rows.reset(); }

  void update(const std::vector<int64_t>& keys);

 private:
  void make(RowTable::Options options) {
    options.clock = &clock;
    rows = std::make_unique<KeyedRows<int64_t>>(std::move(options));
    count = *ValueState<int64_t>::add_to(*rows, {"count"});
    rows->seal();
  }
};

// As the frame of keyed operators does it.
void Counters::update(const std::vector<int64_t>& keys) {
  constexpr uint32_t kIndexAhead = 24;
  constexpr uint32_t kRowAhead = 12;
  uint64_t hashes[kBatchRows];
  uint32_t groups[kBatchRows];
  uint32_t hints[kBatchRows];
  for (size_t from = 0; from + kBatchRows <= keys.size(); from += kBatchRows) {
    const int64_t* batch = keys.data() + from;
    for (uint32_t i = 0; i < kBatchRows; ++i) hashes[i] = stable_hash(batch[i]);
    for (uint32_t i = 0; i < kBatchRows; ++i) groups[i] = rows->group_of(hashes[i]);
    std::fill(hints, hints + kBatchRows, KeyedRows<int64_t>::kNoHint);
    const bool loads = rows->needs_load();
    const bool prefetches = !loads && rows->wants_prefetch();
    if (loads) {
      SLUICE_CHECK(rows->load(
                           0, kBatchRows, [&](uint32_t i) -> const int64_t& { return batch[i]; },
                           hashes, groups, hints)
                       .is_ok());
    }
    for (uint32_t i = 0; prefetches && i < kIndexAhead; ++i) {
      rows->prefetch_index(hashes[i], groups[i]);
    }
    for (uint32_t i = 0; prefetches && i < kRowAhead; ++i) {
      hints[i] = rows->prefetch_row(hashes[i], groups[i]);
    }
    for (uint32_t i = 0; i < kBatchRows; ++i) {
      if (prefetches && i + kIndexAhead < kBatchRows) {
        rows->prefetch_index(hashes[i + kIndexAhead], groups[i + kIndexAhead]);
      }
      if (prefetches && i + kRowAhead < kBatchRows) {
        hints[i + kRowAhead] = rows->prefetch_row(hashes[i + kRowAhead], groups[i + kRowAhead]);
      }
      rows->set_current_key(batch[i], hashes[i], groups[i], hints[i]);
      ++count.get_or_create();
    }
    rows->clear_current_key();
    SLUICE_CHECK(rows->settle().is_ok());
  }
}

std::vector<int64_t> uniform_keys(uint64_t distinct, size_t updates, uint64_t seed = 1) {
  Random random(seed);
  std::vector<int64_t> keys(updates / kBatchRows * kBatchRows);
  for (int64_t& key : keys) key = static_cast<int64_t>(random.below(distinct));
  return keys;
}

/// 90 % of the updates go to 5 % of the keys, which are spread over all groups.
std::vector<int64_t> skewed_keys(uint64_t distinct, size_t updates) {
  Random random(2);
  std::vector<int64_t> keys(updates / kBatchRows * kBatchRows);
  for (int64_t& key : keys) {
    key = static_cast<int64_t>(random.one_in(10) ? random.below(distinct)
                                                 : random.below(distinct / 20) * 20);
  }
  return keys;
}

/// Every key once, in random order.
std::vector<int64_t> all_keys(uint64_t distinct) {
  std::vector<int64_t> keys((distinct + kBatchRows - 1) / kBatchRows * kBatchRows);
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<int64_t>(i % distinct);
  Random random(3);
  for (size_t i = keys.size(); i > 1; --i) std::swap(keys[i - 1], keys[random.below(i)]);
  return keys;
}

/// The same map with hashes and prefetches a batch ahead.
void update_bare(BareMap& map, const std::vector<int64_t>& keys) {
  uint64_t hashes[kBatchRows];
  for (size_t from = 0; from + kBatchRows <= keys.size(); from += kBatchRows) {
    for (uint32_t i = 0; i < kBatchRows; ++i) hashes[i] = stable_hash(keys[from + i]);
    for (uint32_t i = 0; i < kBatchRows; ++i) {
      if (i + 24 < kBatchRows) map.prefetch(hashes[i + 24]);
      map.add(keys[from + i], hashes[i]);
    }
  }
}

/// Best of three, in updates per second of own processor time.
template <class F>
double best_rate(size_t updates, F&& update) {
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    const Stopwatch watch;
    update();
    best = std::max(best, static_cast<double>(updates) / watch.own());
  }
  return best;
}

void measure_updates_in_memory(uint64_t distinct, const std::string& directory, Report& report) {
  const std::string suffix = "_" + std::to_string(distinct / 1'000'000) + "m_keys";
  const auto keys = uniform_keys(distinct, std::max<size_t>(2 * distinct, 1 << 22));
  double bare_rate = 0;
  double tuned_rate = 0;
  {
    BareMap bare(distinct);
    update_bare(bare, keys);
    tuned_rate = best_rate(keys.size(), [&] { update_bare(bare, keys); });
    bare_rate = best_rate(keys.size(), [&] {
      for (const int64_t key : keys) bare.add(key, stable_hash(key));
    });
  }
  double hashmap_rate = 0;
  {
    Counters counters;
    counters.update(keys);
    hashmap_rate = best_rate(keys.size(), [&] { counters.update(keys); });
  }
  Counters counters(directory, size_t{8} << 30);
  counters.update(keys);
  const double rocksdb_rate = best_rate(keys.size(), [&] { counters.update(keys); });
  report.add("bare_map_updates_per_s" + suffix, bare_rate);
  report.add("bare_map_with_prefetch_updates_per_s" + suffix, tuned_rate);
  const bool has_rate_aim = distinct == 1'000'000;
  report.add("hashmap_updates_per_s" + suffix, hashmap_rate,
             has_rate_aim ? Aim::kAtLeast : Aim::kNone, 20e6);
  report.add("hashmap_to_bare_map" + suffix, hashmap_rate / bare_rate, Aim::kAtLeast, 0.6);
  report.add("hashmap_to_bare_map_with_prefetch" + suffix, hashmap_rate / tuned_rate);
  report.add("rocksdb_within_budget_slower_than_hashmap" + suffix, hashmap_rate / rocksdb_rate,
             Aim::kAtMost, 1.3);
}

/// Memory of the state when all of it is in rows: with index and half-empty pages.
size_t state_bytes(uint64_t keys) { return keys * (kRowBytes + 14); }

void measure_skewed(uint64_t distinct, const std::string& directory, Report& report) {
  Counters counters(directory, state_bytes(distinct) / 10);
  counters.update(all_keys(distinct));
  counters.update(skewed_keys(distinct, distinct / 2));
  const auto keys = skewed_keys(distinct, distinct);
  const Stopwatch watch;
  counters.update(keys);
  report.add("rocksdb_budget_10_percent_90_5_updates_per_s",
             static_cast<double>(keys.size()) / watch.own(), Aim::kAtLeast, 1e6);
  report.add("rocksdb_budget_10_percent_90_5_updates_per_s_wall",
             static_cast<double>(keys.size()) / watch.wall());
  report.add("rocksdb_budget_10_percent_90_5_background_cpu_share",
             (watch.all() - watch.own()) / watch.own());
}

/// RocksDB used directly, Get and Put for each update, the whole budget its own. Filters of the
/// lowest level would not fit in a tenth of the state and be read again and again.
class RawRocksDb {
 public:
  RawRocksDb(const std::string& directory, size_t budget) {
    rocksdb::Options options;
    options.create_if_missing = true;
    auto cache = rocksdb::NewLRUCache(budget);
    options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(budget / 2, cache);
    options.write_buffer_size = std::clamp<size_t>(budget / 8, 1 << 20, 64 << 20);
    options.max_background_jobs = 2;
    options.level_compaction_dynamic_level_bytes = true;
    options.compression = rocksdb::kNoCompression;
    options.optimize_filters_for_hits = true;
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.02;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.cache_index_and_filter_blocks = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    SLUICE_CHECK(rocksdb::DB::Open(options, directory, &db).ok());
    db_.reset(db);
    writes_.disableWAL = true;
  }
  /// Makes new keys, which nobody has to look for.
  void load(const std::vector<int64_t>& keys) {
    std::string key(10, '\0');
    for (const int64_t number : keys) {
      make_key(number, key);
      put(key, 1);
    }
  }
  void update(const std::vector<int64_t>& keys) {
    std::string key(10, '\0');
    rocksdb::PinnableSlice value;
    for (const int64_t number : keys) {
      make_key(number, key);
      int64_t count = 0;
      value.Reset();
      if (db_->Get({}, db_->DefaultColumnFamily(), key, &value).ok()) {
        std::memcpy(&count, value.data(), sizeof(count));
      }
      put(key, count + 1);
    }
  }

 private:
  static void make_key(int64_t number, std::string& key) {
    const int group = key_group_of(stable_hash(number), kDefaultMaxParallelism);
    key[0] = static_cast<char>(group >> 8);
    key[1] = static_cast<char>(group);
    std::memcpy(&key[2], &number, sizeof(number));
  }
  void put(const std::string& key, int64_t count) {
    SLUICE_CHECK(
        db_->Put(writes_, key, {reinterpret_cast<const char*>(&count), sizeof(count)}).ok());
  }

  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions writes_;
};

void measure_uniform(uint64_t distinct, const std::string& directory, Report& report) {
  const size_t budget = state_bytes(distinct) / 10;
  const auto keys = uniform_keys(distinct, std::min<size_t>(distinct, 2'000'000), 7);
  double raw_rate = 0;
  double raw_all = 0;
  {
    RawRocksDb raw(join_path(directory, "raw"), budget);
    raw.load(all_keys(distinct));
    const Stopwatch watch;
    raw.update(keys);
    raw_rate = static_cast<double>(keys.size()) / watch.own();
    raw_all = static_cast<double>(keys.size()) / watch.all();
  }
  Counters counters(directory, budget);
  counters.update(all_keys(distinct));
  const Stopwatch watch;
  counters.update(keys);
  const double rate = static_cast<double>(keys.size()) / watch.own();
  report.add("raw_rocksdb_get_put_updates_per_s", raw_rate);
  report.add("rocksdb_uniform_10_times_budget_updates_per_s", rate);
  report.add("rocksdb_uniform_to_raw", rate / raw_rate, Aim::kAtLeast, 1.0);
  report.add("rocksdb_uniform_to_raw_all_cpu",
             static_cast<double>(keys.size()) / watch.all() / raw_all);
}

/// Writes a frozen state as a checkpoint does; the file and how long it took.
SnapshotFile write_snapshot(FrozenState& frozen, const std::string& path, bool is_delta) {
  SnapshotIdentity identity;
  identity.checkpoint = CheckpointId{1};
  identity.is_delta = is_delta;
  identity.parallelism = 1;
  SnapshotFileWriter writer(local_file_system(), path, identity);
  SLUICE_CHECK(frozen.write(writer, is_delta).is_ok());
  return *writer.finish();
}

/// What one checkpoint cost while the task went on.
struct CheckpointCost {
  double pause_s = 0;
  double write_s = 0;
  double write_cpu_s = 0;
  uint64_t file_bytes = 0;
  uint64_t updates = 0;  // Of the task meanwhile, and its processor time for them.
  double updates_s = 0;
  double rate_outside = 0;

  double during_to_outside() const {
    return static_cast<double>(updates) / updates_s / rate_outside;
  }
};

CheckpointCost checkpoint_while_updating(Counters& counters, const std::vector<int64_t>& keys,
                                         const std::string& path) {
  CheckpointCost cost;
  const Stopwatch pause;
  std::unique_ptr<FrozenState> frozen = counters.rows->freeze();
  frozen->will_write_once(true);
  cost.pause_s = pause.wall();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    const Stopwatch watch;
    cost.file_bytes = write_snapshot(*frozen, path, true).size;
    frozen.reset();
    cost.write_s = watch.wall();
    cost.write_cpu_s = watch.own();
    done = true;
  });
  const Stopwatch during;
  std::vector<int64_t> part(kBatchRows);
  while (!done) {
    const size_t at = cost.updates % (keys.size() - kBatchRows);
    std::copy_n(keys.begin() + static_cast<std::ptrdiff_t>(at), kBatchRows, part.begin());
    counters.update(part);
    cost.updates += kBatchRows;
  }
  cost.updates_s = during.own();
  writer.join();
  return cost;
}

/// Where the tenth of all keys stands that changes before a checkpoint: in pages of its own, as
/// with keys that came at the same time, or in all pages, each of which has to be copied.
enum class Changes { kInOwnPages, kInAllPages };

std::vector<int64_t> tenth_of_keys(uint64_t distinct, Changes changes) {
  // Rows were made in this order.
  std::vector<int64_t> keys = all_keys(distinct);
  if (changes == Changes::kInAllPages) {
    for (size_t i = 0; i < keys.size() / 10; ++i) keys[i] = keys[i * 10];
  }
  keys.resize(distinct / 10 / kBatchRows * kBatchRows);
  return keys;
}

/// The middle one of several checkpoints, as in a job that takes them all the time. The first ones
/// also get memory for copies of pages from the system; what that costs is told apart.
/// `updates_outside`: for the rate outside of the checkpoint. Keys are drawn anew for the rate
/// during it: those of the rate outside are in memory.
void measure_checkpoint(const std::string& name, Counters& counters, uint64_t distinct,
                        Changes changes, size_t updates_outside, const std::string& directory,
                        Report& report) {
  counters.update(all_keys(distinct));
  {
    const auto base = counters.rows->freeze();
    (void)write_snapshot(*base, join_path(directory, name + "-base"), false);
  }
  const std::vector<int64_t> changed = tenth_of_keys(distinct, changes);
  std::vector<CheckpointCost> costs;
  for (uint64_t round = 0; round < kCheckpointRounds; ++round) {
    const auto path_of = [&](const char* what) {
      std::string file = name;
      return join_path(directory, file.append(what).append(std::to_string(round)));
    };
    const auto keys = uniform_keys(distinct, updates_outside, 9 + 2 * round);
    const auto other_keys = uniform_keys(distinct, updates_outside, 10 + 2 * round);
    const Stopwatch before;
    counters.update(keys);
    const double rate_outside = static_cast<double>(keys.size()) / before.own();
    {
      // A checkpoint that nobody measures: its delta has all that `keys` changed.
      const auto frozen = counters.rows->freeze();
      (void)write_snapshot(*frozen, path_of("-skipped"), true);
    }
    counters.update(changed);
    costs.push_back(checkpoint_while_updating(counters, other_keys, path_of("-delta")));
    costs.back().rate_outside = rate_outside;
  }
  const double first_ratio = costs.front().during_to_outside();
  std::sort(costs.begin(), costs.end(), [](const CheckpointCost& a, const CheckpointCost& b) {
    return a.during_to_outside() < b.during_to_outside();
  });
  const CheckpointCost& cost = costs[costs.size() / 2];
  report.add(name + "_checkpoint_pause_ms", cost.pause_s * 1e3, Aim::kAtMost, 5);
  report.add(name + "_checkpoint_write_s", cost.write_s, Aim::kAtMost, 1);
  report.add(name + "_checkpoint_write_cpu_s", cost.write_cpu_s);
  report.add(
      name + "_checkpoint_bytes_to_changed_bytes",
      static_cast<double>(cost.file_bytes) / static_cast<double>(changed.size() * kEntryBytes),
      Aim::kAtMost, 1.5);
  report.add(name + "_throughput_during_to_outside", cost.during_to_outside(), Aim::kAtLeast, 0.7);
  report.add(name + "_throughput_during_to_outside_least", costs.front().during_to_outside());
  report.add(name + "_throughput_during_to_outside_first", first_ratio);
  // What the checkpoint cost the task, whatever time the writing took.
  report.add(name + "_task_lost_ms", cost.updates_s * (1 - cost.during_to_outside()) * 1e3);
}

void measure_checkpoints(uint64_t distinct, const std::string& directory, Report& report) {
  {
    Counters counters;
    measure_checkpoint("hashmap", counters, distinct, Changes::kInOwnPages, 1 << 22, directory,
                       report);
  }
  {
    Counters counters;
    measure_checkpoint("hashmap_spread", counters, distinct, Changes::kInAllPages, 1 << 22,
                       directory, report);
  }
  {
    Counters counters(directory, size_t{4} << 30);
    measure_checkpoint("rocksdb", counters, distinct, Changes::kInOwnPages, 1 << 22, directory,
                       report);
  }
  // Half of the updates read the store: fewer of both, or it takes minutes.
  const uint64_t fewer = distinct / 4;
  Counters counters(directory, state_bytes(fewer) / 2);
  measure_checkpoint("rocksdb_half_in_memory", counters, fewer, Changes::kInOwnPages, 1 << 19,
                     directory, report);
}

OperatorChains snapshot_of_three(uint64_t distinct, const std::string& directory) {
  OperatorChains chains;
  chains.uid = "counters";
  const auto keys = all_keys(distinct);
  for (int subtask = 0; subtask < 3; ++subtask) {
    Counters counters(subtask, 3);
    std::vector<int64_t> own;
    for (const int64_t key : keys) {
      const int group = key_group_of(stable_hash(key), kDefaultMaxParallelism);
      if (counters.rows->options().key_groups.contains(group)) own.push_back(key);
    }
    own.resize((own.size() + kBatchRows - 1) / kBatchRows * kBatchRows, own.front());
    counters.update(own);
    SnapshotIdentity identity;
    identity.operator_uid = chains.uid;
    identity.subtask = subtask;
    identity.parallelism = 3;
    identity.checkpoint = CheckpointId{1};
    SnapshotFileWriter writer(local_file_system(),
                              join_path(directory, "part-" + std::to_string(subtask)), identity);
    SLUICE_CHECK(counters.rows->freeze()->write(writer, false).is_ok());
    chains.subtasks.push_back({{*writer.finish()}, false});
  }
  return chains;
}

/// Two subtasks at once, each on its thread.
void measure_restore(const std::string& name, const OperatorChains& chains, uint64_t distinct,
                     std::vector<std::unique_ptr<Counters>> subtasks, Report& report) {
  const Stopwatch watch;
  std::vector<std::thread> threads;
  std::atomic<size_t> in_memory{0};
  for (size_t i = 0; i < subtasks.size(); ++i) {
    threads.emplace_back([&, i] {
      auto reader = ChainedSnapshotReader::open(local_file_system(), chains, static_cast<int>(i),
                                                static_cast<int>(subtasks.size()));
      const Status status = subtasks[i]->rows->restore(**reader);
      SLUICE_CHECK_MSG(status.is_ok(), status.to_string().c_str());
      in_memory += subtasks[i]->rows->row_count();
    });
  }
  for (std::thread& thread : threads) thread.join();
  report.add(name + "_restore_s", watch.wall(), Aim::kAtMost, 3);
  report.add(name + "_restore_cpu_s", watch.all());
  report.add(name + "_restore_rows_in_memory_share",
             static_cast<double>(in_memory) / static_cast<double>(distinct));
}

void measure_restores(uint64_t distinct, const std::string& directory, Report& report) {
  const OperatorChains chains = snapshot_of_three(distinct, directory);
  std::vector<std::unique_ptr<Counters>> subtasks;
  subtasks.reserve(2);
  for (int i = 0; i < 2; ++i) subtasks.push_back(std::make_unique<Counters>(i, 2));
  measure_restore("hashmap", chains, distinct, std::move(subtasks), report);
  subtasks.clear();
  for (int i = 0; i < 2; ++i) {
    subtasks.push_back(std::make_unique<Counters>(directory, size_t{2} << 30, i, 2));
  }
  measure_restore("rocksdb", chains, distinct, std::move(subtasks), report);
  subtasks.clear();
  for (int i = 0; i < 2; ++i) {
    subtasks.push_back(std::make_unique<Counters>(directory, state_bytes(distinct) / 20, i, 2));
  }
  measure_restore("rocksdb_budget_10_percent", chains, distinct, std::move(subtasks), report);
}

int run(int argc, char** argv) {
  uint64_t keys = 10'000'000;
  std::string directory;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--keys") keys = std::stoull(argv[i + 1]);
    if (flag == "--directory") directory = argv[i + 1];
    if (flag == "--only") only = argv[i + 1];
  }
  if (directory.empty()) {
    std::fprintf(stderr, "usage: state_backend_bench --directory DIR [--keys N] [--only NAME]\n");
    return 2;
  }
  FileSystem& files = local_file_system();
  SLUICE_CHECK(files.make_directories(directory).is_ok());
  Report report;
  const auto wanted = [&](const char* name) { return only.empty() || only == name; };
  if (wanted("memory")) {
    measure_updates_in_memory(1'000'000, directory, report);
    measure_updates_in_memory(10'000'000, directory, report);
  }
  if (wanted("skewed")) measure_skewed(keys, directory, report);
  if (wanted("uniform")) measure_uniform(keys, directory, report);
  if (wanted("checkpoint")) measure_checkpoints(keys, directory, report);
  if (wanted("restore")) measure_restores(keys, directory, report);
  std::printf("{\n  \"keys\": %llu,\n  \"figures\": [\n%s\n  ]\n}\n",
              static_cast<unsigned long long>(keys), report.lines().c_str());
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::run(argc, argv); }
