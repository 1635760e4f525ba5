// Interval join: pairs of elements of two keyed streams whose times lie within
//
//   left.time + lower ≤ right.time ≤ left.time + upper     (bounds inclusive unless excluded)
//
// Results carry the later of both timestamps. Elements behind the watermark are late: dropped and
// counted, or sent to a side output per side. Each side keeps its elements only as long as the
// other one may still bring a partner, with different bounds per side (semantics rule 43). As in
// Flink.
//
//   f(const L&, const R&) -> Out, or f(const L&, const R&, Collector<Out>&), or with
//   const IntervalJoinContext& before the collector.
//
// Per key and side a sorted map time → elements, and a cleanup timer for the oldest; an element
// that has expired but still stands there is passed over. An element meets its partners when it
// arrives; emitting them stops when an output is full and goes on from the same pair. One task.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "operators/keyed_operator.h"
#include "operators/output_tag.h"
#include "operators/runtime_context.h"
#include "operators/window.h"
#include "operators/window_spec.h"
#include "operators/window_watermark.h"
#include "state/api/map_state.h"

namespace sluice {

struct IntervalJoinSpec {
  Duration lower{0};
  Duration upper{0};
  bool lower_inclusive = true;
  bool upper_inclusive = true;
  /// Side outputs of late elements; -1 = drop and count them.
  int late_left_tag = -1;
  int late_right_tag = -1;

  /// The bounds with the excluded ends taken off.
  Duration effective_lower() const { return lower_inclusive ? lower : lower + Duration(1); }
  Duration effective_upper() const { return upper_inclusive ? upper : upper - Duration(1); }
  Status validate() const {
    if (effective_lower() <= effective_upper()) return Status::ok();
    return Status::invalid_argument("interval join: the lower bound " + to_text(lower) +
                                    " must not be above the upper bound " + to_text(upper));
  }
};

/// What a join function may ask about the pair at hand.
class IntervalJoinContext {
 public:
  IntervalJoinContext(EventTime left, EventTime right, SideOutputs* sides)
      : left_(left), right_(right), sides_(sides) {}

  EventTime left_time() const { return left_; }
  EventTime right_time() const { return right_; }
  /// Of the result: the later one.
  EventTime time() const { return std::max(left_, right_); }
  template <class T>
  void output(const OutputTag<T>& tag, const T& value) const {
    OutputBase* output = sides_->find(tag.id());
    if (output != nullptr) static_cast<Output<T>*>(output)->emit_copy(value, time());
  }

 private:
  EventTime left_;
  EventTime right_;
  SideOutputs* sides_;
};

template <class K, class L, class R, class Out, class LeftKey, class RightKey, class F>
class IntervalJoinOperator final
    : public KeyedOperator<IntervalJoinOperator<K, L, R, Out, LeftKey, RightKey, F>, K, Out> {
  using Base = KeyedOperator<IntervalJoinOperator, K, Out>;

 public:
  IntervalJoinOperator(const IntervalJoinSpec& spec, LeftKey select_left, RightKey select_right,
                       F function)
      : spec_(spec),
        lower_(spec.effective_lower()),
        upper_(spec.effective_upper()),
        select_left_(std::move(select_left)),
        select_right_(std::move(select_right)),
        function_(std::move(function)) {}

  Status open_keyed(OperatorContext& context);
  void close() override { close_function(function_); }
  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    if (pending_ && !resume_pending()) return Progress::kOutputFull;
    const Progress progress = input == 0 ? process_left(in, cursor) : process_right(in, cursor);
    return pending_ ? Progress::kOutputFull : progress;
  }
  bool on_watermark() {
    // The pairs of the last element come before the mark.
    if (pending_) return false;
    watermark_.advance(this->watermark());
    if (!this->fire_event_timers()) return false;
    watermark_.settle();
    return true;
  }
  /// The name space of a timer is the side it cleans up.
  void on_event_timer(EventTime /*time*/, int64_t side) {
    if (side == 0) {
      clean_up<0>(left_);
    } else {
      clean_up<1>(right_);
    }
  }
  bool can_snapshot() const override { return !pending_; }
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId checkpoint) override {
    if (pending_) return Status::internal("snapshot while pairs are being emitted");
    return Base::snapshot(checkpoint);
  }
  std::unique_ptr<FrozenState> freeze_more() {
    return std::make_unique<FrozenWatermark>(watermark_.freeze());
  }

 private:
  template <class T>
  using Buffer = MapState<int64_t, std::vector<T>>;

  /// An element whose partners are not all emitted: the element itself is found by time and index,
  /// the next partner likewise.
  struct Pending {
    RowAddress row;
    int side = 0;
    int64_t time = 0;
    size_t index = 0;
    int64_t other_time = 0;
    size_t other_index = 0;
  };

  Progress process_left(StreamBatch& in, Cursor& cursor) {
    return this->template drive_keyed<L>(0, in, cursor, select_left_,
                                         [&](const L& record, EventTime time, RowKind kind) {
                                           add<0>(left_, record, time, kind, late_left_);
                                         });
  }
  Progress process_right(StreamBatch& in, Cursor& cursor) {
    return this->template drive_keyed<R>(1, in, cursor, select_right_,
                                         [&](const R& record, EventTime time, RowKind kind) {
                                           add<1>(right_, record, time, kind, late_right_);
                                         });
  }
  template <int kSide, class T>
  void add(Buffer<T>& own, const T& record, EventTime time, RowKind kind, Output<T>* late_output);
  bool resume_pending();
  /// False when an output is full.
  template <int kSide, class Own, class Other>
  bool emit_partners(const Buffer<Own>& own, const Buffer<Other>& other);
  void emit_pair(const L& left, EventTime left_time, const R& right, EventTime right_time);
  template <int kSide, class T>
  void clean_up(Buffer<T>& buffer);
  /// Only the oldest element of a side has a timer; when it goes the next one gets it.
  template <int kSide, class T>
  void register_cleanup(const Buffer<T>& buffer, EventTime time) {
    if (buffer.entries().begin()->key != time.ms) return;
    const EventTime cleanup = expiry<kSide>(time);
    if (cleanup != kMaxTime) this->timers().register_event_timer(cleanup, kSide);
  }

  EventTime key_watermark() {
    if (!watermark_.has_floors()) return watermark_.current();
    return watermark_.of(stable_hash(this->rows().current_key()));
  }
  /// Where partners of an element of side kSide at `time` begin and end.
  template <int kSide>
  EventTime partners_from(EventTime time) const {
    return saturating_add(time, kSide == 0 ? lower_ : -upper_);
  }
  template <int kSide>
  EventTime partners_to(EventTime time) const {
    return saturating_add(time, kSide == 0 ? upper_ : -lower_);
  }
  /// From this watermark on the element has no use.
  template <int kSide>
  EventTime expiry(EventTime time) const {
    return std::max(time, partners_to<kSide>(time));
  }

  IntervalJoinSpec spec_;
  Duration lower_;
  Duration upper_;
  LeftKey select_left_;
  RightKey select_right_;
  F function_;

  Buffer<L> left_;
  Buffer<R> right_;
  WindowWatermark watermark_;
  std::optional<Pending> pending_;
  std::vector<int64_t> gone_;
  Output<L>* late_left_ = nullptr;
  Output<R>* late_right_ = nullptr;
  Counter* late_ = nullptr;
  std::optional<RuntimeContext> runtime_;
};

#define SLUICE_INTERVAL_TEMPLATE \
  template <class K, class L, class R, class Out, class LeftKey, class RightKey, class F>
#define SLUICE_INTERVAL_JOIN IntervalJoinOperator<K, L, R, Out, LeftKey, RightKey, F>

SLUICE_INTERVAL_TEMPLATE
Status SLUICE_INTERVAL_JOIN::open_keyed(OperatorContext& context) {
  SLUICE_RETURN_IF_ERROR(spec_.validate());
  SLUICE_ASSIGN_OR_RETURN(
      left_,
      (Buffer<L>::add_to(this->rows(), MapStateDescriptor<int64_t, std::vector<L>>{"_left"})));
  SLUICE_ASSIGN_OR_RETURN(
      right_,
      (Buffer<R>::add_to(this->rows(), MapStateDescriptor<int64_t, std::vector<R>>{"_right"})));
  SLUICE_RETURN_IF_ERROR(watermark_.open(context));
  late_ = &context.metrics->counter(kLateMetric);
  late_left_ = static_cast<Output<L>*>(this->sides_.find(spec_.late_left_tag));
  late_right_ = static_cast<Output<R>*>(this->sides_.find(spec_.late_right_tag));
  runtime_.emplace(context, &this->rows());
  open_function(function_, *runtime_);
  return Status::ok();
}

SLUICE_INTERVAL_TEMPLATE
template <int kSide, class T>
void SLUICE_INTERVAL_JOIN::add(Buffer<T>& own, const T& record, EventTime time, RowKind kind,
                               Output<T>* late_output) {
  if (time == kNoTimestamp) throw_no_timestamp();
  const EventTime watermark = key_watermark();
  if (watermark != kMinTime && time < watermark) {
    late_->add();
    if (late_output != nullptr) late_output->emit_copy(record, time, kind);
    return;
  }
  size_t index = 0;
  own.modify(time.ms, [&](std::vector<T>& elements) {
    index = elements.size();
    elements.push_back(record);
  });
  register_cleanup<kSide>(own, time);
  pending_ = Pending{this->rows().current_address(), kSide, time.ms, index,
                     partners_from<kSide>(time).ms,  0};
  bool is_done = false;
  if constexpr (kSide == 0) {
    is_done = emit_partners<0>(left_, right_);
  } else {
    is_done = emit_partners<1>(right_, left_);
  }
  if (is_done) pending_.reset();
  this->rows().keep_rows(!is_done);
}

SLUICE_INTERVAL_TEMPLATE
bool SLUICE_INTERVAL_JOIN::resume_pending() {
  const ArenaScope scope(&this->out_.arena());
  SLUICE_CHECK(this->rows().set_current_row(pending_->row));
  const bool is_done =
      pending_->side == 0 ? emit_partners<0>(left_, right_) : emit_partners<1>(right_, left_);
  this->rows().clear_current_key();
  this->rows().keep_rows(!is_done);
  if (is_done) pending_.reset();
  return is_done;
}

SLUICE_INTERVAL_TEMPLATE
template <int kSide, class Own, class Other>
bool SLUICE_INTERVAL_JOIN::emit_partners(const Buffer<Own>& own, const Buffer<Other>& other) {
  const EventTime time{pending_->time};
  const Own& record = (*own.get(pending_->time))[pending_->index];
  const EventTime last = partners_to<kSide>(time);
  const EventTime watermark = key_watermark();
  for (const auto& [other_ms, elements] : other.entries()) {
    if (other_ms < pending_->other_time) continue;
    const EventTime other_time{other_ms};
    if (other_time > last) break;
    // No partner of it can come any more; it goes with the next cleanup.
    if (expiry<1 - kSide>(other_time) <= watermark) continue;
    if (other_ms != pending_->other_time) pending_->other_index = 0;
    pending_->other_time = other_ms;
    for (; pending_->other_index < elements.size(); ++pending_->other_index) {
      if (this->outputs_full()) return false;
      const Other& partner = elements[pending_->other_index];
      if constexpr (kSide == 0) {
        emit_pair(record, time, partner, other_time);
      } else {
        emit_pair(partner, other_time, record, time);
      }
    }
  }
  return true;
}

SLUICE_INTERVAL_TEMPLATE
void SLUICE_INTERVAL_JOIN::emit_pair(const L& left, EventTime left_time, const R& right,
                                     EventTime right_time) {
  Collector<Out> out(this->out_);
  const IntervalJoinContext context(left_time, right_time, &this->sides_);
  out.set_time(context.time());
  if constexpr (std::is_invocable_v<F&, const L&, const R&, const IntervalJoinContext&,
                                    Collector<Out>&>) {
    std::invoke(function_, left, right, context, out);
  } else if constexpr (std::is_invocable_v<F&, const L&, const R&, Collector<Out>&>) {
    std::invoke(function_, left, right, out);
  } else {
    static_assert(std::is_invocable_r_v<Out, F&, const L&, const R&>,
                  "an interval join function takes (left, right) and returns the result, or takes "
                  "(left, right, out) or (left, right, context, out)");
    out.collect(std::invoke(function_, left, right));
  }
}

SLUICE_INTERVAL_TEMPLATE
template <int kSide, class T>
void SLUICE_INTERVAL_JOIN::clean_up(Buffer<T>& buffer) {
  gone_.clear();
  for (const auto& [time, elements] : buffer.entries()) {
    if (expiry<kSide>({time}) > watermark_.current()) break;
    gone_.push_back(time);
  }
  for (const int64_t time : gone_) buffer.remove(time);
  if (!buffer.is_empty()) register_cleanup<kSide>(buffer, {buffer.entries().begin()->key});
}

#undef SLUICE_INTERVAL_TEMPLATE
#undef SLUICE_INTERVAL_JOIN

/// Input 0 is the left stream, input 1 the right one; both hash partitioned by key.
template <class K, class L, class R, class Out, class LeftKey, class RightKey, class F>
OperatorFactory make_interval_join_operator(const IntervalJoinSpec& spec, LeftKey select_left,
                                            RightKey select_right, F function) {
  return [=]() -> std::unique_ptr<Operator> {
    return std::make_unique<IntervalJoinOperator<K, L, R, Out, LeftKey, RightKey, F>>(
        spec, select_left, select_right, function);
  };
}

}  // namespace sluice
