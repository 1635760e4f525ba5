// Gives records new times and the stream new watermarks in the middle of a job.
//
// The strategy sees the records of this subtask in order of arrival, as one split. Watermarks from
// above are dropped, except the MAX watermark at the end of the input, as in Flink. Times are set
// in place when nobody else holds the batch.
#pragma once

#include <memory>
#include <utility>

#include "core/operator.h"
#include "operators/watermark_strategy.h"

namespace sluice {

template <class T>
class TimestampOperator final : public OperatorWithOutput<T> {
 public:
  explicit TimestampOperator(const WatermarkStrategy<T>& strategy)
      : timeline_(strategy.make_timeline()) {}

  Status open(OperatorContext& /*context*/) override { return Status::ok(); }

  Progress process(int /*input*/, StreamBatch& in, Cursor& /*cursor*/) override {
    if (this->outputs_full()) return Progress::kOutputFull;
    StreamBatch out;
    const bool ends = !in.marks.empty() && in.marks.back().watermark == kMaxTime;
    if (in.rows() > 0) {
      out.batch = in.batch->is_unique() ? std::move(in.batch) : copy_of(*in.batch);
      timeline_->stamp(batch_cast<T>(*out.batch), out.marks);
    }
    if (ends) add_mark(out.marks, out.rows(), kMaxTime);
    for (const Mark& mark : out.marks) this->sides_.mark(mark.watermark);
    this->out_.forward(std::move(out));
    return Progress::kDone;
  }

 private:
  static BatchPtr copy_of(const Batch& batch) {
    const auto& rows = batch_cast<T>(batch);
    auto copy = TypedBatch<T>::make(batch.rows());
    copy->share_arenas_of(batch);
    for (uint32_t row = 0; row < rows.rows(); ++row) {
      copy->push(rows[row], rows.time(row), rows.kind(row));
    }
    return copy;
  }

  std::unique_ptr<SplitTimeline<T>> timeline_;
};

template <class T>
OperatorFactory make_timestamp_operator(WatermarkStrategy<T> strategy) {
  return [strategy = std::move(strategy)]() -> std::unique_ptr<Operator> {
    return std::make_unique<TimestampOperator<T>>(strategy);
  };
}

}  // namespace sluice
