// Event-time and processing-time timers of a keyed operator.
//
// The timers themselves are part of the rows (state/api/timer_cell.h), so they are a set per (key,
// namespace, time) and are in every snapshot (semantics rule 18); this class keeps, per domain, a
// heap of hints which row has a timer due when. Firing is resumable: one timer at a time, the
// caller says when to stop.
//
// Event timers with time ≤ watermark fire in time order; those registered by a callback for a time
// ≤ watermark fire in the same advance. Processing timers for t fire when the clock has passed t,
// i.e. from t + 1 on; after a restore overdue ones fire at once; at the end of input they do not
// fire (rule 19).
//
// Invariant: for every row in memory with timers of a domain there is a hint with the time in the
// cell's hint, which is not later than its first timer. For every evicted row the cold store has an
// entry with its first timer of each domain; entries may be out of date. They are read a few at a
// time when they come due before anything in memory, and their rows with them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/operator.h"
#include "core/time.h"
#include "operators/timer_heap.h"
#include "state/api/keyed_rows.h"
#include "state/api/timer_cell.h"

namespace sluice {

class TimerService final : private RowObserver {
 public:
  /// Registers the hidden cell; before the table is sealed. `table` outlives the service.
  Status open(RowTable& table) {
    table_ = &table;
    table.set_observer(this);
    SLUICE_ASSIGN_OR_RETURN(
        cell_, table.add_cell(TimerCell::kStateName, TimerCell::type(), {}, TimerCell::schema()));
    return Status::ok();
  }
  /// After a restore: finds the timers in the rows.
  void rebuild();

  // -- for the current key --

  void register_event_timer(EventTime time, int64_t name_space = 0) {
    add(TimerDomain::kEvent, {time.ms, name_space});
  }
  void delete_event_timer(EventTime time, int64_t name_space = 0) {
    remove(TimerDomain::kEvent, {time.ms, name_space});
  }
  /// Due when the clock (wall ms) has passed `time_ms`.
  void register_processing_timer(int64_t time_ms, int64_t name_space = 0) {
    add(TimerDomain::kProcessing, {time_ms, name_space});
  }
  void delete_processing_timer(int64_t time_ms, int64_t name_space = 0) {
    remove(TimerDomain::kProcessing, {time_ms, name_space});
  }

  // -- for the operator --

  /// No event timer is due before this time (there may be none at it); kMaxTime when there is none.
  EventTime next_event_timer() const { return {next_time(TimerDomain::kEvent)}; }
  /// Once the wall clock has passed this (in ms) a processing timer is due; Operator::kNoTimer when
  /// there is none.
  int64_t next_processing_timer() const {
    const int64_t time = next_time(TimerDomain::kProcessing);
    return time == TimerHeap::kNoTime ? Operator::kNoTimer : time;
  }

  /// Fires event timers up to `watermark`: sets the current row and calls fire(EventTime,
  /// namespace) for each; asks must_stop() before each. False when stopped early: call again.
  template <class Fire, class MustStop>
  bool fire_event_timers(EventTime watermark, Fire&& fire, MustStop&& must_stop) {
    return fire_due(
        TimerDomain::kEvent, watermark.ms,
        [&](const Timer& timer) { fire(EventTime{timer.time}, timer.name_space); }, must_stop);
  }
  /// Fires processing timers due at `now_ms`; fire(int64_t time_ms, namespace).
  template <class Fire, class MustStop>
  bool fire_processing_timers(int64_t now_ms, Fire&& fire, MustStop&& must_stop) {
    if (now_ms == INT64_MIN) return true;
    return fire_due(
        TimerDomain::kProcessing, now_ms - 1,
        [&](const Timer& timer) { fire(timer.time, timer.name_space); }, must_stop);
  }

  /// Timers of the current key, for tests and inspection.
  size_t timers_of_current_key() const {
    const char* cell = table_->read_cell(cell_);
    return cell == nullptr ? 0 : reinterpret_cast<const TimerCell*>(cell)->size();
  }
  size_t bytes() const { return (heaps_[0].size() + heaps_[1].size()) * sizeof(TimerHint); }

 private:
  TimerHeap& heap(TimerDomain domain) { return heaps_[static_cast<size_t>(domain)]; }
  const TimerHeap& heap(TimerDomain domain) const { return heaps_[static_cast<size_t>(domain)]; }

  void add(TimerDomain domain, const Timer& timer);
  void remove(TimerDomain domain, const Timer& timer);
  /// Makes the row of the earliest due timer current and takes the timer out of it; false when none
  /// is due. Drops stale hints on the way.
  bool take_due(TimerDomain domain, int64_t up_to, Timer& timer);
  /// Some hint of the domain may have lost its meaning; a heap of mostly such is cleaned.
  void note_stale_hint(TimerDomain domain);
  void drop_stale_hints_if_many(TimerDomain domain);
  void push_hint(TimerDomain domain, const TimerHint& hint);

  int64_t next_time(TimerDomain domain) const {
    return std::min(heap(domain).next_time(), stored_[static_cast<size_t>(domain)].next_time);
  }
  void row_loaded(RowAddress address) override;
  void row_leaves(const char* row, std::string_view row_key, ColdWriteBuffer& writes) override;
  /// Loads rows whose stored timers come due before those in memory.
  void load_due(TimerDomain domain, int64_t up_to);

  template <class Fire, class MustStop>
  bool fire_due(TimerDomain domain, int64_t up_to, Fire&& fire, MustStop&& must_stop) {
    Timer timer{};
    const TimerHeap& hints = heap(domain);
    const Stored& stored = stored_[static_cast<size_t>(domain)];
    // The last of all times is a timer like others: that of a global window.
    while (next_time(domain) <= up_to && (!hints.empty() || stored.any)) {
      if (must_stop()) return false;
      if (stored.any && (hints.empty() || stored.next_time < hints.next_time())) {
        load_due(domain, up_to);
        continue;
      }
      // No further than the stored ones: behind a stale hint there may be a later timer.
      if (!take_due(domain, std::min(up_to, stored.next_time), timer)) continue;
      fire(timer);
      table_->clear_current_key();
    }
    return true;
  }

  // Fewer stale hints are not worth looking at all.
  static constexpr size_t kStaleMin = 1024;

  RowTable* table_ = nullptr;
  CellRef cell_;
  TimerHeap heaps_[2];
  // At least as many hints are stale, since the last cleaning, as long as none was popped.
  size_t stale_[2] = {0, 0};

  /// Timers in the cold store, by domain.
  struct Stored {
    bool any = false;
    /// kNoTime when there is none, but also that of a timer.
    int64_t next_time = TimerHeap::kNoTime;
    /// No entry stands before this key.
    std::string first_key;
  };
  Stored stored_[2];
};

}  // namespace sluice
