// The watermark and the status of one input from those of its channels (semantics rules 12–14).
//
// Pure: no clock, no actors. Invariants: the output watermark only rises; it is the minimum over
// the channels that are active and aligned; a channel that returns from idleness behind the output
// stays unaligned until it has caught up; when the last active channel goes idle, the largest
// watermark of all channels is put out before the input itself becomes idle.
#pragma once

#include <optional>
#include <vector>

#include "core/time.h"

namespace sluice {

class WatermarkMerger {
 public:
  explicit WatermarkMerger(int channels);

  struct Outcome {
    std::optional<EventTime> watermark;  // Put out first.
    std::optional<bool> idle;            // The new status of the input, when it changed.
  };

  /// Ignored on an idle channel and when it does not rise.
  std::optional<EventTime> on_watermark(int channel, EventTime watermark);
  Outcome on_idle(int channel);
  Outcome on_active(int channel);

  /// Goes on from known watermarks; all channels are active, as after a start.
  void restore(const std::vector<EventTime>& channels, EventTime output);

  EventTime watermark() const { return output_; }
  bool is_idle() const { return idle_; }
  EventTime channel_watermark(int channel) const {
    return channels_[static_cast<size_t>(channel)].watermark;
  }
  bool is_channel_idle(int channel) const { return channels_[static_cast<size_t>(channel)].idle; }
  /// False from idleness until it has caught up.
  bool is_channel_aligned(int channel) const {
    return channels_[static_cast<size_t>(channel)].aligned;
  }

 private:
  struct Channel {
    EventTime watermark = kMinTime;
    bool idle = false;
    bool aligned = true;
  };
  std::optional<EventTime> raise_to(EventTime candidate);
  std::optional<EventTime> minimum_of_aligned() const;

  std::vector<Channel> channels_;
  EventTime output_ = kMinTime;
  bool idle_ = false;
};

/// The watermark of an operator with several inputs: the minimum over the inputs that are not idle,
/// never falling (rule 17).
class InputCombiner {
 public:
  explicit InputCombiner(int inputs) : inputs_(static_cast<size_t>(inputs)) {}

  std::optional<EventTime> on_watermark(int input, EventTime watermark);
  WatermarkMerger::Outcome on_status(int input, bool idle);
  void restore(const std::vector<EventTime>& inputs, EventTime output);
  EventTime watermark() const { return output_; }
  bool is_idle() const { return idle_; }

 private:
  struct Input {
    EventTime watermark = kMinTime;
    bool idle = false;
  };
  std::optional<EventTime> recompute();

  std::vector<Input> inputs_;
  EventTime output_ = kMinTime;
  bool idle_ = false;
};

}  // namespace sluice
