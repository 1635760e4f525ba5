// Drives one operator with rows, watermarks and a clock that stands still, without task or actors
// (the idea of Flink's AbstractStreamOperatorTestHarness).
//
//   OperatorHarness<int64_t> harness(factory);
//   harness.open();
//   harness.push<Order>({order}, {time});
//   harness.watermark(10);
//   CHECK(harness.take() == ...);
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/operator.h"
#include "core/status.h"
#include "tests/support/memory_snapshot.h"

namespace sluice {

/// Runs everything at once on the caller's thread.
class InlineIoRunner final : public IoRunner {
 public:
  void run(std::function<void()> work) override { work(); }
};

/// A row that left an operator.
template <class T>
struct EmittedRow {
  T value;
  EventTime time;
  RowKind kind = RowKind::kInsert;
};

template <class Out>
class OperatorHarness {
 public:
  explicit OperatorHarness(const OperatorFactory& factory) : op_(factory()) {
    context_.task.operator_name = "under-test";
    context_.task.operator_uid = "under-test";
    context_.clock = &clock_;
    context_.metrics = &metrics_;
    context_.io = &io_;
    context_.wake = [this] { ++wakes_; };
  }
  ~OperatorHarness() {
    if (opened_) op_->close();
  }

  /// Small values force the operator to stop and resume all the time.
  void set_output_rows(uint32_t rows) { output_rows_ = rows; }
  OperatorContext& context() { return context_; }
  ManualClock& clock() { return clock_; }
  MetricGroup& metrics() { return metrics_; }
  Operator& op() { return *op_; }

  template <class Side>
  void add_side_output(int tag_id) {
    op_->add_side_output(tag_id, std::make_unique<Output<Side>>());
  }
  Status open(SnapshotReader* restored = nullptr) {
    context_.restored = restored;
    opened_ = true;
    for (int i = 0; i < op_->output_count(); ++i) op_->output(i).set_limits(1 << 16, output_rows_);
    Status status = op_->open(context_);
    context_.restored = nullptr;
    return status;
  }

  /// One batch with marks.
  template <class In>
  void push(const std::vector<In>& rows, const std::vector<int64_t>& times = {}, Marks marks = {},
            int input = 0) {
    auto batch = TypedBatch<In>::make(static_cast<uint32_t>(rows.size()) + 1);
    for (size_t i = 0; i < rows.size(); ++i) {
      batch->push_copy(rows[i], i < times.size() ? EventTime{times[i]} : kNoTimestamp);
    }
    push_batch({std::move(batch), std::move(marks)}, input);
  }
  void push_batch(StreamBatch batch, int input = 0) {
    Cursor cursor;
    drive([&] { return op_->process(input, batch, cursor); });
  }
  void watermark(int64_t time, int input = 0) {
    StreamBatch batch;
    batch.marks.push_back({0, EventTime{time}});
    push_batch(std::move(batch), input);
  }
  /// Moves the clock and fires processing timers.
  void advance_clock_to(int64_t now_ms) {
    clock_.set_ms(now_ms);
    if (op_->next_processing_timer() < now_ms) {
      drive([&] { return op_->on_processing_time(now_ms); });
    }
  }
  void end_of_input(int input = 0) { op_->end_of_input(input); }
  void finish() {
    drive([&] { return op_->finish(); });
  }

  /// Rows of the main output since the last call.
  std::vector<EmittedRow<Out>> take() { return std::exchange(rows_, {}); }
  std::vector<Out> take_values() {
    std::vector<Out> values;
    for (auto& row : take()) values.push_back(std::move(row.value));
    return values;
  }
  /// Watermarks on the main output since the last call.
  std::vector<int64_t> take_watermarks() { return std::exchange(watermarks_, {}); }
  template <class Side>
  std::vector<EmittedRow<Side>> take_side(int output_index) {
    std::vector<EmittedRow<Side>> rows;
    for (auto& held : side_batches_) {
      if (held.first != output_index || !held.second.batch) continue;
      append_rows<Side>(held.second, rows);
      kept_.push_back(std::move(held.second.batch));
      held.first = -1;
    }
    return rows;
  }

  MemorySnapshot snapshot(bool incremental = false) {
    MemorySnapshot snapshot;
    auto frozen = op_->snapshot(CheckpointId{++checkpoint_});
    SLUICE_CHECK_MSG(frozen.is_ok(), "snapshot failed");
    if (*frozen) SLUICE_CHECK((*frozen)->write(snapshot, incremental).is_ok());
    return snapshot;
  }

  /// How often the operator stopped because its output was full.
  int stops() const { return stops_; }
  /// Most rows ever waiting in the main output.
  uint32_t rows_waiting_max() const { return rows_waiting_max_; }
  int wakes() const { return wakes_; }
  bool is_awaiting() const { return awaiting_; }
  /// Keep only counts of emitted rows, for tests with millions of rows.
  void count_only() { count_only_ = true; }
  int64_t rows_emitted() const { return rows_emitted_; }

 private:
  template <class F>
  void drive(F&& call) {
    for (;;) {
      const Progress progress = call();
      collect();
      awaiting_ = progress == Progress::kAwait;
      if (progress != Progress::kOutputFull) return;
      ++stops_;
    }
  }
  void collect() {
    for (int i = 0; i < op_->output_count(); ++i) {
      OutputBase& output = op_->output(i);
      while (output.has_output()) {
        StreamBatch batch = output.take();
        if (i != 0) {
          side_batches_.push_back({i, std::move(batch)});
          continue;
        }
        rows_emitted_ += batch.rows();
        rows_waiting_max_ = std::max(rows_waiting_max_, batch.rows());
        for (const Mark& mark : batch.marks) watermarks_.push_back(mark.watermark.ms);
        if (count_only_ || !batch.batch) continue;
        append_rows<Out>(batch, rows_);
        // Texts of the rows live in the batch.
        kept_.push_back(std::move(batch.batch));
      }
    }
  }
  template <class T>
  static void append_rows(const StreamBatch& batch, std::vector<EmittedRow<T>>& rows) {
    const auto& typed = batch_cast<T>(*batch.batch);
    for (uint32_t row = 0; row < typed.rows(); ++row) {
      rows.push_back({typed[row], typed.time(row), typed.kind(row)});
    }
  }

  ManualClock clock_;
  MetricGroup metrics_;
  InlineIoRunner io_;
  OperatorContext context_;
  std::unique_ptr<Operator> op_;
  std::vector<EmittedRow<Out>> rows_;
  std::vector<int64_t> watermarks_;
  std::vector<std::pair<int, StreamBatch>> side_batches_;
  std::vector<BatchPtr> kept_;
  uint32_t output_rows_ = 0;
  uint32_t rows_waiting_max_ = 0;
  int64_t rows_emitted_ = 0;
  int64_t checkpoint_ = 0;
  int stops_ = 0;
  int wakes_ = 0;
  bool opened_ = false;
  bool awaiting_ = false;
  bool count_only_ = false;
};

}  // namespace sluice
