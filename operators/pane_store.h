// The open panes of one operator, sorted by time.
//
// find() is O(1) for panes used lately (a small cache by pane number, so that disorder over many
// panes stays cheap), otherwise a binary search. Panes leave from the front mostly. Pane addresses
// are stable. One task.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/check.h"

namespace sluice {

template <class Table>
struct Pane {
  int64_t start = 0;
  /// End of the first window that holds the pane.
  int64_t first_window_end = 0;
  /// The watermark at which no window needs the pane any more.
  int64_t drop_at = 0;
  Table table;
};

template <class Table>
class PaneStore {
 public:
  explicit PaneStore(int64_t pane_size) : pane_size_(pane_size) {}

  size_t size() const { return panes_.size() - head_; }
  bool is_empty() const { return panes_.size() == head_; }
  Pane<Table>& at(size_t i) { return *panes_[head_ + i].pane; }
  const Pane<Table>& at(size_t i) const { return *panes_[head_ + i].pane; }
  Pane<Table>& back() { return *panes_.back().pane; }

  /// Index of the first pane that starts at or after `start`.
  size_t lower_bound(int64_t start) const {
    const auto first = panes_.begin() + static_cast<std::ptrdiff_t>(head_);
    const auto found =
        std::lower_bound(first, panes_.end(), start,
                         [](const Place& p, int64_t wanted) { return p.start < wanted; });
    return static_cast<size_t>(found - first);
  }
  Pane<Table>* find(int64_t start) {
    Pane<Table>*& cached = cache_[cache_slot(start)];
    if (cached != nullptr && cached->start == start) return cached;
    const size_t i = lower_bound(start);
    if (i == size() || at(i).start != start) return nullptr;
    cached = &at(i);
    return cached;
  }
  /// There must be no pane at `start`.
  Pane<Table>& add(int64_t start) {
    std::unique_ptr<Pane<Table>> pane;
    if (spare_.empty()) {
      pane = std::make_unique<Pane<Table>>();
    } else {
      pane = std::move(spare_.back());
      spare_.pop_back();
    }
    pane->start = start;
    const auto position = static_cast<std::ptrdiff_t>(head_ + lower_bound(start));
    Pane<Table>& added = *pane;
    panes_.insert(panes_.begin() + position, Place{start, std::move(pane)});
    return added;
  }
  void drop_front() {
    Place& front = panes_[head_];
    Pane<Table>*& cached = cache_[cache_slot(front.start)];
    if (cached == front.pane.get()) cached = nullptr;
    front.pane->table.clear();
    if (spare_.size() < kSparePanesMax) spare_.push_back(std::move(front.pane));
    front.pane = nullptr;
    ++head_;
    if (head_ == panes_.size() || (head_ >= 64 && head_ * 2 >= panes_.size())) {
      panes_.erase(panes_.begin(), panes_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }

 private:
  struct Place {
    int64_t start = 0;
    std::unique_ptr<Pane<Table>> pane;
  };
  static constexpr size_t kCacheSlots = 64;
  static constexpr size_t kSparePanesMax = 4;

  size_t cache_slot(int64_t start) const {
    return static_cast<uint64_t>(start / pane_size_) % kCacheSlots;
  }

  int64_t pane_size_;
  std::vector<Place> panes_;  // Sorted; the first head_ are gone.
  size_t head_ = 0;
  std::array<Pane<Table>*, kCacheSlots> cache_{};
  std::vector<std::unique_ptr<Pane<Table>>> spare_;
};

}  // namespace sluice
