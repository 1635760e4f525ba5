// Arithmetic of panes: the pieces of gcd(size, slide) that aligned windows share.
//
//   size 10, slide 4:   windows   [0 ........ 10)
//                                     [4 ........ 14)
//                       panes     |0 |2 |4 |6 |8 |10 |12 |
//
// Pure functions of the window's shape; all times in ms.
#pragma once

#include <numeric>

#include "operators/window.h"

namespace sluice {

class PaneGrid {
 public:
  /// size and slide > 0.
  PaneGrid(Duration size, Duration slide, Duration offset)
      : size_(size.count()),
        slide_(slide.count()),
        offset_(offset.count()),
        pane_(std::gcd(size_, slide_)) {}

  int64_t size() const { return size_; }
  int64_t slide() const { return slide_; }
  int64_t pane_size() const { return pane_; }
  /// Windows are single panes.
  bool is_tumbling() const { return size_ == pane_; }

  int64_t pane_start(int64_t time) const { return floor_to_step(time, pane_, offset_); }
  /// Start of the last window that may hold the pane (or, with gaps, lies before it).
  int64_t last_window_start(int64_t pane_start) const {
    return floor_to_step(pane_start, slide_, offset_);
  }
  /// Start of the first window that holds the pane, or the first one after it when it lies in a
  /// gap.
  int64_t first_window_start(int64_t pane_start) const {
    int64_t before = 0;
    if (__builtin_sub_overflow(pane_start, size_, &before)) return last_window_start(pane_start);
    return floor_to_step(before, slide_, offset_) + slide_;
  }
  /// False for the gaps between windows when slide > size (semantics rule 3).
  bool is_covered(int64_t pane_start) const {
    return window_end(last_window_start(pane_start)) > pane_start;
  }
  int64_t window_end(int64_t start) const { return saturating_add({start}, Duration(size_)).ms; }
  int64_t pane_end(int64_t start) const { return saturating_add({start}, Duration(pane_)).ms; }
  int64_t next_window(int64_t start) const { return saturating_add({start}, Duration(slide_)).ms; }

 private:
  int64_t size_;
  int64_t slide_;
  int64_t offset_;
  int64_t pane_;
};

}  // namespace sluice
