// Counter updates in keyed state against a bare linear-probing map, one thread, keys in random
// order.
//
// BareMap is what one would write by hand for exactly this job, nothing else: plain, one key after
// the other, or tuned, with hashes and prefetches a batch ahead. The table of rows also has key
// groups, presence bits, change tracking and free rows.
#include <cstdint>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/random.h"
#include "state/api/keyed_rows.h"
#include "state/api/value_state.h"
#include "tests/bench/bare_map.h"

namespace sluice {
namespace {

constexpr size_t kBatchRows = 1024;
constexpr size_t kAhead = 24;
constexpr size_t kRowAhead = 12;

std::vector<int64_t> random_keys(int64_t distinct, size_t count) {
  Random random(1);
  std::vector<int64_t> keys(count);
  for (int64_t& key : keys)
    key = static_cast<int64_t>(random.below(static_cast<uint64_t>(distinct)));
  return keys;
}

struct CounterState {
  ManualClock clock;
  KeyedRows<int64_t> rows{RowTable::Options{.clock = &clock}};
  ValueState<int64_t> count;

  CounterState() {
    count = std::move(ValueState<int64_t>::add_to(rows, {"count"})).value();
    rows.seal();
  }
};

/// One pass over `keys` in batches, as an operator does it.
void update_rows(CounterState& state, const std::vector<int64_t>& keys) {
  uint64_t hashes[kBatchRows];
  uint32_t groups[kBatchRows];
  uint32_t hints[kBatchRows];
  KeyedRows<int64_t>& rows = state.rows;
  for (size_t from = 0; from + kBatchRows <= keys.size(); from += kBatchRows) {
    for (size_t i = 0; i < kBatchRows; ++i) hashes[i] = stable_hash(keys[from + i]);
    for (size_t i = 0; i < kBatchRows; ++i) groups[i] = rows.group_of(hashes[i]);
    const bool prefetches = rows.wants_prefetch();
    std::fill(hints, hints + kBatchRows, KeyedRows<int64_t>::kNoHint);
    if (prefetches) {
      for (size_t i = 0; i < kAhead; ++i) rows.prefetch_index(hashes[i], groups[i]);
      for (size_t i = 0; i < kRowAhead; ++i) hints[i] = rows.prefetch_row(hashes[i], groups[i]);
    }
    for (size_t i = 0; i < kBatchRows; ++i) {
      if (prefetches) {
        if (const size_t next = i + kAhead; next < kBatchRows) {
          rows.prefetch_index(hashes[next], groups[next]);
        }
        if (const size_t next = i + kRowAhead; next < kBatchRows) {
          hints[next] = rows.prefetch_row(hashes[next], groups[next]);
        }
      }
      rows.set_current_key(keys[from + i], hashes[i], groups[i], hints[i]);
      ++state.count.get_or_create();
    }
    rows.clear_current_key();
  }
}

void update_bare(BareMap& map, const std::vector<int64_t>& keys, bool prefetches) {
  uint64_t hashes[kBatchRows];
  for (size_t from = 0; from + kBatchRows <= keys.size(); from += kBatchRows) {
    for (size_t i = 0; i < kBatchRows; ++i) hashes[i] = stable_hash(keys[from + i]);
    for (size_t i = 0; i < kBatchRows; ++i) {
      if (prefetches && i + kAhead < kBatchRows) map.prefetch(hashes[i + kAhead]);
      map.add(keys[from + i], hashes[i]);
    }
  }
}

size_t updates_for(int64_t distinct) {
  return static_cast<size_t>(std::max<int64_t>(distinct * 2, 1 << 20)) / kBatchRows * kBatchRows;
}

void counter_rows(benchmark::State& bench) {
  const auto keys = random_keys(bench.range(0), updates_for(bench.range(0)));
  CounterState state;
  update_rows(state, keys);
  for (auto _ : bench) update_rows(state, keys);
  bench.SetItemsProcessed(bench.iterations() * static_cast<int64_t>(keys.size()));
  bench.counters["MB"] = static_cast<double>(state.rows.bytes()) / 1e6;
}
BENCHMARK(counter_rows)->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);

void counter_bare_map(benchmark::State& bench) {
  const auto keys = random_keys(bench.range(0), updates_for(bench.range(0)));
  BareMap map(static_cast<size_t>(bench.range(0)));
  update_bare(map, keys, bench.range(0) > 100'000);
  for (auto _ : bench) update_bare(map, keys, bench.range(0) > 100'000);
  bench.SetItemsProcessed(bench.iterations() * static_cast<int64_t>(keys.size()));
}
/// `++counts[key]` for one key after the other, as a user writes it.
void counter_bare_map_plain(benchmark::State& bench) {
  const auto keys = random_keys(bench.range(0), updates_for(bench.range(0)));
  BareMap map(static_cast<size_t>(bench.range(0)));
  update_bare(map, keys, true);
  for (auto _ : bench) {
    for (const int64_t key : keys) map.add(key, stable_hash(key));
  }
  bench.SetItemsProcessed(bench.iterations() * static_cast<int64_t>(keys.size()));
}
BENCHMARK(counter_bare_map_plain)->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);
BENCHMARK(counter_bare_map)->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);

/// The pause of a task at a barrier.
void freeze(benchmark::State& bench) {
  const auto keys = random_keys(bench.range(0), updates_for(bench.range(0)));
  CounterState state;
  update_rows(state, keys);
  for (auto _ : bench) {
    std::unique_ptr<FrozenState> frozen = state.rows.freeze();
    benchmark::DoNotOptimize(frozen.get());
  }
}
BENCHMARK(freeze)->Arg(1'000'000)->Arg(10'000'000)->Unit(benchmark::kMillisecond);

/// Updates while a snapshot is open: every page is copied once.
void counter_rows_after_freeze(benchmark::State& bench) {
  const auto keys = random_keys(bench.range(0), updates_for(bench.range(0)));
  CounterState state;
  update_rows(state, keys);
  for (auto _ : bench) {
    const std::unique_ptr<FrozenState> frozen = state.rows.freeze();
    update_rows(state, keys);
  }
  bench.SetItemsProcessed(bench.iterations() * static_cast<int64_t>(keys.size()));
}
BENCHMARK(counter_rows_after_freeze)->Arg(1'000'000)->Arg(10'000'000);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
