#include "operators/input_gate.h"

#include <algorithm>
#include <utility>

namespace sluice {

InputGate::InputGate(const TaskSpec& spec)
    : input_count_(spec.input_count),
      open_channels_(static_cast<size_t>(spec.input_count), 0),
      combiner_(spec.input_count),
      aligner_(static_cast<int>(spec.input_channels.size())),
      recorder_(channels_to_overtake(spec)) {
  for (const auto& channel : spec.input_channels) {
    int& open = open_channels_[static_cast<size_t>(channel.input)];
    channels_.push_back({channel.input, open, {}, false, 0});
    ++open;
  }
  for (const int count : open_channels_) mergers_.emplace_back(count);
}

std::vector<bool> InputGate::channels_to_overtake(const TaskSpec& spec) {
  std::vector<bool> may;
  for (const InputChannelSpec& channel : spec.input_channels) {
    may.push_back(channel.edge >= 0 &&
                  may_overtake(spec.input_edges[static_cast<size_t>(channel.edge)]));
  }
  return may;
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
  recorder_.on_arrival(index, element);
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
    const bool restored = channel.restored > 0;
    if (restored) --channel.restored;
    switch (element.kind) {
      case ElementKind::kBatch:
        return take_batch(index, std::move(element), restored);
      case ElementKind::kIdle:
        event = take_status(index, true);
        break;
      case ElementKind::kActive:
        event = take_status(index, false);
        break;
      case ElementKind::kBarrier:
        recorder_.on_delivered(index, element.barrier.checkpoint);
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

GateEvent InputGate::take_batch(int index, StreamElement element, bool restored) {
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
  event.has_credit = !restored;
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
  recorder_.on_ended(index);
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
  if (decision.aborted) recorder_.resolved(*decision.aborted);
  if (decision.complete) {
    recorder_.resolved(decision.complete->checkpoint);
    GateEvent event;
    event.kind = GateEvent::Kind::kBarrier;
    event.barrier = *decision.complete;
    pending_.push_back(std::move(event));
  }
  if (decision.unblock) release_blocked();
}

// ---- unaligned barriers -------------------------------------------------------------------------

void InputGate::overtake(InFlightState& state) {
  const CheckpointId checkpoint = recorder_.barrier().checkpoint;
  for (const GateEvent& event : pending_) {
    // Marks that the operator has not seen; all else in here is told anew after a restore.
    if (event.kind != GateEvent::Kind::kBatch) continue;
    state.add(InFlight::Place::kStage, 0, -1, event.input, event.data);
  }
  for (size_t i = 0; i < channels_.size(); ++i) {
    const auto index = static_cast<int>(i);
    if (recorder_.must_record(index)) {
      for (const StreamElement& element : channels_[i].queue) {
        if (element.kind == ElementKind::kBarrier && element.barrier.checkpoint == checkpoint)
          break;
        if (element.kind != ElementKind::kBatch) continue;
        state.add(InFlight::Place::kChannel, index, index, channels_[i].input, element.data);
      }
    }
    state.channel_watermarks.push_back(channel_watermark(index));
  }
  for (const WatermarkMerger& merger : mergers_) {
    state.input_watermarks.push_back(merger.watermark());
  }
  state.watermark = combiner_.watermark();
  recorder_.overtake();
  // Its barriers that are still queued are late from now on, and nobody waits for them.
  if (aligner_.on_cancel(checkpoint).unblock) release_blocked();
}

void InputGate::cancel(CheckpointId checkpoint) {
  recorder_.resolved(checkpoint);
  if (aligner_.discard(checkpoint)) release_blocked();
}

void InputGate::restore(int index, StreamBatch batch) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  SLUICE_CHECK_MSG(channel.queue.size() == channel.restored, "restoring after the start");
  channel.queue.push_back(StreamElement::of_batch(std::move(batch)));
  ++channel.restored;
  arrivals_.push_back({next_arrival_++, index});
  ++queued_;
}

void InputGate::restore_watermarks(const InFlightState& state) {
  for (int input = 0; input < input_count_; ++input) {
    std::vector<EventTime> of_input;
    for (size_t i = 0; i < channels_.size(); ++i) {
      if (channels_[i].input == input) of_input.push_back(state.channel_watermarks[i]);
    }
    const auto at = static_cast<size_t>(input);
    mergers_[at].restore(of_input, state.input_watermarks[at]);
  }
  combiner_.restore(state.input_watermarks, state.watermark);
}

// ---- alignment ----------------------------------------------------------------------------------

void InputGate::release_blocked() {
  if (held_.empty()) return;
  arrivals_.insert(arrivals_.end(), held_.begin(), held_.end());
  held_.clear();
  std::sort(arrivals_.begin(), arrivals_.end(),
            [](const Arrival& a, const Arrival& b) { return a.number < b.number; });
}

}  // namespace sluice
