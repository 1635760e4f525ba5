// One output edge of a task: partitions batches over its channels and sends them with credit.
//
// Row modes (hash, shuffle, custom) copy each row into the builder of its channel. Whole-batch
// modes (forward, rebalance, rescale, global, broadcast) pass batches by pointer when they are
// large, and gather small ones; rebalance and rescale deal out the rows of small ones one by one.
// Marks go to every channel, behind the rows that precede them.
//
// Invariants: a batch or mark-only element uses one credit; barriers and end of data use the
// reserved slot, and the partial batch before them may overdraw the credit by one; the order of
// everything on a channel is the order in which it was pushed.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/element.h"
#include "operators/in_flight.h"
#include "operators/task.h"
#include "operators/task_spec.h"

namespace sluice {

class OutputEdge {
 public:
  OutputEdge(const OutputEdgeSpec& spec, const TaskLimits& limits, size_t batch_bytes, int subtask,
             TaskLink& link, const Clock& clock, TaskProgress& progress);

  /// Edges of this task to the same tasks, channel by channel: before a full batch leaves here,
  /// what they have gathered for its target leaves there. Streams that part in one task thus meet
  /// again about in step, however seldom one of them has rows; a join need not remember what comes
  /// early only because the other side waited for its batch to fill.
  void set_companions(std::vector<OutputEdge*> companions) { companions_ = std::move(companions); }

  /// Takes rows and marks from `cursor` on; false when a channel without credit is full. A fresh
  /// cursor may hand the batch on whole and leave `in` without it.
  bool push(StreamBatch& in, Cursor& cursor);
  /// Sends what has been gathered, as far as there is credit.
  void flush();
  /// Sends gathered rows that are older than the buffer timeout.
  void flush_older_than(int64_t steady_ns);
  /// Sends everything gathered (beyond credit if need be), then `element`, on every channel.
  void send_control(const StreamElement& element);
  /// Sends an unaligned barrier on every channel: what cannot leave for want of credit stays behind
  /// it and is added to `state` as in flight to edge `index`.
  void overtake(const Barrier& barrier, int index, InFlightState& state);
  /// Before the first push: what was gathered for `channel`.
  void restore_gathered(int channel, StreamBatch gathered);

  void add_credit(int channel, uint32_t credits, BatchPtr recycled);
  /// A latency marker leaves on each channel right behind what is gathered there.
  void send_marker(int64_t marker_ns);
  /// Something is gathered that could not be sent yet.
  bool has_gathered() const { return gathered_channels_ > 0; }
  /// Steady ns at which the oldest gathered row must leave, or max.
  int64_t flush_deadline_ns() const;
  int32_t credit(int channel) const { return channels_[static_cast<size_t>(channel)].credit; }
  EventTime sent_watermark(int channel) const {
    return channels_[static_cast<size_t>(channel)].sent_watermark;
  }
  int channel_count() const { return static_cast<int>(channels_.size()); }

 private:
  struct Channel {
    int32_t credit = 0;
    BatchPtr builder;
    Marks marks;
    std::vector<BatchPtr> spares;
    int64_t gathered_since_ns = 0;  // 0 = nothing gathered.
    int64_t marker_ns = 0;          // A latency marker that waits for the next batch; 0 = none.
    EventTime sent_watermark = kMinTime;
  };
  /// Round-robin over several channels.
  bool deals_out() const;
  /// As many batches come back at once while several are on their way.
  static constexpr size_t kSparesMax = 4;

  bool push_rows(StreamBatch& in, Cursor& cursor);
  bool push_whole(StreamBatch& in, Cursor& cursor);
  bool push_segment(Batch& batch, uint32_t& row, uint32_t end);
  bool hand_on(StreamBatch& in);
  bool append_to_builder(int channel, StreamBatch& in, Cursor& cursor);
  void mark_channel(Channel& channel, EventTime watermark);
  void mark_others(int except, EventTime watermark);
  Batch& builder(Channel& channel);
  void note_gathered(Channel& channel);
  bool has_content(const Channel& channel) const;
  /// Sends the builder of a channel; false without credit unless `overdraw`.
  bool send_builder(int index, bool overdraw);
  bool send_full(int index);
  void send_batch(int index, StreamBatch batch);
  void record_gathered(const Channel& channel, int number, int index, InFlightState& state) const;
  bool broadcast_builder(bool overdraw);
  int pick_rebalance_target();

  const OutputEdgeSpec spec_;
  const TaskLimits limits_;
  uint32_t row_limit_;
  TaskLink& link_;
  const Clock& clock_;
  TaskProgress& progress_;
  std::unique_ptr<RowSelector> selector_;
  std::vector<OutputEdge*> companions_;
  std::vector<Channel> channels_;
  Channel shared_;  // Builder of broadcast: one batch for all.
  int gathered_channels_ = 0;
  int next_target_ = 0;
  // Targets of the rows of the batch being pushed, computed once per batch.
  std::vector<uint16_t> targets_;
  std::vector<uint64_t> hashes_;
  bool targets_valid_ = false;
  bool deals_rows_ = false;  // Of the batch being pushed, when deals_out().
  std::vector<Batch*> builders_;
};

}  // namespace sluice
