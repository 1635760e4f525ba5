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
  if (timer.time < timers.hint(domain) || timers.hint(domain) == TimerCell::kNoTime) {
    timers.set_hint(domain, timer.time);
    push_hint(domain, timer.time);
  }
}

void TimerService::remove(TimerDomain domain, const Timer& timer) {
  const char* found = table_->read_cell(cell_);
  if (found == nullptr || !timers_in(found).contains(domain, timer)) return;
  bool was_present = false;
  TimerCell& timers = timers_in(table_->write_cell(cell_, was_present));
  timers.remove(domain, timer);
  // The hint stays: it is corrected when its time comes.
  if (timers.is_empty()) table_->mark_empty(cell_);
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
  const auto d = static_cast<size_t>(domain);
  if (heaps_[d].size() >= clean_at_[d]) {
    drop_stale_hints(domain);
    clean_at_[d] = std::max(kHintsMin, heaps_[d].size() * 2);
  }
  heaps_[d].push({time, table_->current_address()});
}

void TimerService::drop_stale_hints(TimerDomain domain) {
  heap(domain).retain([&](const TimerHint& hint) {
    bool is_present = false;
    const char* cell = table_->peek_cell(hint.row, cell_, is_present);
    return cell != nullptr && timers_in(cell).hint(domain) == hint.time;
  });
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
  for (const size_t d : {0, 1}) clean_at_[d] = std::max(kHintsMin, heaps_[d].size() * 2);
}

}  // namespace sluice
