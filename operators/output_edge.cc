#include "operators/output_edge.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "operators/partitioner.h"

namespace sluice {
namespace {

bool sends_whole_batches(Partitioning partitioning) {
  switch (partitioning) {
    case Partitioning::kHash:
    case Partitioning::kShuffle:
    case Partitioning::kCustom:
      return false;
    case Partitioning::kForward:
    case Partitioning::kRebalance:
    case Partitioning::kRescale:
    case Partitioning::kBroadcast:
    case Partitioning::kGlobal:
      return true;
  }
  return true;
}

/// One row to each channel in turn.
class RoundRobinSelector final : public RowSelector {
 public:
  explicit RoundRobinSelector(int first) : next_(static_cast<uint16_t>(first)) {}
  void select(const Batch& /*batch*/, uint32_t from, uint32_t to, int channels,
              int /*max_parallelism*/, uint16_t* targets, uint64_t* /*hashes*/) override {
    for (uint32_t row = from; row < to; ++row) {
      targets[row - from] = next_;
      next_ = static_cast<uint16_t>(next_ + 1 == channels ? 0 : next_ + 1);
    }
  }

 private:
  uint16_t next_;
};

}  // namespace

OutputEdge::OutputEdge(const OutputEdgeSpec& spec, const TaskLimits& limits, size_t batch_bytes,
                       int subtask, TaskLink& link, const Clock& clock, TaskProgress& progress)
    : spec_(spec),
      limits_(limits),
      row_limit_(limits.batch_rows != 0
                     ? limits.batch_rows
                     : static_cast<uint32_t>(std::max<size_t>(
                           1, batch_bytes / std::max<size_t>(1, spec.type->row_bytes)))),
      link_(link),
      clock_(clock),
      progress_(progress),
      channels_(static_cast<size_t>(spec.channels)),
      next_target_(subtask % std::max(1, spec.channels)) {
  if (spec.selector) {
    selector_ = spec.selector();
  } else if (spec.partitioning == Partitioning::kShuffle) {
    selector_ = std::make_unique<ShuffleSelector>(static_cast<uint64_t>(subtask) + 1);
  } else if (deals_out()) {
    selector_ = std::make_unique<RoundRobinSelector>(next_target_);
  }
  SLUICE_CHECK(sends_whole_batches(spec.partitioning) || selector_ != nullptr);
  builders_.resize(channels_.size());
}

bool OutputEdge::has_content(const Channel& channel) const {
  return (channel.builder && channel.builder->rows() > 0) || !channel.marks.empty();
}

Batch& OutputEdge::builder(Channel& channel) {
  if (!channel.builder) {
    if (channel.spares.empty()) {
      channel.builder = spec_.type->make_batch(row_limit_);
    } else {
      channel.builder = std::move(channel.spares.back());
      channel.spares.pop_back();
    }
  }
  return *channel.builder;
}

void OutputEdge::note_gathered(Channel& channel) {
  if (channel.gathered_since_ns != 0 || !has_content(channel)) return;
  channel.gathered_since_ns = clock_.steady_ns() | 1;
  ++gathered_channels_;
}

void OutputEdge::mark_channel(Channel& channel, EventTime watermark) {
  add_mark(channel.marks, channel.builder ? channel.builder->rows() : 0, watermark);
  note_gathered(channel);
}

void OutputEdge::mark_others(int except, EventTime watermark) {
  for (int i = 0; i < spec_.channels; ++i) {
    if (i != except) mark_channel(channels_[static_cast<size_t>(i)], watermark);
  }
}

void OutputEdge::send_batch(int index, StreamBatch batch) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  --channel.credit;
  if (!batch.marks.empty()) channel.sent_watermark = batch.marks.back().watermark;
  const uint32_t rows = batch.rows();
  progress_.rows_out.fetch_add(rows, std::memory_order_relaxed);
  if (batch.batch) {
    progress_.bytes_out.fetch_add(static_cast<int64_t>(batch.batch->bytes()),
                                  std::memory_order_relaxed);
  }
  link_.send(spec_.first_channel + index, StreamElement::of_batch(std::move(batch)));
  if (channel.marker_ns != 0) {
    StreamElement marker = StreamElement::of_kind(ElementKind::kLatencyMarker);
    marker.marker_ns = std::exchange(channel.marker_ns, 0);
    link_.send(spec_.first_channel + index, std::move(marker));
  }
}

void OutputEdge::send_marker(int64_t marker_ns) {
  for (int i = 0; i < spec_.channels; ++i) {
    Channel& channel = channels_[static_cast<size_t>(i)];
    if (channel.marker_ns != 0) continue;  // The older one tells the longer delay.
    if (has_content(channel) || has_content(shared_)) {
      channel.marker_ns = marker_ns;
      continue;
    }
    StreamElement marker = StreamElement::of_kind(ElementKind::kLatencyMarker);
    marker.marker_ns = marker_ns;
    link_.send(spec_.first_channel + i, std::move(marker));
  }
}

bool OutputEdge::send_builder(int index, bool overdraw) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  if (!has_content(channel)) return true;
  if (channel.credit <= 0 && !overdraw) return false;
  StreamBatch out;
  if (channel.builder && channel.builder->rows() > 0) out.batch = std::move(channel.builder);
  out.marks = std::move(channel.marks);
  channel.marks.clear();
  if (channel.gathered_since_ns != 0) {
    channel.gathered_since_ns = 0;
    --gathered_channels_;
  }
  send_batch(index, std::move(out));
  return true;
}

bool OutputEdge::deals_out() const {
  return spec_.channels > 1 && (spec_.partitioning == Partitioning::kRebalance ||
                                spec_.partitioning == Partitioning::kRescale);
}

bool OutputEdge::send_full(int index) {
  // What has no credit there waits, as it would have without us.
  for (OutputEdge* companion : companions_) companion->send_builder(index, false);
  return send_builder(index, false);
}

bool OutputEdge::push(StreamBatch& in, Cursor& cursor) {
  bool by_rows = !sends_whole_batches(spec_.partitioning);
  if (deals_out()) {
    // A few records may each be the work of seconds: they are dealt out one by one. Large batches
    // are handed on whole, unless they would overtake rows that are gathered.
    if (cursor.row == 0 && cursor.mark == 0) {
      const auto has_rows = [](const Channel& channel) {
        return channel.builder && channel.builder->rows() > 0;
      };
      deals_rows_ =
          in.rows() * 2 < row_limit_ || std::any_of(channels_.begin(), channels_.end(), has_rows);
    }
    by_rows = deals_rows_;
  }
  const bool done = by_rows ? push_rows(in, cursor) : push_whole(in, cursor);
  if (done) targets_valid_ = false;
  return done;
}

// ---- row modes ----------------------------------------------------------------------------------

bool OutputEdge::push_rows(StreamBatch& in, Cursor& cursor) {
  const uint32_t rows = in.rows();
  if (rows > 0 && !targets_valid_) {
    targets_.resize(rows);
    if (selector_->hashes_keys()) hashes_.resize(rows);
    selector_->select(*in.batch, 0, rows, spec_.channels, spec_.max_parallelism, targets_.data(),
                      selector_->hashes_keys() ? hashes_.data() : nullptr);
    targets_valid_ = true;
  }
  for (;;) {
    const bool has_mark = cursor.mark < in.marks.size();
    const uint32_t end = has_mark ? in.marks[cursor.mark].row : rows;
    if (cursor.row < end && !push_segment(*in.batch, cursor.row, end)) return false;
    if (!has_mark) break;
    mark_others(-1, in.marks[cursor.mark].watermark);
    ++cursor.mark;
  }
  return true;
}

bool OutputEdge::push_segment(Batch& batch, uint32_t& row, uint32_t end) {
  for (size_t i = 0; i < channels_.size(); ++i) builders_[i] = &builder(channels_[i]);
  while (row < end) {
    row =
        batch.scatter(row, end, targets_.data() + row,
                      selector_->hashes_keys() ? hashes_.data() + row : nullptr, builders_.data());
    // Either all rows are placed or the builder of row's target is full.
    if (row == end) break;
    const int target = targets_[row];
    if (!send_full(target)) {
      for (Channel& channel : channels_) note_gathered(channel);
      return false;
    }
    builders_[static_cast<size_t>(target)] = &builder(channels_[static_cast<size_t>(target)]);
  }
  for (size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].builder && channels_[i].builder->is_full()) {
      send_full(static_cast<int>(i));
    }
    note_gathered(channels_[i]);
  }
  return true;
}

// ---- whole-batch modes --------------------------------------------------------------------------

int OutputEdge::pick_rebalance_target() {
  // Round-robin, but a channel that cannot take anything is passed over while others can.
  for (int tries = 0; tries < spec_.channels; ++tries) {
    const int target = (next_target_ + tries) % spec_.channels;
    if (channels_[static_cast<size_t>(target)].credit > 0) return target;
  }
  return -1;
}

bool OutputEdge::push_whole(StreamBatch& in, Cursor& cursor) {
  // Small batches are gathered in shared_; it is sent when full, on flush, or before a large one.
  const bool large = in.rows() * 2 >= row_limit_;
  if (cursor.row == 0 && cursor.mark == 0 && large) {
    if (has_content(shared_) && !broadcast_builder(false)) return false;
    return hand_on(in);
  }
  return append_to_builder(-1, in, cursor);
}

bool OutputEdge::hand_on(StreamBatch& in) {
  shared_.marks = std::move(in.marks);
  in.marks.clear();
  BatchPtr kept = std::move(shared_.builder);
  shared_.builder = std::move(in.batch);
  if (broadcast_builder(false)) {
    if (!shared_.builder) shared_.builder = std::move(kept);
    return true;
  }
  in.batch = std::move(shared_.builder);
  in.marks = std::move(shared_.marks);
  shared_.marks.clear();
  shared_.builder = std::move(kept);
  if (shared_.gathered_since_ns != 0) {
    shared_.gathered_since_ns = 0;
    --gathered_channels_;
  }
  return false;
}

bool OutputEdge::append_to_builder(int /*channel*/, StreamBatch& in, Cursor& cursor) {
  const uint32_t rows = in.rows();
  if (rows > 0 && !targets_valid_) {
    targets_.assign(rows, 0);
    targets_valid_ = true;
  }
  for (;;) {
    const bool has_mark = cursor.mark < in.marks.size();
    const uint32_t end = has_mark ? in.marks[cursor.mark].row : rows;
    while (cursor.row < end) {
      Batch* target = &builder(shared_);
      const uint64_t* hashes =
          in.batch->has_key_hashes() ? in.batch->key_hashes().data() + cursor.row : nullptr;
      cursor.row =
          in.batch->scatter(cursor.row, end, targets_.data() + cursor.row, hashes, &target);
      if (cursor.row < end && !broadcast_builder(false)) return false;
    }
    if (!has_mark) break;
    add_mark(shared_.marks, shared_.builder ? shared_.builder->rows() : 0,
             in.marks[cursor.mark].watermark);
    ++cursor.mark;
  }
  note_gathered(shared_);
  if (shared_.builder && shared_.builder->is_full()) broadcast_builder(false);
  return true;
}

// Sends shared_ where the partitioning says: to one channel (the others get the marks), or to all.
bool OutputEdge::broadcast_builder(bool overdraw) {
  if (!has_content(shared_)) return true;
  const bool has_rows = shared_.builder && shared_.builder->rows() > 0;
  int target = 0;
  if (spec_.partitioning == Partitioning::kBroadcast) {
    target = -1;
    for (const Channel& channel : channels_) {
      if (channel.credit <= 0 && !overdraw) return false;
    }
  } else if (spec_.channels > 1 && spec_.partitioning != Partitioning::kGlobal) {
    target = pick_rebalance_target();
    if (target < 0) {
      if (!overdraw) return false;
      target = next_target_;
    }
    if (has_rows) next_target_ = (target + 1) % spec_.channels;
  } else if (channels_[0].credit <= 0 && !overdraw) {
    return false;
  }
  if (shared_.gathered_since_ns != 0) {
    shared_.gathered_since_ns = 0;
    --gathered_channels_;
  }
  StreamBatch out;
  if (has_rows) out.batch = std::move(shared_.builder);
  out.marks = std::move(shared_.marks);
  shared_.marks.clear();
  if (target < 0) {
    for (int i = 0; i < spec_.channels; ++i) send_batch(i, StreamBatch{out.batch, out.marks});
    return true;
  }
  if (!out.marks.empty()) mark_others(target, out.marks.back().watermark);
  // Marks that this channel got from batches for other channels come first.
  Channel& channel = channels_[static_cast<size_t>(target)];
  if (!channel.marks.empty()) {
    const EventTime earlier = channel.marks.back().watermark;
    channel.marks.clear();
    if (channel.gathered_since_ns != 0) {
      channel.gathered_since_ns = 0;
      --gathered_channels_;
    }
    if (out.marks.empty() || out.marks.front().row > 0) {
      out.marks.insert(out.marks.begin(), Mark{0, earlier});
    }
  }
  send_batch(target, std::move(out));
  return true;
}

// ---- both ---------------------------------------------------------------------------------------

void OutputEdge::flush() {
  if (gathered_channels_ == 0) return;
  broadcast_builder(false);
  for (int i = 0; i < spec_.channels; ++i) send_builder(i, false);
}

void OutputEdge::flush_older_than(int64_t steady_ns) {
  if (gathered_channels_ == 0) return;
  if (shared_.gathered_since_ns != 0 && shared_.gathered_since_ns <= steady_ns) {
    broadcast_builder(false);
  }
  for (int i = 0; i < spec_.channels; ++i) {
    const Channel& channel = channels_[static_cast<size_t>(i)];
    if (channel.gathered_since_ns != 0 && channel.gathered_since_ns <= steady_ns) {
      send_builder(i, false);
    }
  }
}

int64_t OutputEdge::flush_deadline_ns() const {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  if (gathered_channels_ == 0) return kNever;
  // What waits for credit is sent when the credit comes, not when time passes.
  int64_t oldest = kNever;
  int with_credit = 0;
  for (const Channel& channel : channels_) {
    if (channel.credit <= 0) continue;
    ++with_credit;
    if (channel.gathered_since_ns != 0) oldest = std::min(oldest, channel.gathered_since_ns);
  }
  const bool shared_can_leave = spec_.partitioning == Partitioning::kBroadcast
                                    ? with_credit == spec_.channels
                                    : with_credit > 0;
  if (shared_.gathered_since_ns != 0 && shared_can_leave) {
    oldest = std::min(oldest, shared_.gathered_since_ns);
  }
  if (oldest == kNever) return kNever;
  return oldest + std::chrono::nanoseconds(limits_.buffer_timeout).count();
}

void OutputEdge::send_control(const StreamElement& element) {
  broadcast_builder(true);
  for (int i = 0; i < spec_.channels; ++i) {
    send_builder(i, true);
    link_.send(spec_.first_channel + i, element);
  }
}

void OutputEdge::overtake(const Barrier& barrier, int index, InFlightState& state) {
  if (!broadcast_builder(false)) record_gathered(shared_, -1, index, state);
  for (int i = 0; i < spec_.channels; ++i) {
    // What is in shared_ comes before the marks of others that broadcast_builder() leaves here.
    if (has_content(shared_) || !send_builder(i, false)) {
      record_gathered(channels_[static_cast<size_t>(i)], i, index, state);
    }
    link_.send(spec_.first_channel + i, StreamElement::of_barrier(barrier));
  }
}

// Copies, since rows are still added to the builder.
void OutputEdge::record_gathered(const Channel& channel, int number, int index,
                                 InFlightState& state) const {
  if (!has_content(channel)) return;
  StreamBatch copy;
  copy.marks = channel.marks;
  const uint32_t rows = channel.builder ? channel.builder->rows() : 0;
  if (rows == 0) {
    state.add(InFlight::Place::kEdge, index, number, 0, copy);
    return;
  }
  // A second reference: rows are copied, not moved.
  const BatchPtr source = channel.builder;
  const std::vector<uint16_t> targets(rows, 0);
  const uint64_t* hashes = source->has_key_hashes() ? source->key_hashes().data() : nullptr;
  copy.batch = spec_.type->make_batch(rows);
  Batch* builder = copy.batch.get();
  uint32_t done = source->scatter(0, rows, targets.data(), hashes, &builder);
  // A copy of what fits into a batch fits into a batch; should that ever change, the rest finds
  // its target anew, without marks.
  const auto is_beyond = [&](const Mark& mark) { return mark.row > done; };
  std::erase_if(copy.marks, is_beyond);
  state.add(InFlight::Place::kEdge, index, number, 0, copy);
  while (done < rows) {
    StreamBatch rest{spec_.type->make_batch(rows - done), {}};
    builder = rest.batch.get();
    const uint64_t* rest_hashes = hashes == nullptr ? nullptr : hashes + done;
    done = source->scatter(done, rows, targets.data() + done, rest_hashes, &builder);
    state.add(InFlight::Place::kEdge, index, -1, 0, rest);
  }
}

void OutputEdge::restore_gathered(int number, StreamBatch gathered) {
  Channel& channel = channels_[static_cast<size_t>(number)];
  SLUICE_CHECK_MSG(!has_content(channel), "restoring after the start");
  channel.builder = std::move(gathered.batch);
  channel.marks = std::move(gathered.marks);
  note_gathered(channel);
}

void OutputEdge::add_credit(int index, uint32_t credits, BatchPtr recycled) {
  Channel& channel = channels_[static_cast<size_t>(index)];
  channel.credit += static_cast<int32_t>(credits);
  Channel& user = sends_whole_batches(spec_.partitioning) ? shared_ : channel;
  if (!recycled || user.spares.size() >= kSparesMax || !recycled->is_unique()) return;
  if (&recycled->type() != spec_.type) return;
  recycled->reset(row_limit_);
  user.spares.push_back(std::move(recycled));
}

}  // namespace sluice
