#include "operators/watermark_merger.h"

#include <algorithm>

namespace sluice {

WatermarkMerger::WatermarkMerger(int channels) : channels_(static_cast<size_t>(channels)) {}

std::optional<EventTime> WatermarkMerger::raise_to(EventTime candidate) {
  if (candidate <= output_) return std::nullopt;
  output_ = candidate;
  return output_;
}

std::optional<EventTime> WatermarkMerger::minimum_of_aligned() const {
  std::optional<EventTime> minimum;
  for (const Channel& channel : channels_) {
    if (channel.idle || !channel.aligned) continue;
    if (!minimum || channel.watermark < *minimum) minimum = channel.watermark;
  }
  return minimum;
}

std::optional<EventTime> WatermarkMerger::on_watermark(int index, EventTime watermark) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  if (channel.idle || watermark <= channel.watermark) return std::nullopt;
  const bool held_back = channel.watermark <= output_;
  channel.watermark = watermark;
  if (channels_.size() == 1 && channel.aligned) return raise_to(watermark);
  if (!channel.aligned) {
    if (watermark < output_) return std::nullopt;
    channel.aligned = true;
  } else if (!held_back) {
    // Another channel is the lowest: the minimum cannot have moved.
    return std::nullopt;
  }
  const auto minimum = minimum_of_aligned();
  return minimum ? raise_to(*minimum) : std::nullopt;
}

WatermarkMerger::Outcome WatermarkMerger::on_idle(int index) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  Outcome outcome;
  if (channel.idle) return outcome;
  channel.idle = true;
  channel.aligned = false;
  const bool all_idle =
      std::all_of(channels_.begin(), channels_.end(), [](const Channel& c) { return c.idle; });
  if (all_idle) {
    EventTime newest = kMinTime;
    for (const Channel& c : channels_) newest = std::max(newest, c.watermark);
    outcome.watermark = raise_to(newest);
    idle_ = true;
    outcome.idle = true;
  } else if (const auto minimum = minimum_of_aligned()) {
    outcome.watermark = raise_to(*minimum);
  }
  return outcome;
}

WatermarkMerger::Outcome WatermarkMerger::on_active(int index) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  Outcome outcome;
  if (!channel.idle) return outcome;
  channel.idle = false;
  channel.aligned = channel.watermark >= output_;
  if (idle_) {
    idle_ = false;
    outcome.idle = false;
  }
  return outcome;
}

void WatermarkMerger::restore(const std::vector<EventTime>& channels, EventTime output) {
  for (size_t i = 0; i < channels_.size(); ++i) channels_[i].watermark = channels[i];
  output_ = output;
}

void InputCombiner::restore(const std::vector<EventTime>& inputs, EventTime output) {
  for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].watermark = inputs[i];
  output_ = output;
}

std::optional<EventTime> InputCombiner::recompute() {
  EventTime minimum = kMaxTime;
  bool any = false;
  for (const Input& input : inputs_) {
    if (input.idle) continue;
    any = true;
    minimum = std::min(minimum, input.watermark);
  }
  if (!any || minimum <= output_) return std::nullopt;
  output_ = minimum;
  return output_;
}

std::optional<EventTime> InputCombiner::on_watermark(int index, EventTime watermark) {
  Input& input = inputs_[static_cast<size_t>(index)];
  if (watermark <= input.watermark) return std::nullopt;
  input.watermark = watermark;
  if (inputs_.size() == 1 && !input.idle) {
    if (watermark <= output_) return std::nullopt;
    output_ = watermark;
    return output_;
  }
  return recompute();
}

WatermarkMerger::Outcome InputCombiner::on_status(int index, bool idle) {
  WatermarkMerger::Outcome outcome;
  inputs_[static_cast<size_t>(index)].idle = idle;
  const bool all_idle =
      std::all_of(inputs_.begin(), inputs_.end(), [](const Input& i) { return i.idle; });
  if (idle) outcome.watermark = recompute();
  if (all_idle != idle_) {
    idle_ = all_idle;
    outcome.idle = all_idle;
  }
  return outcome;
}

}  // namespace sluice
