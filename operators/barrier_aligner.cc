#include "operators/barrier_aligner.h"

#include <algorithm>

namespace sluice {

bool BarrierAligner::all_delivered() const {
  return std::all_of(channels_.begin(), channels_.end(),
                     [](const Channel& c) { return c.delivered || c.ended; });
}

void BarrierAligner::see(CheckpointId checkpoint) {
  last_seen_ = std::max(last_seen_, checkpoint);
  discarded_.erase(discarded_.begin(), discarded_.upper_bound(last_seen_));
}

void BarrierAligner::clear_pending() {
  if (pending_) see(pending_->checkpoint);
  pending_.reset();
  for (Channel& channel : channels_) {
    channel.delivered = false;
    channel.blocked = false;
  }
}

BarrierAligner::Decision BarrierAligner::on_barrier(int index, const Barrier& barrier) {
  Decision decision;
  if (barrier.checkpoint <= last_seen_) return decision;  // Late: cancelled or completed.
  if (discarded_.count(barrier.checkpoint) > 0) return decision;
  if (barrier.kind == CheckpointKind::kAtLeastOnce) return count(index, barrier);
  if (pending_ && barrier.checkpoint < pending_->checkpoint) return decision;
  if (pending_ && barrier.checkpoint > pending_->checkpoint) {
    decision.aborted = pending_->checkpoint;
    decision.unblock = true;
    clear_pending();
  }
  if (!pending_) pending_ = barrier;
  Channel& channel = channels_[static_cast<size_t>(index)];
  channel.delivered = true;
  channel.blocked = true;
  if (all_delivered()) {
    decision.complete = pending_;
    decision.unblock = true;
    clear_pending();
  }
  return decision;
}

BarrierAligner::Decision BarrierAligner::count(int index, const Barrier& barrier) {
  auto at = std::find_if(counted_.begin(), counted_.end(), [&](const Counted& counted) {
    return counted.barrier.checkpoint >= barrier.checkpoint;
  });
  if (at == counted_.end() || at->barrier.checkpoint != barrier.checkpoint) {
    at = counted_.insert(at, {barrier, std::vector<bool>(channels_.size(), false)});
  }
  at->delivered[static_cast<size_t>(index)] = true;
  Decision decision;
  decision.complete = take_counted();
  if (counted_.size() > kCountedMax) {
    decision.aborted = counted_.front().barrier.checkpoint;
    counted_.erase(counted_.begin());
  }
  return decision;
}

std::optional<Barrier> BarrierAligner::take_counted() {
  for (size_t i = counted_.size(); i-- > 0;) {
    bool complete = true;
    for (size_t channel = 0; channel < channels_.size(); ++channel) {
      complete = complete && (counted_[i].delivered[channel] || channels_[channel].ended);
    }
    if (!complete) continue;
    const Barrier barrier = counted_[i].barrier;
    see(barrier.checkpoint);
    counted_.erase(counted_.begin(), counted_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return barrier;
  }
  return std::nullopt;
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
  see(checkpoint);
  std::erase_if(counted_,
                [&](const Counted& counted) { return counted.barrier.checkpoint <= checkpoint; });
  // The cancelled checkpoint itself is reported once, by whichever channel says so first.
  decision.aborted = checkpoint;
  return decision;
}

bool BarrierAligner::discard(CheckpointId checkpoint) {
  std::erase_if(counted_,
                [&](const Counted& counted) { return counted.barrier.checkpoint == checkpoint; });
  // Without it a late barrier would hold its channel back for others that never come.
  if (checkpoint > last_seen_) discarded_.insert(checkpoint);
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
  if (!decision.complete) decision.complete = take_counted();
  return decision;
}

}  // namespace sluice
