#include "operators/input_gate.h"

#include <algorithm>
#include <utility>

namespace sluice {

InputGate::InputGate(const std::vector<InputChannelSpec>& channels, int input_count)
    : input_count_(input_count),
      open_channels_(static_cast<size_t>(input_count), 0),
      combiner_(input_count),
      aligner_(static_cast<int>(channels.size())) {
  for (const auto& spec : channels) {
    int& open = open_channels_[static_cast<size_t>(spec.input)];
    channels_.push_back({spec.input, open, {}, false});
    ++open;
  }
  for (const int count : open_channels_) mergers_.emplace_back(count);
}

EventTime InputGate::channel_watermark(int index) const {
  const Channel& channel = channels_[static_cast<size_t>(index)];
  return mergers_[static_cast<size_t>(channel.input)].channel_watermark(channel.index_in_input);
}

void InputGate::look(std::vector<InputChannelLook>& looks) const {
  looks.resize(channels_.size());
  for (size_t i = 0; i < channels_.size(); ++i) {
    const Channel& channel = channels_[i];
    const WatermarkMerger& merger = mergers_[static_cast<size_t>(channel.input)];
    InputChannelLook& look = looks[i];
    look.input = channel.input;
    look.queued = static_cast<int64_t>(channel.queue.size());
    look.watermark = merger.channel_watermark(channel.index_in_input).ms;
    look.blocked = aligner_.is_blocked(static_cast<int>(i));
    if (channel.ended) {
      look.state = TimeState::kFinished;
    } else if (merger.is_channel_idle(channel.index_in_input)) {
      look.state = TimeState::kIdle;
    } else if (!merger.is_channel_aligned(channel.index_in_input)) {
      look.state = TimeState::kUnaligned;
    } else {
      look.state = look.watermark == kMinTime.ms ? TimeState::kNoData : TimeState::kActive;
    }
  }
}

void InputGate::receive(int index, StreamElement element) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  SLUICE_CHECK_MSG(!channel.ended, "an element came after the end of its channel");
  channel.queue.push_back(std::move(element));
  const Arrival arrival{next_arrival_++, index};
  if (aligner_.is_blocked(index)) {
    held_.push_back(arrival);
  } else {
    arrivals_.push_back(arrival);
  }
  ++queued_;
}

int InputGate::pick_channel(int wanted_input) {
  for (size_t i = 0; i < arrivals_.size();) {
    const Arrival arrival = arrivals_[i];
    if (aligner_.is_blocked(arrival.channel)) {
      held_.push_back(arrival);
      arrivals_.erase(arrivals_.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    if (wanted_input < 0 || channels_[static_cast<size_t>(arrival.channel)].input == wanted_input) {
      arrivals_.erase(arrivals_.begin() + static_cast<std::ptrdiff_t>(i));
      return arrival.channel;
    }
    ++i;
  }
  return -1;
}

GateEvent InputGate::next(int wanted_input) {
  for (;;) {
    GateEvent event;
    if (pop_pending(event)) return event;
    const int index = pick_channel(wanted_input);
    if (index < 0) return event;
    Channel& channel = channels_[static_cast<size_t>(index)];
    StreamElement element = std::move(channel.queue.front());
    channel.queue.pop_front();
    --queued_;
    switch (element.kind) {
      case ElementKind::kBatch:
        return take_batch(index, std::move(element));
      case ElementKind::kIdle:
        event = take_status(index, true);
        break;
      case ElementKind::kActive:
        event = take_status(index, false);
        break;
      case ElementKind::kBarrier:
        apply(aligner_.on_barrier(index, element.barrier));
        break;
      case ElementKind::kCancelBarrier:
        apply(aligner_.on_cancel(element.barrier.checkpoint));
        break;
      case ElementKind::kLatencyMarker:
        event.kind = GateEvent::Kind::kLatencyMarker;
        event.marker_ns = element.marker_ns;
        break;
      case ElementKind::kEndOfData:
        event = take_end(index);
        break;
    }
    if (event.kind != GateEvent::Kind::kNone) return event;
  }
}

bool InputGate::pop_pending(GateEvent& event) {
  if (pending_.empty()) return false;
  event = std::move(pending_.front());
  pending_.pop_front();
  return true;
}

GateEvent InputGate::take_batch(int index, StreamElement element) {
  const Channel& channel = channels_[static_cast<size_t>(index)];
  WatermarkMerger& merger = mergers_[static_cast<size_t>(channel.input)];
  // Channel watermarks become the operator's: those that do not raise it disappear.
  Marks& marks = element.data.marks;
  size_t kept = 0;
  for (const Mark& mark : marks) {
    const auto of_input = merger.on_watermark(channel.index_in_input, mark.watermark);
    if (!of_input) continue;
    const auto of_operator = combiner_.on_watermark(channel.input, *of_input);
    if (of_operator) marks[kept++] = {mark.row, *of_operator};
  }
  marks.resize(kept);
  GateEvent event;
  event.kind = GateEvent::Kind::kBatch;
  event.channel = index;
  event.input = channel.input;
  event.data = std::move(element.data);
  return event;
}

GateEvent InputGate::take_status(int index, bool idle) {
  const Channel& channel = channels_[static_cast<size_t>(index)];
  WatermarkMerger& merger = mergers_[static_cast<size_t>(channel.input)];
  const auto of_input =
      idle ? merger.on_idle(channel.index_in_input) : merger.on_active(channel.index_in_input);
  std::optional<EventTime> raised;
  if (of_input.watermark) raised = combiner_.on_watermark(channel.input, *of_input.watermark);
  std::optional<bool> status;
  if (of_input.idle) {
    const auto of_operator = combiner_.on_status(channel.input, *of_input.idle);
    if (of_operator.watermark) raised = of_operator.watermark;
    status = of_operator.idle;
  }
  if (raised) {
    GateEvent event;
    event.kind = GateEvent::Kind::kBatch;
    event.input = channel.input;
    event.data.marks.push_back({0, *raised});
    pending_.push_back(std::move(event));
  }
  if (status) {
    GateEvent event;
    event.kind = GateEvent::Kind::kStatus;
    event.idle = *status;
    pending_.push_back(std::move(event));
  }
  GateEvent first;
  pop_pending(first);
  return first;
}

GateEvent InputGate::take_end(int index) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  channel.ended = true;
  apply(aligner_.on_end_of_data(index));
  // A channel that ended without the MAX watermark (stop without drain) no longer holds others
  // back.
  GateEvent event = take_status(index, true);
  if (--open_channels_[static_cast<size_t>(channel.input)] == 0) {
    ++ended_inputs_;
    GateEvent end;
    end.kind = GateEvent::Kind::kEndOfInput;
    end.input = channel.input;
    pending_.push_back(std::move(end));
  }
  if (event.kind == GateEvent::Kind::kNone) pop_pending(event);
  return event;
}

void InputGate::apply(const BarrierAligner::Decision& decision) {
  if (decision.aborted) {
    GateEvent event;
    event.kind = GateEvent::Kind::kAbortBarrier;
    event.barrier.checkpoint = *decision.aborted;
    pending_.push_back(std::move(event));
  }
  if (decision.complete) {
    GateEvent event;
    event.kind = GateEvent::Kind::kBarrier;
    event.barrier = *decision.complete;
    pending_.push_back(std::move(event));
  }
  if (decision.unblock) release_blocked();
}

void InputGate::release_blocked() {
  if (held_.empty()) return;
  arrivals_.insert(arrivals_.end(), held_.begin(), held_.end());
  held_.clear();
  std::sort(arrivals_.begin(), arrivals_.end(),
            [](const Arrival& a, const Arrival& b) { return a.number < b.number; });
}

}  // namespace sluice
