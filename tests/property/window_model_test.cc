// Windows against a naive model that keeps a list of elements per key and window.
//
// Random times out of order, random watermarks between them, random lateness, tumbling, sliding and
// session windows, several aggregates, both window operators, batch sizes 1, 2 and 1024, small
// outputs, and a snapshot with restore at a random place: all must give what the model gives.
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"
#include "operators/window_factories.h"
#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Item {
  int64_t key = 0;
  int64_t value = 0;
};
SLUICE_RECORD(Item, key, value);

struct Summary {
  int64_t sum = 0;
  int64_t max = INT64_MIN;
  int64_t count = 0;
  Text longest;
};
SLUICE_RECORD(Summary, sum, max, count, longest);

/// What a window gave: comparable and printable.
struct Fired {
  int64_t start = 0;
  int64_t end = 0;
  int64_t key = 0;
  int64_t sum = 0;
  int64_t max = 0;
  int64_t count = 0;
  friend auto operator<=>(const Fired&, const Fired&) = default;
};
SLUICE_RECORD(Fired, start, end, key, sum, max, count);

/// Cannot be taken apart again: two stacks; has a text, so accumulators own memory.
struct Summarise {
  Summary create_accumulator() const { return {}; }
  void add(Summary& acc, const Item& item) const {
    acc.sum += item.value;
    acc.max = std::max(acc.max, item.value);
    ++acc.count;
    const std::string text = "a value longer than inline " + std::to_string(item.value);
    if (text.size() > acc.longest.size()) acc.longest = Text(text);
  }
  Summary get_result(const Summary& acc) const { return acc; }
  void merge(Summary& into, const Summary& part) const {
    into.sum += part.sum;
    into.max = std::max(into.max, part.max);
    into.count += part.count;
    if (part.longest.size() > into.longest.size()) into.longest = part.longest;
  }
};

/// Can be taken apart again: running sums.
struct Totals {
  int64_t sum = 0;
  int64_t count = 0;
};
SLUICE_RECORD(Totals, sum, count);
struct SumOnly {
  Totals create_accumulator() const { return {}; }
  void add(Totals& acc, const Item& item) const {
    acc.sum += item.value;
    ++acc.count;
  }
  Summary get_result(const Totals& acc) const { return {acc.sum, 0, acc.count, Text()}; }
  void merge(Totals& into, const Totals& part) const {
    into.sum += part.sum;
    into.count += part.count;
  }
  void retract(Totals& total, const Totals& part) const {
    total.sum -= part.sum;
    total.count -= part.count;
  }
};

constexpr auto kKey = [](const Item& item) { return item.key; };
constexpr auto kToFired = [](const int64_t& key, const TimeWindow& window,
                             std::span<const Summary> results, Collector<Fired>& out) {
  const Summary& s = results[0];
  out.collect({window.start.ms, window.end.ms, key, s.sum, s.max, s.count});
};

/// One step of a scenario: an element, or a watermark when is_mark.
struct Step {
  bool is_mark = false;
  int64_t time = 0;
  Item item;
};

struct Scenario {
  int64_t size = 1;
  int64_t slide = 1;  // 0 = sessions with gap `size`.
  int64_t offset = 0;
  int64_t lateness = 0;
  std::vector<Step> steps;
};

Scenario make_scenario(uint64_t seed) {
  Random random(seed);
  Scenario s;
  s.size = random.between(1, 24);
  s.slide = random.one_in(3) ? 0 : random.one_in(3) ? s.size : random.between(1, 30);
  if (s.slide > 0) s.offset = random.between(-s.slide + 1, s.slide - 1);
  s.lateness = random.one_in(2) ? 0 : random.between(1, 40);
  int64_t base = random.between(-100, 100);
  int64_t watermark = kMinTime.ms;
  const int64_t disorder = random.between(0, 40);
  for (int64_t i = 0; i < 250; ++i) {
    if (random.one_in(40)) base += random.between(0, 200);
    base += random.between(0, 3);
    if (random.one_in(static_cast<uint64_t>(random.between(1, 20)))) {
      const int64_t next = base - random.between(0, 20);
      if (next > watermark) {
        watermark = next;
        s.steps.push_back({true, watermark, {}});
      }
    }
    s.steps.push_back({false,
                       base - random.between(0, disorder),
                       {random.between(0, 5), random.between(-50, 50)}});
  }
  s.steps.push_back({true, kMaxTime.ms, {}});
  return s;
}

/// The obvious implementation: every window of every key has a list.
class Model {
 public:
  explicit Model(const Scenario& scenario) : s_(scenario) {}

  void run() {
    for (const Step& step : s_.steps) {
      if (step.is_mark) {
        advance(step.time);
      } else {
        add(step.time, step.item);
      }
    }
  }
  std::vector<Fired> fired;
  int64_t late = 0;

 private:
  using Window = std::pair<int64_t, int64_t>;
  using Windows = std::map<Window, std::vector<int64_t>>;

  int64_t cleanup(const Window& w) const { return w.second - 1 + s_.lateness; }
  void emit(int64_t key, const Window& w, const std::vector<int64_t>& values) {
    Fired f{w.first, w.second, key, 0, INT64_MIN, static_cast<int64_t>(values.size())};
    for (const int64_t value : values) {
      f.sum += value;
      f.max = std::max(f.max, value);
    }
    fired.push_back(f);
  }
  std::vector<Window> assign(int64_t time) const {
    std::vector<Window> windows;
    // Far below any time of a scenario, and a start of a window.
    for (int64_t start = s_.offset - 1000 * s_.slide; start <= time; start += s_.slide) {
      if (time < start + s_.size) windows.push_back({start, start + s_.size});
    }
    return windows;
  }
  void add(int64_t time, const Item& item) {
    Windows& mine = keys_[item.key];
    std::vector<Window> windows;
    std::vector<int64_t> before;
    if (s_.slide > 0) {
      windows = assign(time);
    } else {
      Window merged{time, time + s_.size};
      std::vector<Window> absorbed;
      for (const auto& [w, values] : mine) {
        if (w.first > time + s_.size || time > w.second) continue;
        merged = {std::min(merged.first, w.first), std::max(merged.second, w.second)};
        absorbed.push_back(w);
      }
      for (const Window& w : absorbed) {
        before.insert(before.end(), mine[w].begin(), mine[w].end());
        mine.erase(w);
      }
      windows.push_back(merged);
    }
    bool skipped = true;
    for (const Window& w : windows) {
      if (cleanup(w) <= watermark_) continue;
      skipped = false;
      auto& values = mine[w];
      values.insert(values.begin(), before.begin(), before.end());
      values.push_back(item.value);
      if (w.second - 1 <= watermark_) emit(item.key, w, values);
    }
    if (skipped && time + s_.lateness <= watermark_) ++late;
  }
  void advance(int64_t watermark) {
    for (auto& [key, windows] : keys_) {
      for (const auto& [w, values] : windows) {
        if (w.second - 1 > watermark_ && w.second - 1 <= watermark) emit(key, w, values);
      }
      std::erase_if(windows, [&](const auto& entry) { return cleanup(entry.first) <= watermark; });
    }
    watermark_ = watermark;
  }

  const Scenario& s_;
  std::map<int64_t, Windows> keys_;
  int64_t watermark_ = kMinTime.ms;
};

struct Outcome {
  std::vector<Fired> fired;
  int64_t late = 0;
};

/// Runs the steps in batches of `batch_rows`; after `restore_after` steps (if not 0) the operator
/// is replaced by one restored from its snapshot.
Outcome run(const OperatorFactory& factory, const Scenario& scenario, size_t batch_rows,
            uint32_t output_rows, size_t restore_after) {
  Outcome outcome;
  auto harness = std::make_unique<OperatorHarness<Fired>>(factory);
  harness->set_output_rows(output_rows);
  REQUIRE(harness->open().is_ok());
  std::vector<Item> items;
  std::vector<int64_t> times;
  Marks marks;
  const auto flush = [&] {
    harness->push(items, times, marks);
    items.clear();
    times.clear();
    marks.clear();
  };
  const auto collect = [&] {
    for (const auto& row : harness->take()) {
      CHECK(row.time.ms == row.value.end - 1);
      outcome.fired.push_back(row.value);
    }
    outcome.late += harness->metrics().counter("late").value();
  };
  for (size_t i = 0; i < scenario.steps.size(); ++i) {
    const Step& step = scenario.steps[i];
    if (step.is_mark) {
      add_mark(marks, static_cast<uint32_t>(items.size()), EventTime{step.time});
    } else {
      if (items.size() == batch_rows) flush();
      items.push_back(step.item);
      times.push_back(step.time);
    }
    if (restore_after == 0 || i + 1 != restore_after) continue;
    flush();
    collect();
    const MemorySnapshot snapshot = harness->snapshot();
    harness = std::make_unique<OperatorHarness<Fired>>(factory);
    harness->set_output_rows(output_rows);
    auto reader = snapshot.reader();
    REQUIRE(harness->open(&reader).is_ok());
  }
  flush();
  collect();
  return outcome;
}

std::vector<Fired> sorted(std::vector<Fired> fired) {
  std::sort(fired.begin(), fired.end());
  return fired;
}

void check(const OperatorFactory& factory, const Scenario& scenario, bool has_max, uint64_t seed) {
  Model model(scenario);
  model.run();
  if (!has_max) {
    for (Fired& fired : model.fired) fired.max = 0;
  }
  const Outcome whole = run(factory, scenario, 1024, 0, 0);
  CHECK(sorted(whole.fired) == sorted(model.fired));
  CHECK(whole.late == model.late);
  for (const size_t batch_rows : {size_t{1}, size_t{2}}) {
    for (const uint32_t output_rows : {1U, 3U, 0U}) {
      const Outcome other = run(factory, scenario, batch_rows, output_rows, 0);
      CHECK(other.fired == whole.fired);  // Also in the same order.
      CHECK(other.late == whole.late);
    }
  }
  const size_t restore_after = 1 + Random(seed).below(scenario.steps.size() - 1);
  const Outcome restored = run(factory, scenario, 2, 0, restore_after);
  CHECK(sorted(restored.fired) == sorted(model.fired));
  CHECK(restored.late == model.late);
}

template <class Assigner>
void check_all(const Assigner& assigner, const Scenario& scenario, uint64_t seed) {
  const WindowSpec<Assigner> spec{assigner, Duration(scenario.lateness)};
  check(make_aggregate_window_operator<int64_t, Item, Fired>(spec, kKey, EventTimeTrigger{},
                                                             Summarise{}, kToFired),
        scenario, true, seed);
  check(make_aggregate_window_operator<int64_t, Item, Fired>(spec, kKey, EventTimeTrigger{},
                                                             SumOnly{}, kToFired),
        scenario, false, seed);
  // The general operator, also where panes would do.
  check(make_window_operator<int64_t, Item, Fired>(spec, kKey, EventTimeTrigger{}, SumOnly{},
                                                   kToFired),
        scenario, false, seed);
}

TEST_CASE("windows: equal to a model with lists, whatever the batches, outputs and restores") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    const Scenario scenario = make_scenario(seed);
    INFO("seed ", seed, " size ", scenario.size, " slide ", scenario.slide, " offset ",
         scenario.offset, " lateness ", scenario.lateness);
    const Duration size(scenario.size);
    if (scenario.slide == 0) {
      check_all(EventTimeSessionWindows::with_gap(size), scenario, seed);
    } else if (scenario.slide == scenario.size) {
      check_all(TumblingEventTimeWindows::of(size, Duration(scenario.offset)), scenario, seed);
    } else {
      check_all(
          SlidingEventTimeWindows::of(size, Duration(scenario.slide), Duration(scenario.offset)),
          scenario, seed);
    }
  }
}

TEST_CASE("windows: sliding results do not depend on how panes are merged over long streams") {
  // Many slides with keys that come and go: running sums, two stacks and their clean-up.
  Scenario scenario;
  scenario.size = 60;
  scenario.slide = 4;
  Random random(7);
  int64_t time = 0;
  for (int64_t i = 0; i < 6000; ++i) {
    time += static_cast<int64_t>(random.below(2));
    const int64_t key = time / 20 + random.between(0, 8);  // Keys die out.
    scenario.steps.push_back({false, time - random.between(0, 30), {key, random.between(0, 99)}});
    if (random.one_in(5)) scenario.steps.push_back({true, time - 25, {}});
  }
  std::vector<Step> rising;
  int64_t last = kMinTime.ms;
  for (const Step& step : scenario.steps) {
    if (step.is_mark && step.time <= last) continue;
    if (step.is_mark) last = step.time;
    rising.push_back(step);
  }
  rising.push_back({true, kMaxTime.ms, {}});
  scenario.steps = std::move(rising);
  for (const int64_t lateness : {0, 50}) {
    scenario.lateness = lateness;
    check_all(SlidingEventTimeWindows::of(Duration(60), Duration(4)), scenario, 3);
  }
}

}  // namespace
}  // namespace sluice
