// Tumbling and sliding event-time windows with an aggregate: the fast path.
//
// Windows share panes of gcd(size, slide). Every element goes into one pane: pane → key table
// (operators/pane_table.h), and a pane is dropped whole. There is one thing to do next for all keys
// together (`next_event_`), so a watermark that completes no window costs one comparison. A sliding
// window is merged incrementally (operators/pane_merge.h); elements that arrive behind panes
// already merged are added there too. Firing stops whenever the outputs are full and goes on from
// the same row.
//
// Order of results: windows by end, within a window keys in the order of their first element.
// Elements of one key are aggregated in order of arrival within a pane, panes in order of time.
// Operators: one task. Keys keep their texts in the pane, accumulators own theirs.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/stable_hash.h"
#include "operators/operator_failure.h"
#include "operators/pane_aggregate.h"
#include "operators/pane_grid.h"
#include "operators/pane_merge.h"
#include "operators/pane_snapshot.h"
#include "operators/window_function.h"
#include "operators/window_spec.h"

namespace sluice {

/// K: key; In: elements; Out: results; Assigner: aligned event-time windows; KeySelector: In → K;
/// Agg: aggregate of In (sliding windows: with merge); Fn: window function over the aggregated
/// value.
template <class K, class In, class Out, class Assigner, class KeySelector, class Agg,
          class Fn = EmitAggregate>
class PaneWindowOperator final : public OperatorWithOutput<Out> {
 public:
  using Acc = AccumulatorOf<Agg>;
  static constexpr bool kIsSliding = !std::is_same_v<Assigner, TumblingEventTimeWindows>;
  static_assert(AlignedEventTimeAssigner<Assigner>);
  static_assert(StableHashable<K>, "this type cannot be a key; see core/stable_hash.h");
  static_assert(std::is_copy_constructible_v<Acc> && std::is_default_constructible_v<Acc>,
                "an accumulator needs copies and a default constructor");
  static_assert(
      Encodable<Acc>,
      "an accumulator must be storable: a number, a SLUICE_RECORD or a type with a Codec");
  static_assert(
      !kIsSliding || kCanMerge<Agg>,
      "sliding windows over panes need an aggregate with merge(accumulator, accumulator)");
  static_assert(!kKeepsWindowState<Fn>,
                "functions with window or global state run in the WindowOperator");

  PaneWindowOperator(const WindowSpec<Assigner>& spec, KeySelector select_key, Agg agg, Fn function)
      : spec_(spec),
        select_key_(std::move(select_key)),
        agg_(std::move(agg)),
        function_(std::move(function)),
        grid_(spec.assigner.size(), spec.assigner.slide(), spec.assigner.offset()),
        panes_(std::max<int64_t>(1, grid_.pane_size())) {
    if constexpr (kIsSliding) merger_.emplace(agg_);
  }

  Status open(OperatorContext& context) override;
  void close() override { close_function(function_); }
  Progress process(int input, StreamBatch& in, Cursor& cursor) override;
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId checkpoint) override;
  size_t state_bytes() const override {
    size_t bytes = 0;
    for (size_t i = 0; i < panes_.size(); ++i) bytes += panes_.at(i).table.bytes();
    return bytes;
  }

 private:
  using Table = PaneTable<K, PaneValue<Acc>>;
  using Merger =
      std::conditional_t<kCanRetract<Agg>, RunningSums<K, Acc, Agg>, TwoStacks<K, Acc, Agg>>;
  static constexpr int64_t kNever = INT64_MAX;

  // -- adding --
  bool add_rows(const TypedBatch<In>& batch, uint32_t& row, uint32_t stop);
  /// Sets pane_ to the pane of `time`, made if needed; null when every window of it has gone.
  void select_pane(int64_t time);
  void add_element(const K& key, uint64_t hash, const In& record);
  void add_behind(const K& key, uint64_t hash, const In& record, bool is_new);
  void fire_late(const K& key, uint32_t tag, int64_t watermark);
  void take_late(const TypedBatch<In>& batch, uint32_t row);

  // -- firing --
  bool advance(int64_t watermark);
  bool begin_window();
  bool emit_window();
  void end_window();
  void skip_windows_before(int64_t start);
  void drop_panes();
  void schedule();
  /// Start of the next window that may have contents; nothing when there are no contents.
  std::optional<int64_t> next_filled_window() const;
  void emit(const K& key, const Acc& acc, const TimeWindow& window);
  void add_fired_keys(std::unordered_set<std::string>& keys);

  WindowSpec<Assigner> spec_;
  KeySelector select_key_;
  Agg agg_;
  Fn function_;
  PaneGrid grid_;
  PaneStore<Table> panes_;
  std::optional<std::conditional_t<kIsSliding, Merger, char>> merger_;

  WindowWatermark watermark_;
  /// The smallest watermark at which there is something to do.
  int64_t next_event_ = kNever;
  /// Panes whose first window ends at or before this need the slow way: fired or merged already.
  int64_t behind_end_ = INT64_MIN;
  /// All windows that start before have fired.
  int64_t next_window_ = INT64_MIN;
  /// The merger holds the panes that start in [merged_from_, merged_to_).
  int64_t merged_from_ = INT64_MIN;
  int64_t merged_to_ = INT64_MIN;
  Pane<Table>* pane_ = nullptr;  // Of the last element.
  // The window being fired and the next row of it.
  std::optional<int64_t> firing_;
  uint32_t firing_row_ = 0;
  HalfFired half_fired_;  // Windows that had fired for some keys at the restored snapshot.

  std::vector<std::pair<int64_t, typename Table::Frozen>> dropped_;  // Since the last snapshot.
  std::optional<RuntimeContext> runtime_;
  std::optional<detail::WindowContextOf<Fn, TimeWindow>> context_;
  TextArenaRef scratch_;  // Texts that user code makes while it aggregates.
  Output<In>* late_output_ = nullptr;
  const Batch* late_arenas_of_ = nullptr;
  Counter* late_ = nullptr;
  int max_parallelism_ = kDefaultMaxParallelism;
  size_t memory_bytes_max_ = 0;
  uint32_t calls_ = 0;
};

// ---- opening and snapshots ----------------------------------------------------------------------

#define SLUICE_PANE_TEMPLATE \
  template <class K, class In, class Out, class Assigner, class KeySelector, class Agg, class Fn>
#define SLUICE_PANE_OPERATOR PaneWindowOperator<K, In, Out, Assigner, KeySelector, Agg, Fn>

SLUICE_PANE_TEMPLATE
Status SLUICE_PANE_OPERATOR::open(OperatorContext& context) {
  SLUICE_RETURN_IF_ERROR(spec_.validate());
  scratch_ = TextArenaRef(new TextArena());
  late_ = &context.metrics->counter(kLateMetric);
  max_parallelism_ = context.task.max_parallelism;
  memory_bytes_max_ = context.state_memory_bytes;
  late_output_ = static_cast<Output<In>*>(this->sides_.find(spec_.late_tag));
  runtime_.emplace(context);
  context_.emplace(context.clock, &this->sides_);
  open_function(agg_, *runtime_);
  open_function(function_, *runtime_);
  SLUICE_RETURN_IF_ERROR(watermark_.open(context));
  if (context.restored == nullptr) return Status::ok();
  SLUICE_ASSIGN_OR_RETURN(half_fired_, read_half_fired(*context.restored));
  next_window_ = watermark_.lowest() == kMinTime
                     ? INT64_MIN
                     : grid_.first_window_start(saturating_add(watermark_.lowest(), 1ms).ms);
  const auto add = [&](int64_t start, const K& key, uint64_t hash, Acc acc) {
    Pane<Table>* pane = panes_.find(start);
    if (pane == nullptr) {
      select_pane(start);
      pane = pane_;
    }
    pane->table.add(key, static_cast<uint32_t>(hash), PaneValue<Acc>(std::move(acc)));
  };
  SLUICE_RETURN_IF_ERROR((restore_panes<K, Acc>(*context.restored, add)));
  // The snapshot knows these entries: deltas start from here.
  for (size_t i = 0; i < panes_.size(); ++i) (void)panes_.at(i).table.freeze();
  if (watermark_.has_floors()) behind_end_ = kNever;
  schedule();
  return Status::ok();
}

SLUICE_PANE_TEMPLATE
Result<std::unique_ptr<FrozenState>> SLUICE_PANE_OPERATOR::snapshot(CheckpointId /*checkpoint*/) {
  HalfFired half_fired = half_fired_;
  EventTime fired_to = kMaxTime;
  if (firing_) {
    fired_to = {grid_.window_end(*firing_) - 2};
    add_fired_keys(half_fired[*firing_]);
  }
  auto frozen = std::make_unique<FrozenPanes<K, Acc>>(max_parallelism_, watermark_.freeze(fired_to),
                                                      std::move(half_fired));
  for (size_t i = 0; i < panes_.size(); ++i) {
    frozen->add(panes_.at(i).start, panes_.at(i).table.freeze());
  }
  for (auto& [start, table] : dropped_) frozen->add_dropped(start, std::move(table));
  dropped_.clear();
  return std::unique_ptr<FrozenState>(std::move(frozen));
}

// Those of the window being fired that have been emitted.
SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::add_fired_keys(std::unordered_set<std::string>& keys) {
  for (uint32_t row = 0; row < firing_row_; ++row) {
    if constexpr (kIsSliding) {
      if (merger_->is_live(row)) keys.insert(encode_to_string(merger_->key(row)));
    } else {
      keys.insert(encode_to_string(panes_.find(*firing_)->table[row].key));
    }
  }
}

// ---- adding -------------------------------------------------------------------------------------

SLUICE_PANE_TEMPLATE
Progress SLUICE_PANE_OPERATOR::process(int /*input*/, StreamBatch& in, Cursor& cursor) {
  const uint32_t rows = in.rows();
  late_arenas_of_ = nullptr;
  if (scratch_->used_bytes() > Batch::kTextBytesMax) scratch_->clear();
  if (memory_bytes_max_ != 0 && (++calls_ & 63) == 0 && state_bytes() > memory_bytes_max_) {
    throw OperatorFailure(Status::resource_exhausted(
        "open windows hold more than the " + std::to_string(memory_bytes_max_) +
            " bytes that this operator may hold; raise state.backend.memory",
        Retry::kNever));
  }
  while (true) {
    const bool at_mark = cursor.mark < in.marks.size();
    const uint32_t stop = at_mark ? in.marks[cursor.mark].row : rows;
    if (cursor.row < stop) {
      const auto& batch = batch_cast<In>(static_cast<const Batch&>(*in.batch));
      if (!add_rows(batch, cursor.row, stop)) return Progress::kOutputFull;
    }
    if (!at_mark) return Progress::kDone;
    const EventTime watermark = in.marks[cursor.mark].watermark;
    if (watermark.ms >= next_event_ && !advance(watermark.ms)) return Progress::kOutputFull;
    watermark_.advance(watermark);
    watermark_.settle();
    behind_end_ = watermark_.has_floors() ? kNever : saturating_add(watermark, 1ms).ms;
    this->mark_outputs(watermark);
    ++cursor.mark;
  }
}

SLUICE_PANE_TEMPLATE
bool SLUICE_PANE_OPERATOR::add_rows(const TypedBatch<In>& batch, uint32_t& row, uint32_t stop) {
  const ArenaScope scope(scratch_.get());
  const auto times = batch.times();
  const auto hashes = batch.key_hashes();
  const int64_t pane_size = grid_.pane_size();
  while (row < stop) {
    const uint32_t at = row;
    const In& record = batch[at];
    if (times.empty() || times[at] == kNoTimestamp) throw_no_timestamp();
    const int64_t time = times[at].ms;
    if (pane_ == nullptr || static_cast<uint64_t>(time) - static_cast<uint64_t>(pane_->start) >=
                                static_cast<uint64_t>(pane_size)) {
      select_pane(time);
    }
    ++row;
    if (pane_ == nullptr) {
      take_late(batch, at);
      if (this->outputs_full()) return false;
      continue;
    }
    const K& key = std::invoke(select_key_, record);
    const uint64_t hash = hashes.empty() ? stable_hash(key) : hashes[at];
    if (pane_->first_window_end > behind_end_) {
      add_element(key, hash, record);
      continue;
    }
    if (watermark_.has_floors() && pane_->drop_at <= watermark_.of(hash).ms) {
      take_late(batch, at);
    } else {
      const uint32_t before = pane_->table.size();
      add_element(key, hash, record);
      add_behind(key, hash, record, pane_->table.size() != before);
    }
    if (this->outputs_full()) return false;
  }
  return true;
}

SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::select_pane(int64_t time) {
  const int64_t start = grid_.pane_start(time);
  pane_ = panes_.find(start);
  if (pane_ != nullptr) return;
  if (!grid_.is_covered(start)) return;
  const EventTime last_end{grid_.window_end(grid_.last_window_start(start))};
  const int64_t drop_at = window_cleanup_time({last_end.ms - 1}, spec_.allowed_lateness).ms;
  if (drop_at <= watermark_.current().ms) return;
  pane_ = &panes_.add(start);
  pane_->first_window_end = grid_.window_end(grid_.first_window_start(start));
  pane_->drop_at = drop_at;
  if (watermark_.current() != kMinTime) {
    const int64_t first_open =
        grid_.first_window_start(saturating_add(watermark_.current(), 1ms).ms);
    skip_windows_before(first_open);
  }
  schedule();
}

SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::add_element(const K& key, uint64_t hash, const In& record) {
  const auto tag = static_cast<uint32_t>(hash);
  Table& table = pane_->table;
  uint32_t entry = table.find(key, tag);
  if (entry == Table::kNone) entry = table.add(key, tag, PaneValue<Acc>(agg_.create_accumulator()));
  table.writable(entry).update([&](Acc& acc) { add_to_accumulator(agg_, acc, record); });
}

SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::add_behind(const K& key, uint64_t hash, const In& record, bool is_new) {
  const auto tag = static_cast<uint32_t>(hash);
  if constexpr (kIsSliding) {
    if (pane_->start >= merged_from_ && pane_->start < merged_to_) {
      merger_->add_late(key, tag, pane_->start, is_new,
                        [&](Acc& acc) { add_to_accumulator(agg_, acc, record); });
    }
  }
  const int64_t watermark = watermark_.of(hash).ms;
  if (spec_.allowed_lateness.count() > 0 && pane_->first_window_end - 1 <= watermark) {
    fire_late(key, tag, watermark);
  }
}

// The windows of pane_ that have fired but are kept fire again for the key at once (semantics rule
// 5), the latest first as they are assigned.
SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::fire_late(const K& key, uint32_t tag, int64_t watermark) {
  const ArenaScope scope(&this->out_.arena());
  const auto is_due = [&](int64_t end) {
    return end - 1 <= watermark &&
           window_cleanup_time({end - 1}, spec_.allowed_lateness).ms > watermark;
  };
  const auto accumulator_at = [&](int64_t start) -> const Acc* {
    Pane<Table>* pane = panes_.find(start);
    if (pane == nullptr) return nullptr;
    const uint32_t entry = pane->table.find(key, tag);
    return entry == Table::kNone ? nullptr : &pane->table[entry].value.get();
  };
  if constexpr (!kIsSliding) {
    const int64_t end = grid_.window_end(pane_->start);
    if (is_due(end)) emit(key, *accumulator_at(pane_->start), {{pane_->start}, {end}});
  } else {
    // Merges of the panes from this one back to each earlier one, then of those after it, so that
    // every window is the merge of two.
    const int64_t first = grid_.first_window_start(pane_->start);
    std::vector<Acc> back{*accumulator_at(pane_->start)};
    for (int64_t start = pane_->start - grid_.pane_size(); start >= first;
         start -= grid_.pane_size()) {
      const Acc* acc = accumulator_at(start);
      Acc merged = acc != nullptr ? *acc : back.back();
      if (acc != nullptr) merge_accumulators(agg_, merged, back.back());
      back.push_back(std::move(merged));
    }
    std::vector<std::optional<Acc>> ahead{std::nullopt};
    const int64_t last = grid_.last_window_start(pane_->start);
    for (int64_t start = pane_->start + grid_.pane_size();
         start < saturating_add({last}, Duration(grid_.size())).ms; start += grid_.pane_size()) {
      const Acc* acc = accumulator_at(start);
      ahead.push_back(ahead.back());
      if (acc == nullptr) continue;
      if (ahead.back()) {
        merge_accumulators(agg_, *ahead.back(), *acc);
      } else {
        ahead.back() = *acc;
      }
    }
    for (int64_t start = last; start >= first; start -= grid_.slide()) {
      const int64_t end = grid_.window_end(start);
      if (!is_due(end)) continue;
      Acc merged = back[static_cast<size_t>((pane_->start - start) / grid_.pane_size())];
      const auto& rest = ahead[static_cast<size_t>((end - pane_->start) / grid_.pane_size() - 1)];
      if (rest) merge_accumulators(agg_, merged, *rest);
      emit(key, merged, {{start}, {end}});
    }
  }
}

// Semantics rule 4: side output only for what every window skipped and is late itself; elements in
// the gaps of windows with slide > size are just dropped.
SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::take_late(const TypedBatch<In>& batch, uint32_t row) {
  const EventTime time = batch.time(row);
  EventTime watermark = watermark_.current();
  if (watermark_.has_floors()) {
    const K& key = std::invoke(select_key_, batch[row]);
    watermark = watermark_.of(stable_hash(key));
  }
  if (saturating_add(time, spec_.allowed_lateness) > watermark) return;
  late_->add();
  if (late_output_ == nullptr) return;
  if (late_arenas_of_ != &batch) late_output_->keep_arenas_of(batch);
  late_arenas_of_ = &batch;
  late_output_->emit(batch[row], time, batch.kind(row));
}

// ---- firing -------------------------------------------------------------------------------------

// False: the outputs are full; to be called again with the same watermark.
SLUICE_PANE_TEMPLATE
bool SLUICE_PANE_OPERATOR::advance(int64_t watermark) {
  watermark_.advance({watermark});
  while (firing_ || begin_window()) {
    if (!emit_window()) return false;
    end_window();
  }
  drop_panes();
  const int64_t first_open =
      watermark == kMaxTime.ms ? kNever : grid_.first_window_start(watermark + 1);
  skip_windows_before(first_open);
  schedule();
  return true;
}

SLUICE_PANE_TEMPLATE
std::optional<int64_t> SLUICE_PANE_OPERATOR::next_filled_window() const {
  if constexpr (kIsSliding) {
    if (!merger_->is_empty()) return next_window_;
  }
  const size_t i = panes_.lower_bound(next_window_);
  if (i == panes_.size()) return std::nullopt;
  return std::max(next_window_, panes_.at(i).first_window_end - grid_.size());
}

SLUICE_PANE_TEMPLATE
bool SLUICE_PANE_OPERATOR::begin_window() {
  const std::optional<int64_t> start = next_filled_window();
  if (!start || grid_.window_end(*start) - 1 > watermark_.current().ms) return false;
  if constexpr (kIsSliding) {
    const int64_t end = grid_.window_end(*start);
    merged_from_ = *start;
    merger_->add_panes(panes_, std::max(merged_to_, *start), end);
    merged_to_ = end;
  }
  firing_ = start;
  firing_row_ = 0;
  return true;
}

SLUICE_PANE_TEMPLATE
bool SLUICE_PANE_OPERATOR::emit_window() {
  const TimeWindow window{{*firing_}, {grid_.window_end(*firing_)}};
  // Keys restored from a subtask that was further have seen this window already.
  const bool check_floors = window.max_timestamp() <= watermark_.floor_max();
  const auto half = half_fired_.empty() ? half_fired_.end() : half_fired_.find(*firing_);
  const auto has_fired = [&](const K& key) {
    if (half != half_fired_.end() && half->second.count(encode_to_string(key)) > 0) return true;
    return check_floors && watermark_.floor_of(stable_hash(key)) >= window.max_timestamp();
  };
  if (this->outputs_full()) return false;
  const ArenaScope scope(&this->out_.arena());
  if constexpr (kIsSliding) {
    for (; firing_row_ < merger_->size(); ++firing_row_) {
      if (this->outputs_full()) return false;
      if (!merger_->is_live(firing_row_) || has_fired(merger_->key(firing_row_))) continue;
      merger_->with_result(firing_row_,
                           [&](const Acc& acc) { emit(merger_->key(firing_row_), acc, window); });
    }
  } else {
    const Table& table = panes_.find(*firing_)->table;
    for (; firing_row_ < table.size(); ++firing_row_) {
      if (this->outputs_full()) return false;
      const auto& entry = table[firing_row_];
      if (!has_fired(entry.key)) emit(entry.key, entry.value.get(), window);
    }
  }
  return true;
}

SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::end_window() {
  const int64_t next = grid_.next_window(*firing_);
  half_fired_.erase(half_fired_.begin(), half_fired_.upper_bound(*firing_));
  firing_.reset();
  skip_windows_before(next);
}

// The windows that start before `start` have fired or are empty.
SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::skip_windows_before(int64_t start) {
  if (start <= next_window_) return;
  next_window_ = start;
  if constexpr (kIsSliding) {
    merger_->remove_panes(panes_, merged_from_, std::min(start, merged_to_));
    merged_from_ = start;
    merged_to_ = std::max(merged_to_, start);
  }
}

SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::drop_panes() {
  pane_ = nullptr;
  while (!panes_.is_empty() && panes_.at(0).drop_at <= watermark_.current().ms) {
    Pane<Table>& pane = panes_.at(0);
    if (pane.table.was_frozen()) dropped_.emplace_back(pane.start, pane.table.freeze());
    panes_.drop_front();
  }
}

SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::schedule() {
  next_event_ = kNever;
  if (panes_.is_empty()) return;
  next_event_ = panes_.at(0).drop_at;
  if (const auto start = next_filled_window()) {
    next_event_ = std::min(next_event_, grid_.window_end(*start) - 1);
  }
}

SLUICE_PANE_TEMPLATE
void SLUICE_PANE_OPERATOR::emit(const K& key, const Acc& acc, const TimeWindow& window) {
  const auto& result = agg_.get_result(acc);
  if constexpr (std::is_same_v<Fn, EmitAggregate>) {
    this->out_.emit_copy(result, window.max_timestamp());
  } else {
    using Result = std::remove_cvref_t<decltype(result)>;
    Collector<Out> collector(this->out_);
    collector.set_time(window.max_timestamp());
    context_->begin(window, watermark_.current());
    call_window_function(function_, key, *context_, std::span<const Result>(&result, 1), collector);
  }
}

#undef SLUICE_PANE_TEMPLATE
#undef SLUICE_PANE_OPERATOR

/// `make_pane_window_operator<K, In, Out>(spec, select_key, aggregate, function)`; without function
/// the results of the aggregate are emitted.
template <class K, class In, class Out, class Assigner, class KeySelector, class Agg,
          class Fn = EmitAggregate>
OperatorFactory make_pane_window_operator(WindowSpec<Assigner> spec, KeySelector select_key,
                                          Agg agg, Fn function = {}) {
  return [=]() -> std::unique_ptr<Operator> {
    return std::make_unique<PaneWindowOperator<K, In, Out, Assigner, KeySelector, Agg, Fn>>(
        spec, select_key, agg, function);
  };
}

}  // namespace sluice
