// The frame of every operator over keyed input: key → row, timers, watermarks, snapshots, resuming.
//
//   class CountOperator final : public KeyedOperator<CountOperator, Text, Result> {
//    public:
//     Status open_keyed(OperatorContext&);                  // register states
//     Progress process(int input, StreamBatch& in, Cursor& cursor) override {
//       return drive_keyed<Flight>(input, in, cursor, selector_,
//                                  [&](const Flight& flight, EventTime time, RowKind kind) {...});
//     }
//     void on_event_timer(EventTime time, int64_t name_space);       // the key is current
//     void on_processing_timer(int64_t time_ms, int64_t name_space); // the key is current
//   };
//
// A derived class may shadow the hooks at the end of the public section. Within one call to
// process() the frame takes rows up to the next mark, then advances the watermark (which fires
// timers, one at a time), then emits the mark; it stops between two records or timers when an
// output is full. A mark that fires no timer costs one comparison. Rows of the batch ahead are
// prefetched.
//
// Texts read from state must be emitted with emit_copy() or a Collector that copies texts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/operator.h"
#include "operators/operator_failure.h"
#include "operators/timer_service.h"
#include "state/api/composite_frozen.h"
#include "state/api/keyed_rows.h"

namespace sluice {

/// How many processing timers fire before the task looks at the clock.
inline constexpr size_t kProcessingTimersAtOnce = 64;

template <class Derived, class K, class Out>
class KeyedOperator : public OperatorWithOutput<Out> {
  static_assert(StableHashable<K>,
                "the key type must be an integer, enum, EventTime, Text, std::string, or a tuple, "
                "vector or SLUICE_RECORD of such");

 public:
  using Key = K;

  Status open(OperatorContext& context) final {
    context_ = &context;
    RowTable::Options options{.key_groups = context.task.key_groups(),
                              .max_parallelism = context.task.max_parallelism,
                              .clock = context.clock,
                              .memory_bytes_max = context.state_memory_bytes,
                              .tracks_changes = context.checkpointing,
                              .owner = context.task.display_name()};
    if (context.state_backend == StateBackendKind::kRocksDb) {
      SLUICE_CHECK_MSG(context.open_cold_store, "no cold store for the RocksDB backend");
      SLUICE_ASSIGN_OR_RETURN(options.cold_store, context.open_cold_store());
    }
    rows_.emplace(std::move(options));
    if (Derived::kUsesTimers) SLUICE_RETURN_IF_ERROR(timers_.open(*rows_));
    SLUICE_RETURN_IF_ERROR(status_of([&] { return derived().open_keyed(context); }));
    rows_->seal();
    if (context.restored == nullptr) return Status::ok();
    // What neither the rows nor restore_more() read is refused by whoever gave the snapshot.
    SLUICE_RETURN_IF_ERROR(
        rows_->restore(*context.restored, [](const std::string& /*name*/) { return true; }));
    if (Derived::kUsesTimers) timers_.rebuild();
    return derived().restore_more(*context.restored);
  }

  int64_t next_processing_timer() const final {
    return Derived::kUsesTimers ? timers_.next_processing_timer() : Operator::kNoTimer;
  }
  Progress on_processing_time(int64_t now_ms) final {
    if (!Derived::kUsesTimers || timers_.next_processing_timer() >= now_ms) return Progress::kDone;
    const ArenaScope scope(&this->out_.arena());
    rows_->refresh_time();
    // The caller looks at the clock in between.
    size_t left = kProcessingTimersAtOnce;
    const bool done = timers_.fire_processing_timers(
        now_ms,
        [this](int64_t time_ms, int64_t name_space) {
          derived().on_processing_timer(time_ms, name_space);
        },
        [this, &left] { return left-- == 0 || this->outputs_full(); });
    if (!done) return Progress::kOutputFull;
    throw_if_error(rows_->settle());
    return Progress::kDone;
  }

  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId /*checkpoint*/) override {
    std::unique_ptr<FrozenState> rows = rows_->freeze();
    std::unique_ptr<FrozenState> more = derived().freeze_more();
    if (!more) return rows;
    auto all = std::make_unique<CompositeFrozen>();
    all->add(std::move(rows));
    all->add(std::move(more));
    return std::unique_ptr<FrozenState>(std::move(all));
  }
  size_t state_bytes() const override {
    return (rows_ ? rows_->bytes() : 0) + timers_.bytes() + derived().more_state_bytes();
  }

  // -- hooks with defaults --

  static constexpr bool kUsesTimers = true;
  void on_event_timer(EventTime /*time*/, int64_t /*name_space*/) {}
  void on_processing_timer(int64_t /*time_ms*/, int64_t /*name_space*/) {}
  /// The watermark has become watermark(); false when it has to be called again because an output
  /// is full. The default fires the event timers.
  bool on_watermark() { return fire_event_timers(); }
  /// State that is not in the rows: what there is of it now, and how it comes back.
  std::unique_ptr<FrozenState> freeze_more() { return nullptr; }
  Status restore_more(SnapshotReader& /*reader*/) { return Status::ok(); }
  size_t more_state_bytes() const { return 0; }

 protected:
  /// Processes `in` from `cursor` on: on_row(const In&, EventTime, RowKind) is called with the key
  /// of the record current. `selector` gives the key of a record (callable or member pointer).
  template <class In, class Selector, class OnRow>
  Progress drive_keyed(int input, const StreamBatch& in, Cursor& cursor, Selector& selector,
                       OnRow&& on_row) {
    const ArenaScope scope(&this->out_.arena());
    rows_->refresh_time();
    if (!in.batch) return drive_marks(in, cursor);
    const auto& batch = batch_cast<In>(*in.batch);
    const Places at = places_of(input, batch, cursor, selector);
    const bool loads = rows_->needs_load();
    const bool prefetches = !loads && rows_->wants_prefetch();
    const uint32_t rows = batch.rows();
    const auto load_rest = [&] { load_rows_of(input, batch, cursor.row, at, selector); };
    if (loads) load_rest();
    if (prefetches) prefetch_ahead(at, cursor.row, rows);
    for (;;) {
      const uint32_t end = next_mark_row(in, cursor, rows);
      for (; cursor.row < end; ++cursor.row) {
        if (this->outputs_full()) {
          rows_->clear_current_key();
          return Progress::kOutputFull;
        }
        const uint32_t row = cursor.row;
        if (prefetches) prefetch_next(at, row, rows);
        const In& record = batch[row];
        const K& key = std::invoke(selector, record);
        // Ends the record before, too.
        rows_->set_current_key(key, at.hashes[row], at.groups[row], at.hints[row]);
        on_row(record, batch.time(row), batch.kind(row));
      }
      rows_->clear_current_key();
      if (cursor.mark == in.marks.size()) break;
      if (!pass_mark(in.marks[cursor.mark].watermark)) return Progress::kOutputFull;
      ++cursor.mark;
      // Timers may have needed the room.
      if (rows_->evictions() != scratch_[input].evictions) load_rest();
    }
    throw_if_error(rows_->settle());
    return Progress::kDone;
  }

  /// The same for an input without keys (the broadcast side): no key is current in on_row.
  template <class In, class OnRow>
  Progress drive_unkeyed(const StreamBatch& in, Cursor& cursor, OnRow&& on_row) {
    const ArenaScope scope(&this->out_.arena());
    rows_->refresh_time();
    if (!in.batch) return drive_marks(in, cursor);
    const auto& batch = batch_cast<In>(*in.batch);
    for (;;) {
      const uint32_t end = next_mark_row(in, cursor, batch.rows());
      for (; cursor.row < end; ++cursor.row) {
        if (this->outputs_full()) return Progress::kOutputFull;
        on_row(batch[cursor.row], batch.time(cursor.row), batch.kind(cursor.row));
        rows_->clear_current_key();
      }
      if (cursor.mark == in.marks.size()) break;
      if (!pass_mark(in.marks[cursor.mark].watermark)) return Progress::kOutputFull;
      ++cursor.mark;
    }
    throw_if_error(rows_->settle());
    return Progress::kDone;
  }

  /// Fires event timers up to watermark(); false when an output is full.
  bool fire_event_timers() {
    if (!Derived::kUsesTimers || timers_.next_event_timer() > watermark_) return true;
    return timers_.fire_event_timers(
        watermark_,
        [this](EventTime time, int64_t name_space) { derived().on_event_timer(time, name_space); },
        [this] { return this->outputs_full(); });
  }

  KeyedRows<K>& rows() { return *rows_; }
  TimerService& timers() { return timers_; }
  const OperatorContext& context() const { return *context_; }
  /// Everything up to here is complete; the callbacks of timers see the new value.
  const EventTime& watermark() const { return watermark_; }

 private:
  static constexpr uint32_t kIndexAhead = 24;
  static constexpr uint32_t kRowAhead = 12;
  static constexpr int kInputsMax = 2;

  Derived& derived() { return static_cast<Derived&>(*this); }
  const Derived& derived() const { return static_cast<const Derived&>(*this); }

  static uint32_t next_mark_row(const StreamBatch& in, const Cursor& cursor, uint32_t rows) {
    return cursor.mark < in.marks.size() ? in.marks[cursor.mark].row : rows;
  }
  Progress drive_marks(const StreamBatch& in, Cursor& cursor) {
    for (; cursor.mark < in.marks.size(); ++cursor.mark) {
      if (!pass_mark(in.marks[cursor.mark].watermark)) return Progress::kOutputFull;
    }
    return Progress::kDone;
  }
  bool pass_mark(EventTime watermark) {
    // A mark that stopped half way comes again with the same value; lower ones are ignored.
    if (watermark < watermark_) return true;
    watermark_ = watermark;
    if (!derived().on_watermark()) return false;
    this->mark_outputs(watermark);
    return true;
  }

  /// Where the rows of a batch belong in the table.
  struct Places {
    const uint64_t* hashes;
    const uint32_t* groups;
    uint32_t* hints;  // What prefetching the row told.
  };
  struct Scratch {
    std::vector<uint64_t> hashes;
    std::vector<uint32_t> groups;
    std::vector<uint32_t> hints;
    uint64_t evictions = 0;  // When rows of the batch were loaded last.
  };

  /// Computed when the batch begins and kept while it is resumed.
  template <class In, class Selector>
  Places places_of(int input, const TypedBatch<In>& batch, const Cursor& cursor,
                   Selector& selector) {
    SLUICE_CHECK(input < kInputsMax);
    Scratch& scratch = scratch_[input];
    const uint32_t rows = batch.rows();
    if (cursor.row == 0 && !batch.has_key_hashes()) {
      scratch.hashes.resize(rows);
      for (uint32_t row = 0; row < rows; ++row) {
        const K& key = std::invoke(selector, batch[row]);
        scratch.hashes[row] = stable_hash(key);
      }
    }
    const uint64_t* hashes =
        batch.has_key_hashes() ? batch.key_hashes().data() : scratch.hashes.data();
    if (cursor.row == 0) {
      scratch.groups.resize(rows);
      scratch.hints.assign(rows, KeyedRows<K>::kNoHint);
      for (uint32_t row = 0; row < rows; ++row) {
        scratch.groups[row] = rows_->group_of(hashes[row]);
      }
    }
    return {hashes, scratch.groups.data(), scratch.hints.data()};
  }
  /// When they may be in a cold store: the rows of the records from `row` on, as far as they exist.
  template <class In, class Selector>
  void load_rows_of(int input, const TypedBatch<In>& batch, uint32_t row, const Places& at,
                    Selector& selector) {
    Scratch& scratch = scratch_[input];
    if (row > 0 && rows_->evictions() == scratch.evictions) return;
    // Texts that a key selector makes must live as long as the keys.
    throw_if_error(rows_->load(
        row, batch.rows(),
        [&](uint32_t i) -> decltype(auto) { return std::invoke(selector, batch[i]); }, at.hashes,
        at.groups, at.hints));
    scratch.evictions = rows_->evictions();
  }
  void prefetch_ahead(const Places& at, uint32_t from, uint32_t rows) {
    for (uint32_t row = from; row < std::min(rows, from + kIndexAhead); ++row) {
      rows_->prefetch_index(at.hashes[row], at.groups[row]);
    }
    for (uint32_t row = from; row < std::min(rows, from + kRowAhead); ++row) {
      at.hints[row] = rows_->prefetch_row(at.hashes[row], at.groups[row]);
    }
  }
  void prefetch_next(const Places& at, uint32_t row, uint32_t rows) {
    if (const uint32_t next = row + kIndexAhead; next < rows) {
      rows_->prefetch_index(at.hashes[next], at.groups[next]);
    }
    if (const uint32_t next = row + kRowAhead; next < rows) {
      at.hints[next] = rows_->prefetch_row(at.hashes[next], at.groups[next]);
    }
  }

  OperatorContext* context_ = nullptr;
  std::optional<KeyedRows<K>> rows_;
  TimerService timers_;
  EventTime watermark_ = kMinTime;
  Scratch scratch_[kInputsMax];
};

}  // namespace sluice
