// Where an operator puts its results: a batch being built, bounded by a row and byte limit.
//
// Owned by the operator, drained by the chain (operators/operator_chain.h). An operator checks
// is_full() between records or timers and returns kOutputFull when it holds; a single record or
// timer may overshoot the limit. Not thread-safe: one task.
//
// Text rule: within one Operator::process call the batch being built does not change, so an
// operator sets ArenaScope(&out.arena()) once per call, and calls keep_arenas_of(input) once when
// records whose Text fields point into the input are emitted with emit(). Records read from state
// are emitted with emit_copy(), which copies their text.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "core/batch.h"

namespace sluice {

class OutputBase {
 public:
  virtual ~OutputBase() = default;
  OutputBase() = default;
  OutputBase(const OutputBase&) = delete;
  OutputBase& operator=(const OutputBase&) = delete;

  virtual const RecordType& type() const = 0;

  /// Bytes per batch (before texts) and, for tests, a row limit that overrides it (0 = none).
  void set_limits(size_t batch_bytes, uint32_t batch_rows) {
    row_limit_ = batch_rows != 0 ? batch_rows
                                 : static_cast<uint32_t>(std::max<size_t>(
                                       1, batch_bytes / std::max<size_t>(1, type().row_bytes)));
  }
  uint32_t row_limit() const { return row_limit_; }
  /// Rows that fit before is_full() holds by number of rows; text bytes are not counted.
  uint32_t room() const {
    if (!sealed_.empty()) return 0;
    if (!building_) return row_limit_;
    return building_->rows() < row_limit_ ? row_limit_ - building_->rows() : 0;
  }
  /// Nobody reads this output: everything emitted is dropped at once.
  void set_discarding() { discarding_ = true; }

  bool is_full() const { return !sealed_.empty() || (building_ && building_->is_full()); }
  bool has_output() const { return !sealed_.empty() || rows_building() > 0 || !marks_.empty(); }
  /// The oldest batch with its marks; must have output.
  StreamBatch take();
  /// All batches with their marks, the oldest first, without taking them. The one being built is
  /// closed.
  const std::deque<StreamBatch>& queued();

  /// The watermark after everything emitted so far.
  void mark(EventTime watermark) {
    if (!discarding_) add_mark(marks_, rows_building(), watermark);
  }
  /// Hands a whole batch on without touching its rows.
  void forward(StreamBatch batch);
  /// A batch that may be reused for building (same type, unique); others are dropped.
  void recycle(BatchPtr batch);

  /// The arena for texts of records emitted in this process() call.
  TextArena& arena() { return building().own_arena(); }
  /// Emitted records may point into the arenas of `input`.
  void keep_arenas_of(const Batch& input) { building().share_arenas_of(input); }

 protected:
  Batch& building() {
    if (!building_) start_batch();
    return *building_;
  }
  uint32_t rows_building() const { return building_ ? building_->rows() : 0; }
  void start_batch();
  void seal();
  void discard_building() {
    if (building_ && building_->is_unique()) building_->reset(row_limit_);
    marks_.clear();
  }

  BatchPtr building_;
  Marks marks_;  // Of building_.
  std::deque<StreamBatch> sealed_;
  BatchPtr spare_;
  uint32_t row_limit_ = 1024;
  bool discarding_ = false;
};

template <class T>
class Output final : public OutputBase {
 public:
  const RecordType& type() const override { return record_type<T>(); }

  /// Text fields must be inline, made under ArenaScope(&arena()), or in kept arenas.
  template <class U>
  void emit(U&& value, EventTime time = kNoTimestamp, RowKind kind = RowKind::kInsert) {
    if (discarding_) return;
    static_cast<TypedBatch<T>&>(building()).push(std::forward<U>(value), time, kind);
  }
  /// An empty batch to fill and forward().
  Ref<TypedBatch<T>> new_batch() {
    if (!spare_) return TypedBatch<T>::make(row_limit_);
    spare_->reset(row_limit_);
    const BatchPtr spare = std::exchange(spare_, BatchPtr());
    return Ref<TypedBatch<T>>(static_cast<TypedBatch<T>*>(spare.get()));
  }
  /// The batch being built, for TypedBatch::Appender; not while discarding.
  TypedBatch<T>& rows() { return static_cast<TypedBatch<T>&>(building()); }
  bool is_discarding() const { return discarding_; }
  /// emit(make()) with the record built in its place (TypedBatch::push_made).
  template <class Make>
  void emit_made(Make&& make, EventTime time = kNoTimestamp, RowKind kind = RowKind::kInsert) {
    if (discarding_) return;
    static_cast<TypedBatch<T>&>(building()).push_made(std::forward<Make>(make), time, kind);
  }
  /// Copies the texts of `value` into this output's arena.
  void emit_copy(const T& value, EventTime time = kNoTimestamp, RowKind kind = RowKind::kInsert) {
    if (discarding_) return;
    static_cast<TypedBatch<T>&>(building()).push_copy(value, time, kind);
  }
};

/// What user functions see: `out.collect(record)` emits with the timestamp of the current record,
/// window or timer.
template <class T>
class Collector {
 public:
  /// `copy_texts`: records may point into state, so their texts are copied.
  explicit Collector(Output<T>& output, bool copy_texts = true)
      : output_(&output), copy_texts_(copy_texts) {}

  void collect(const T& value) { emit(value, time_); }
  void collect(const T& value, EventTime time) { emit(value, time); }
  void collect_with_kind(const T& value, RowKind kind) { emit(value, time_, kind); }

  /// Set by the operator before each call of the user function.
  void set_time(EventTime time) { time_ = time; }
  EventTime time() const { return time_; }
  Output<T>& output() { return *output_; }

 private:
  void emit(const T& value, EventTime time, RowKind kind = RowKind::kInsert) {
    if (kContainsText<T> && copy_texts_) {
      output_->emit_copy(value, time, kind);
    } else {
      output_->emit(value, time, kind);
    }
  }
  Output<T>* output_;
  EventTime time_ = kNoTimestamp;
  bool copy_texts_;
};

}  // namespace sluice
