#include "operators/channel_recorder.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace sluice {

ChannelRecorder::ChannelRecorder(std::vector<bool> may_overtake) : channels_(may_overtake.size()) {
  for (size_t i = 0; i < channels_.size(); ++i) channels_[i].may_overtake = may_overtake[i];
}

void ChannelRecorder::on_arrival(int index, const StreamElement& element) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  switch (element.kind) {
    case ElementKind::kBatch:
      if (is_recording() && must_record(index)) {
        InFlight item{InFlight::Place::kChannel, index, index, 0, element.data, 0};
        recorded_.push_back(std::move(item));
      }
      return;
    case ElementKind::kBarrier:
      on_barrier(index, element.barrier);
      return;
    case ElementKind::kCancelBarrier:
      resolved(element.barrier.checkpoint);
      return;
    case ElementKind::kEndOfData:
      channel.ended = true;
      return;
    case ElementKind::kIdle:
    case ElementKind::kActive:
    case ElementKind::kLatencyMarker:
      // Status and latency are told anew after a restore.
      return;
  }
}

void ChannelRecorder::on_barrier(int index, const Barrier& barrier) {
  if (barrier.checkpoint <= last_) return;
  if (phase_ != Phase::kIdle && barrier.checkpoint < pending_.checkpoint) return;
  if (phase_ != Phase::kIdle && barrier.checkpoint > pending_.checkpoint) {
    resolved(pending_.checkpoint);
  }
  if (barrier.kind != CheckpointKind::kUnaligned) return;
  if (phase_ == Phase::kIdle) {
    phase_ = Phase::kWaiting;
    pending_ = barrier;
  }
  channels_[static_cast<size_t>(index)].arrived = true;
}

void ChannelRecorder::on_delivered(int index, CheckpointId checkpoint) {
  if (phase_ == Phase::kWaiting && checkpoint == pending_.checkpoint) {
    channels_[static_cast<size_t>(index)].delivered = true;
  }
}

void ChannelRecorder::resolved(CheckpointId checkpoint) {
  last_ = std::max(last_, checkpoint);
  if (phase_ != Phase::kIdle && pending_.checkpoint <= last_) clear();
}

void ChannelRecorder::clear() {
  phase_ = Phase::kIdle;
  recorded_.clear();
  for (Channel& channel : channels_) {
    channel.arrived = false;
    channel.delivered = false;
  }
}

int64_t ChannelRecorder::due_ms() const {
  if (phase_ != Phase::kWaiting) return kNever;
  bool any_overtakes = false;
  for (const Channel& channel : channels_) {
    if (!channel.may_overtake && !channel.delivered && !channel.ended_in_order) return kNever;
    any_overtakes = any_overtakes || channel.may_overtake;
  }
  return any_overtakes ? pending_.unaligned_from_ms : kNever;
}

std::optional<Barrier> ChannelRecorder::due(int64_t now_ms) const {
  if (phase_ != Phase::kWaiting || due_ms() > now_ms) return std::nullopt;
  return pending_;
}

bool ChannelRecorder::must_record(int index) const {
  const Channel& channel = channels_[static_cast<size_t>(index)];
  if (!channel.may_overtake) return false;
  if (phase_ == Phase::kRecording) return !channel.arrived && !channel.ended;
  return !channel.delivered;
}

void ChannelRecorder::overtake() {
  SLUICE_CHECK(phase_ == Phase::kWaiting);
  phase_ = Phase::kRecording;
}

bool ChannelRecorder::is_complete() const {
  return is_recording() && std::all_of(channels_.begin(), channels_.end(), [](const Channel& c) {
           return !c.may_overtake || c.arrived || c.ended;
         });
}

std::vector<InFlight> ChannelRecorder::take() {
  std::vector<InFlight> recorded = std::move(recorded_);
  resolved(pending_.checkpoint);
  return recorded;
}

}  // namespace sluice
