#include "operators/timer_service.h"

#include <algorithm>

namespace sluice {
namespace {

TimerCell& timers_in(char* cell) { return *reinterpret_cast<TimerCell*>(cell); }
const TimerCell& timers_in(const char* cell) { return *reinterpret_cast<const TimerCell*>(cell); }

}  // namespace

void TimerService::add(TimerDomain domain, const Timer& timer) {
  if (const char* cell = table_->read_cell(cell_)) {
    // Registering again is common (every record of a window): it must not touch the row.
    if (timers_in(cell).contains(domain, timer)) return;
  }
  bool was_present = false;
  TimerCell& timers = timers_in(table_->write_cell(cell_, was_present));
  timers.add(domain, timer);
  const int64_t hint = timers.hint(domain);
  if (timer.time < hint || hint == TimerCell::kNoTime) {
    timers.set_hint(domain, timer.time);
    push_hint(domain, timer.time);
    if (hint != TimerCell::kNoTime) note_stale_hint(domain);
  }
}

void TimerService::remove(TimerDomain domain, const Timer& timer) {
  const char* found = table_->read_cell(cell_);
  if (found == nullptr || !timers_in(found).contains(domain, timer)) return;
  bool was_present = false;
  TimerCell& timers = timers_in(table_->write_cell(cell_, was_present));
  timers.remove(domain, timer);
  // The hint stays: it is corrected when its time comes, or when there are too many of its kind.
  if (!timers.is_empty()) return;
  table_->mark_empty(cell_);
  for (const TimerDomain d : {TimerDomain::kEvent, TimerDomain::kProcessing}) note_stale_hint(d);
}

bool TimerService::take_due(TimerDomain domain, int64_t up_to, Timer& timer) {
  TimerHeap& hints = heap(domain);
  while (!hints.empty() && hints.next_time() <= up_to) {
    const TimerHint top = hints.top();
    bool is_present = false;
    const char* found = table_->peek_cell(top.row, cell_, is_present);
    if (found == nullptr || timers_in(found).hint(domain) != top.time) {
      hints.pop();
      continue;
    }
    if (!table_->set_current_row(top.row)) {
      hints.pop();
      continue;
    }
    bool was_present = false;
    TimerCell& timers = timers_in(table_->write_cell(cell_, was_present));
    Timer first{};
    const bool due = is_present && timers.first(domain, first) && first.time <= top.time;
    if (due) {
      timers.remove(domain, first);
      timer = first;
    }
    Timer next{};
    if (timers.first(domain, next)) {
      timers.set_hint(domain, next.time);
      hints.replace_top({next.time, top.row});
    } else {
      timers.set_hint(domain, TimerCell::kNoTime);
      hints.pop();
    }
    if (timers.is_empty()) table_->mark_empty(cell_);
    if (due) return true;
    table_->clear_current_key();
  }
  return false;
}

void TimerService::push_hint(TimerDomain domain, int64_t time) {
  heap(domain).push({time, table_->current_address()});
}

// Cleaning looks at every hint, so it is done once per as many changes.
void TimerService::note_stale_hint(TimerDomain domain) {
  size_t& stale = stale_[static_cast<size_t>(domain)];
  TimerHeap& hints = heap(domain);
  if (++stale < std::max(kStaleMin, hints.size() / 2)) return;
  hints.retain([&](const TimerHint& hint) {
    bool is_present = false;
    const char* cell = table_->peek_cell(hint.row, cell_, is_present);
    return cell != nullptr && timers_in(cell).hint(domain) == hint.time;
  });
  stale = 0;
}

void TimerService::rebuild() {
  for (TimerHeap& hints : heaps_) hints.clear();
  table_->for_each_row([&](RowAddress row) {
    if (table_->read_cell(cell_) == nullptr) return;
    bool was_present = false;
    TimerCell& timers = timers_in(table_->write_cell(cell_, was_present));
    for (const TimerDomain domain : {TimerDomain::kEvent, TimerDomain::kProcessing}) {
      Timer first{};
      const bool any = timers.first(domain, first);
      timers.set_hint(domain, any ? first.time : TimerCell::kNoTime);
      if (any) heap(domain).push({first.time, row});
    }
  });
  for (size_t& stale : stale_) stale = 0;
}

}  // namespace sluice
