// The watermark of one source subtask from those of its splits (semantics rule 15).
//
// Pure. Invariants: the output only rises; it is the minimum over the splits that are neither
// finished nor idle. A split that starts later does not pull it back.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "core/time.h"

namespace sluice {

class SplitWatermarks {
 public:
  void add_split() {
    splits_.push_back({});
    dirty_ = true;
  }

  std::optional<EventTime> on_watermark(int split, EventTime watermark) {
    Split& entry = splits_[static_cast<size_t>(split)];
    if (watermark <= entry.watermark) return std::nullopt;
    const bool was_lowest = entry.watermark <= output_;
    entry.watermark = watermark;
    if (live_ == 1 && !dirty_ && !entry.finished && !entry.idle) {
      // The usual case of one split being read: no search for the minimum.
      if (watermark <= output_) return std::nullopt;
      output_ = watermark;
      return output_;
    }
    return was_lowest || dirty_ ? recompute() : std::nullopt;
  }
  std::optional<EventTime> on_finished(int split) {
    splits_[static_cast<size_t>(split)].finished = true;
    return recompute();
  }
  std::optional<EventTime> on_idle(int split, bool idle) {
    splits_[static_cast<size_t>(split)].idle = idle;
    dirty_ = true;
    return idle ? recompute() : std::nullopt;
  }
  /// Goes on from a known output.
  void restore(EventTime output) { output_ = output; }
  EventTime watermark() const { return output_; }
  EventTime split_watermark(int split) const {
    return splits_[static_cast<size_t>(split)].watermark;
  }
  bool is_finished(int split) const { return splits_[static_cast<size_t>(split)].finished; }
  bool is_idle(int split) const { return splits_[static_cast<size_t>(split)].idle; }
  int count() const { return static_cast<int>(splits_.size()); }
  /// Whether any split is neither finished nor idle.
  bool any_live() const {
    return std::any_of(splits_.begin(), splits_.end(),
                       [](const Split& s) { return !s.finished && !s.idle; });
  }

 private:
  struct Split {
    EventTime watermark = kMinTime;
    bool finished = false;
    bool idle = false;
  };
  std::optional<EventTime> recompute() {
    dirty_ = false;
    live_ = 0;
    EventTime minimum = kMaxTime;
    for (const Split& split : splits_) {
      if (split.finished || split.idle) continue;
      ++live_;
      minimum = std::min(minimum, split.watermark);
    }
    if (live_ == 0 || minimum <= output_) return std::nullopt;
    output_ = minimum;
    return output_;
  }

  std::vector<Split> splits_;
  EventTime output_ = kMinTime;
  int live_ = 0;       // As of the last recompute.
  bool dirty_ = true;  // Membership changed since then.
};

}  // namespace sluice
