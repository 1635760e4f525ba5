#include "operators/barrier_aligner.h"

#include <algorithm>

namespace sluice {

bool BarrierAligner::all_delivered() const {
  return std::all_of(channels_.begin(), channels_.end(),
                     [](const Channel& c) { return c.delivered || c.ended; });
}

void BarrierAligner::clear_pending() {
  if (pending_) last_seen_ = std::max(last_seen_, pending_->checkpoint);
  pending_.reset();
  for (Channel& channel : channels_) {
    channel.delivered = false;
    channel.blocked = false;
  }
}

BarrierAligner::Decision BarrierAligner::on_barrier(int index, const Barrier& barrier) {
  Decision decision;
  if (barrier.checkpoint <= last_seen_) return decision;  // Late: cancelled or completed.
  if (pending_ && barrier.checkpoint < pending_->checkpoint) return decision;
  if (pending_ && barrier.checkpoint > pending_->checkpoint) {
    decision.aborted = pending_->checkpoint;
    decision.unblock = true;
    clear_pending();
  }
  if (!pending_) pending_ = barrier;
  Channel& channel = channels_[static_cast<size_t>(index)];
  channel.delivered = true;
  channel.blocked = barrier.kind != CheckpointKind::kAtLeastOnce;
  if (all_delivered()) {
    decision.complete = pending_;
    decision.unblock = true;
    clear_pending();
  }
  return decision;
}

BarrierAligner::Decision BarrierAligner::on_cancel(CheckpointId checkpoint) {
  Decision decision;
  if (checkpoint <= last_seen_) return decision;
  if (pending_ && pending_->checkpoint > checkpoint) return decision;
  if (pending_) {
    decision.unblock = true;
    if (pending_->checkpoint < checkpoint) decision.aborted = pending_->checkpoint;
  }
  clear_pending();
  last_seen_ = std::max(last_seen_, checkpoint);
  // The cancelled checkpoint itself is reported once, by whichever channel says so first.
  decision.aborted = checkpoint;
  return decision;
}

bool BarrierAligner::discard(CheckpointId checkpoint) {
  // Barriers of it that are still to come are aligned in vain: others may be under way before it.
  if (!pending_ || pending_->checkpoint != checkpoint) return false;
  clear_pending();
  return true;
}

BarrierAligner::Decision BarrierAligner::on_end_of_data(int index) {
  Decision decision;
  channels_[static_cast<size_t>(index)].ended = true;
  if (pending_ && all_delivered()) {
    decision.complete = pending_;
    decision.unblock = true;
    clear_pending();
  }
  return decision;
}

}  // namespace sluice
