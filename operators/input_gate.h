// Where the elements of all input channels of a task wait, and in which order they are processed.
//
// Arrival order across channels is kept except for what alignment holds back and what the
// operator's next_input() prefers. The gate turns channel watermarks into the operator's watermark
// at the moment an element is taken, so the marks of the batch it hands out are the operator's own.
//
// An unaligned barrier is noticed when it arrives (operators/channel_recorder.h): once it is due
// the task takes its snapshot between two steps, and overtake() gives what waits here in front of
// it.
#pragma once

#include <deque>
#include <vector>

#include "core/element.h"
#include "core/inspection.h"
#include "operators/barrier_aligner.h"
#include "operators/channel_recorder.h"
#include "operators/in_flight.h"
#include "operators/task_spec.h"
#include "operators/watermark_merger.h"

namespace sluice {

/// What the task has to do next.
struct GateEvent {
  enum class Kind {
    kNone,          // Nothing can be processed now.
    kBatch,         // `data` on `input`, from `channel`.
    kStatus,        // The operator's inputs became idle or active.
    kBarrier,       // `barrier` is complete on all channels.
    kAbortBarrier,  // `barrier.checkpoint` will not be complete.
    kLatencyMarker,
    kEndOfInput,  // All channels of `input` have ended.
  };
  Kind kind = Kind::kNone;
  int channel = -1;
  /// Grant the credit of `channel` when the batch is done. Restored batches have none.
  bool has_credit = false;
  int input = 0;
  StreamBatch data;
  bool idle = false;
  Barrier barrier;
  int64_t marker_ns = 0;
};

class InputGate {
 public:
  explicit InputGate(const TaskSpec& spec);

  void receive(int channel, StreamElement element);
  /// Takes the next element; `wanted_input` -1 = any.
  GateEvent next(int wanted_input);

  // -- unaligned barriers --

  /// The barrier that is to overtake what waits here; then overtake() must be called.
  std::optional<Barrier> overtaking(int64_t now_ms) const { return recorder_.due(now_ms); }
  /// From when on overtaking() may answer.
  int64_t overtaking_due_ms() const { return recorder_.due_ms(); }
  /// Adds what waits in front of the barrier, and how far event time is.
  void overtake(InFlightState& state);
  /// Until all barriers are there, and take() has given what arrived ahead of them.
  const ChannelRecorder& recorder() const { return recorder_; }
  std::vector<InFlight> take_recorded() { return recorder_.take(); }
  /// The checkpoint is over: channels it holds back go on.
  void cancel(CheckpointId checkpoint);
  /// Before anything arrives: what was in flight when the snapshot was taken.
  void restore(int channel, StreamBatch batch);
  void restore_watermarks(const InFlightState& state);

  bool all_ended() const { return ended_inputs_ == input_count_; }
  EventTime watermark() const { return combiner_.watermark(); }
  size_t queued() const { return queued_; }
  const BarrierAligner& aligner() const { return aligner_; }
  EventTime channel_watermark(int channel) const;
  /// For inspection: everything but the peer and `since`.
  void look(std::vector<InputChannelLook>& channels) const;

 private:
  struct Channel {
    int input;
    int index_in_input;
    std::deque<StreamElement> queue;
    bool ended = false;
    size_t restored = 0;  // The first elements of the queue came from a snapshot.
  };
  static std::vector<bool> channels_to_overtake(const TaskSpec& spec);
  GateEvent take_batch(int channel, StreamElement element, bool restored);
  GateEvent take_status(int channel, bool idle);
  GateEvent take_end(int channel);
  void apply(const BarrierAligner::Decision& decision);
  void release_blocked();
  bool pop_pending(GateEvent& event);
  int pick_channel(int wanted_input);

  int input_count_;
  std::vector<Channel> channels_;
  std::vector<WatermarkMerger> mergers_;  // One per input.
  std::vector<int> open_channels_;        // Per input.
  InputCombiner combiner_;
  BarrierAligner aligner_;
  ChannelRecorder recorder_;
  // Channels with elements in arrival order, one entry per element; those of blocked channels wait
  // in held_ with their arrival numbers.
  struct Arrival {
    uint64_t number;
    int channel;
  };
  std::deque<Arrival> arrivals_;
  std::vector<Arrival> held_;
  uint64_t next_arrival_ = 0;
  std::deque<GateEvent> pending_;  // Events that one element caused in addition.
  size_t queued_ = 0;
  int ended_inputs_ = 0;
};

}  // namespace sluice
