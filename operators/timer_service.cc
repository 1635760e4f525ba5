#include "operators/timer_service.h"

#include <algorithm>

#include "operators/operator_failure.h"

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
    push_hint(domain, {timer.time, table_->current_address()});
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

void TimerService::push_hint(TimerDomain domain, const TimerHint& hint) {
  drop_stale_hints_if_many(domain);
  heap(domain).push(hint);
}

// Cleaning looks at every hint, so it is done once per as many changes.
void TimerService::note_stale_hint(TimerDomain domain) {
  ++stale_[static_cast<size_t>(domain)];
  drop_stale_hints_if_many(domain);
}

void TimerService::drop_stale_hints_if_many(TimerDomain domain) {
  size_t& stale = stale_[static_cast<size_t>(domain)];
  TimerHeap& hints = heap(domain);
  if (stale < std::max(kStaleMin, hints.size() / 2)) return;
  hints.retain([&](const TimerHint& hint) {
    bool is_present = false;
    const char* cell = table_->peek_cell(hint.row, cell_, is_present);
    return cell != nullptr && timers_in(cell).hint(domain) == hint.time;
  });
  stale = 0;
}

void TimerService::rebuild() {
  for (TimerHeap& hints : heaps_) hints.clear();
  table_->for_each_row_in_memory([&](RowAddress row) { row_loaded(row); });
  for (size_t& stale : stale_) stale = 0;
}

// ---- rows in the cold store ---------------------------------------------------------------------

namespace {

constexpr size_t kTimeBytes = 8;
constexpr size_t kRowsPerLoad = 1024;

/// Domain and time so that bytes sort as times do.
std::string stored_key(TimerDomain domain, int64_t time) {
  std::string key(1, static_cast<char>(domain));
  const uint64_t ordered = static_cast<uint64_t>(time) ^ (uint64_t{1} << 63);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(ordered >> shift));
  return key;
}

int64_t time_of(std::string_view key) {
  uint64_t ordered = 0;
  for (size_t i = 1; i <= kTimeBytes; ++i) ordered = ordered << 8 | static_cast<uint8_t>(key[i]);
  return static_cast<int64_t>(ordered ^ (uint64_t{1} << 63));
}

}  // namespace

void TimerService::row_loaded(RowAddress address) {
  char* cell = table_->cell_in_place(address, cell_);
  if (cell == nullptr) return;
  TimerCell& timers = timers_in(cell);
  for (const TimerDomain domain : {TimerDomain::kEvent, TimerDomain::kProcessing}) {
    Timer first{};
    const bool any = timers.first(domain, first);
    timers.set_hint(domain, any ? first.time : TimerCell::kNoTime);
    if (any) push_hint(domain, {first.time, address});
  }
}

void TimerService::row_leaves(const char* row, std::string_view row_key, ColdWriteBuffer& writes) {
  if ((load_header(row) & cell_.bit) == 0) return;
  const TimerCell& timers = timers_in(row + cell_.offset);
  for (const TimerDomain domain : {TimerDomain::kEvent, TimerDomain::kProcessing}) {
    Timer first{};
    if (!timers.first(domain, first)) continue;
    std::string key = stored_key(domain, first.time);
    key += row_key;
    writes.add(ColdFamily::kTimers, key, {});
    Stored& stored = stored_[static_cast<size_t>(domain)];
    stored.any = true;
    stored.next_time = std::min(stored.next_time, first.time);
    stored.first_key = std::min(stored.first_key, key);
    // Its hint stays; rows are on the move here, so cleaning waits for the next push.
    ++stale_[static_cast<size_t>(domain)];
  }
}

void TimerService::load_due(TimerDomain domain, int64_t up_to) {
  throw_if_error(table_->settle());
  Stored& stored = stored_[static_cast<size_t>(domain)];
  const std::string end(1, static_cast<char>(static_cast<uint8_t>(domain) + 1));
  const std::string begin = std::max(stored.first_key, stored_key(domain, INT64_MIN));
  ColdStore& store = *table_->cold_store();
  const auto scan = store.scan(ColdFamily::kTimers, begin, end, nullptr);
  std::vector<std::string> row_keys;
  ColdWriteBuffer removals;
  int64_t next_time = TimerHeap::kNoTime;
  bool more = false;
  while (scan->next()) {
    const std::string_view key = scan->key();
    if (time_of(key) > up_to || row_keys.size() == kRowsPerLoad) {
      more = true;
      next_time = time_of(key);
      break;
    }
    row_keys.emplace_back(key.substr(1 + kTimeBytes));
    removals.add(ColdFamily::kTimers, key, {}, true);
    stored.first_key = key;
  }
  throw_if_error(scan->status());
  stored.any = more;
  stored.next_time = next_time;
  // A row that comes into memory brings its hints along; one that is there has them.
  throw_if_error(table_->load_rows(row_keys, nullptr));
  throw_if_error(store.write(removals.sorted_writes()));
}

}  // namespace sluice
