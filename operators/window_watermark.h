// The watermark by which a window operator judges lateness, also across a restart.
//
// After a restore no watermark is known until the sources send one again, but the windows that had
// fired before the snapshot are gone: without care an element that was late before the failure
// would open its window anew. So the watermark is part of the snapshot, per key group (they may
// come from subtasks that were not equally far), and holds as a floor until the stream has caught
// up. Results after a recovery are those of a run without failure. One task; frozen as plain bytes.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "core/operator.h"

namespace sluice {

class WindowWatermark {
 public:
  /// Takes over what the snapshot knows, if there is one.
  Status open(const OperatorContext& context);

  EventTime current() const { return current_; }
  void advance(EventTime watermark) { current_ = std::max(current_, watermark); }
  /// Everything up to current() has fired: floors below it have no meaning any more.
  void settle() {
    if (current_ >= floor_max_) floors_.clear();
  }
  /// Whether some keys are further than current().
  bool has_floors() const { return !floors_.empty(); }
  /// The largest floor; kMinTime without.
  EventTime floor_max() const { return floors_.empty() ? kMinTime : floor_max_; }
  /// The smallest watermark that holds for any key.
  EventTime lowest() const {
    if (floors_.empty()) return current_;
    return std::max(current_, *std::min_element(floors_.begin(), floors_.end()));
  }
  /// The watermark that holds for a key.
  EventTime of(uint64_t key_hash) const { return std::max(current_, floor_of(key_hash)); }
  /// What fired for a key before the snapshot; kMinTime when the stream has caught up.
  EventTime floor_of(uint64_t key_hash) const {
    if (floors_.empty()) return kMinTime;
    const int group = key_group_of(key_hash, max_parallelism_) - groups_.first;
    return floors_[static_cast<size_t>(group)];
  }

  /// The present state as an item of operator state; what fired counts up to `fired_to` only.
  std::string freeze(EventTime fired_to = kMaxTime) const;
  static Status write(SnapshotWriter& writer, const std::string& frozen) {
    return writer.add_item(kItemName, Redistribution::kUnion, frozen);
  }

 private:
  static constexpr const char* kItemName = "window-watermark";
  Status take_item(const std::string& item);

  EventTime current_ = kMinTime;
  int max_parallelism_ = kDefaultMaxParallelism;
  KeyGroupRange groups_;
  std::vector<EventTime> floors_;  // Per key group of groups_; empty once caught up.
  EventTime floor_max_ = kMinTime;
};

/// The watermark of an operator on its way into a snapshot.
class FrozenWatermark final : public FrozenState {
 public:
  explicit FrozenWatermark(std::string frozen) : frozen_(std::move(frozen)) {}
  Status write(SnapshotWriter& writer, bool /*incremental*/) override {
    return WindowWatermark::write(writer, frozen_);
  }

 private:
  std::string frozen_;
};

}  // namespace sluice
