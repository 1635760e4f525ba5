// When an unaligned barrier may overtake the data in front of it, and what has to be recorded then
// (semantics rules 22, 23 and 25).
//
//   idle ── first barrier arrives ──► waiting ── overtake() ──► recording ── last barrier ──► idle
//             (its time-out may still run)  └── all delivered in order: resolved() ──► idle
//
// Driven at the arrival of elements, before they are queued. Channels between fixed partners and
// broadcast channels stay in order: overtaking waits until their barriers were processed. While it
// is recording, what arrives on a channel ahead of its barrier belongs to the snapshot as well as
// to the stream. Pure; one task.
//
// Invariants: one checkpoint at a time; a newer barrier, a cancel marker or a barrier that must be
// aligned ends the pending one; a channel is recorded only until its barrier or its end.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "core/element.h"
#include "operators/in_flight.h"

namespace sluice {

class ChannelRecorder {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  /// By channel: whether barriers may overtake data on it.
  explicit ChannelRecorder(std::vector<bool> may_overtake);

  /// Before the element is queued. A batch that belongs to the snapshot is referenced.
  void on_arrival(int channel, const StreamElement& element);
  /// The barrier was processed on `channel` in stream order, or the channel has ended there.
  void on_delivered(int channel, CheckpointId checkpoint);
  void on_ended(int channel) { channels_[static_cast<size_t>(channel)].ended_in_order = true; }
  /// Alignment settled this checkpoint and all before it: completed or cancelled.
  void resolved(CheckpointId checkpoint);

  /// The barrier that is to overtake now.
  std::optional<Barrier> due(int64_t now_ms) const;
  /// From when on due() may answer; kNever when it waits for something else.
  int64_t due_ms() const;
  /// Begins recording. Whether `channel` still has its barrier to come or in its queue is known by
  /// must_record().
  void overtake();
  /// Before overtake(): what is queued on `channel` ahead of the barrier is overtaken.
  bool must_record(int channel) const;

  bool is_recording() const { return phase_ == Phase::kRecording; }
  /// The checkpoint that is waiting or being recorded.
  const Barrier& barrier() const { return pending_; }
  /// All barriers are there.
  bool is_complete() const;
  /// What arrived since overtake(); ends the recording.
  std::vector<InFlight> take();

 private:
  enum class Phase { kIdle, kWaiting, kRecording };
  struct Channel {
    bool may_overtake = false;
    bool arrived = false;         // The barrier is here, maybe behind data.
    bool delivered = false;       // It was processed in order.
    bool ended = false;           // The end of data is here, maybe behind data.
    bool ended_in_order = false;  // It was processed.
  };
  void on_barrier(int channel, const Barrier& barrier);
  void clear();

  std::vector<Channel> channels_;
  Phase phase_ = Phase::kIdle;
  Barrier pending_;
  CheckpointId last_{0};  // Barriers up to this one are settled.
  std::vector<InFlight> recorded_;
};

}  // namespace sluice
