// A 4-ary heap of hints where timers are due: (time, row). Entries may be stale; the row's own
// timers (state/api/timer_cell.h) decide. Ties are ordered by row, so that firing does not depend
// on the order of registration across batches. One task.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "state/api/row_table.h"

namespace sluice {

struct TimerHint {
  int64_t time;
  RowAddress row;
};

class TimerHeap {
 public:
  static constexpr int64_t kNoTime = std::numeric_limits<int64_t>::max();

  bool empty() const { return hints_.empty(); }
  size_t size() const { return hints_.size(); }
  /// The earliest time, kNoTime when empty.
  int64_t next_time() const { return hints_.empty() ? kNoTime : hints_.front().time; }
  const TimerHint& top() const { return hints_.front(); }

  void push(const TimerHint& hint) {
    hints_.push_back(hint);
    sift_up(hints_.size() - 1);
  }
  void pop() {
    hints_.front() = hints_.back();
    hints_.pop_back();
    if (!hints_.empty()) sift_down(0);
  }
  /// Puts `hint` in the place of the top.
  void replace_top(const TimerHint& hint) {
    hints_.front() = hint;
    sift_down(0);
  }
  /// Keeps the hints for which is_live(hint) holds.
  template <class IsLive>
  void retain(IsLive&& is_live) {
    std::erase_if(hints_, [&](const TimerHint& hint) { return !is_live(hint); });
    for (size_t i = hints_.size() / kArity + 1; i-- > 0;) {
      if (i < hints_.size()) sift_down(i);
    }
  }
  void clear() { hints_.clear(); }

 private:
  static constexpr size_t kArity = 4;

  static bool before(const TimerHint& a, const TimerHint& b) {
    if (a.time != b.time) return a.time < b.time;
    if (a.row.group != b.row.group) return a.row.group < b.row.group;
    return a.row.row < b.row.row;
  }
  void sift_up(size_t at) {
    const TimerHint hint = hints_[at];
    while (at > 0) {
      const size_t parent = (at - 1) / kArity;
      if (!before(hint, hints_[parent])) break;
      hints_[at] = hints_[parent];
      at = parent;
    }
    hints_[at] = hint;
  }
  void sift_down(size_t at) {
    const TimerHint hint = hints_[at];
    for (;;) {
      const size_t first = at * kArity + 1;
      if (first >= hints_.size()) break;
      size_t least = first;
      const size_t end = std::min(first + kArity, hints_.size());
      for (size_t child = first + 1; child < end; ++child) {
        if (before(hints_[child], hints_[least])) least = child;
      }
      if (!before(hints_[least], hint)) break;
      hints_[at] = hints_[least];
      at = least;
    }
    hints_[at] = hint;
  }

  std::vector<TimerHint> hints_;
};

}  // namespace sluice
