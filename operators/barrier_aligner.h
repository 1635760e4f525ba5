// When a checkpoint barrier has arrived on every channel (semantics rule 22).
//
// Pure state machine, driven by the input gate in processing order. Exactly once: a channel that
// delivered the barrier of the pending checkpoint is blocked until all have. At least once:
// barriers are counted but nothing is blocked, so those of several checkpoints can be under way. A
// newer barrier, a cancel marker or the end of a channel resolves a pending alignment. Invariant: a
// blocked channel has delivered a barrier newer than the last one completed.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "core/element.h"

namespace sluice {

class BarrierAligner {
 public:
  explicit BarrierAligner(int channels) : channels_(static_cast<size_t>(channels)) {}

  struct Decision {
    /// The checkpoint to take now.
    std::optional<Barrier> complete;
    /// A pending checkpoint that will never be complete here: tell downstream and the coordinator.
    std::optional<CheckpointId> aborted;
    /// All blocked channels are free again.
    bool unblock = false;
  };

  Decision on_barrier(int channel, const Barrier& barrier);
  Decision on_cancel(CheckpointId checkpoint);
  Decision on_end_of_data(int channel);
  /// The coordinator gave this checkpoint up, and tells every task: barriers of it that are still
  /// to come mean nothing. True: blocked channels are free again.
  bool discard(CheckpointId checkpoint);

  bool is_blocked(int channel) const { return channels_[static_cast<size_t>(channel)].blocked; }
  bool is_pending() const { return pending_.has_value(); }
  const std::optional<Barrier>& pending() const { return pending_; }
  bool has_delivered(int channel) const {
    return channels_[static_cast<size_t>(channel)].delivered;
  }

 private:
  struct Channel {
    bool delivered = false;
    bool blocked = false;
    bool ended = false;
  };
  /// Barriers at least once: which channels have delivered one.
  struct Counted {
    Barrier barrier;
    std::vector<bool> delivered;
  };
  /// Checkpoints that are counted at a time; the oldest goes when there are more.
  static constexpr size_t kCountedMax = 50;

  void see(CheckpointId checkpoint);
  bool all_delivered() const;
  void clear_pending();
  Decision count(int channel, const Barrier& barrier);
  /// The newest checkpoint whose barriers are all there; older ones go with it.
  std::optional<Barrier> take_counted();

  std::vector<Channel> channels_;
  std::optional<Barrier> pending_;
  std::vector<Counted> counted_;  // By rising id.
  // Given up, and newer than last_seen_: others before them may still be under way.
  std::set<CheckpointId> discarded_;
  // Barriers up to this one are late: completed, aborted or cancelled.
  CheckpointId last_seen_{0};
};

}  // namespace sluice
