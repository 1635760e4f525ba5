#include "core/output.h"

namespace sluice {

StreamBatch OutputBase::take() {
  if (!sealed_.empty()) {
    StreamBatch oldest = std::move(sealed_.front());
    sealed_.pop_front();
    return oldest;
  }
  StreamBatch result;
  if (rows_building() > 0) result.batch = std::move(building_);
  building_ = rows_building() > 0 ? BatchPtr() : std::move(building_);
  result.marks = std::move(marks_);
  marks_.clear();
  return result;
}

void OutputBase::seal() {
  if (rows_building() == 0 && marks_.empty()) return;
  StreamBatch built;
  if (rows_building() > 0) built.batch = std::move(building_);
  built.marks = std::move(marks_);
  marks_.clear();
  sealed_.push_back(std::move(built));
}

const std::deque<StreamBatch>& OutputBase::queued() {
  seal();
  return sealed_;
}

void OutputBase::forward(StreamBatch batch) {
  if (discarding_) return;
  // Keep the order: what was built so far leaves first.
  seal();
  if (!batch.is_empty()) sealed_.push_back(std::move(batch));
}

void OutputBase::recycle(BatchPtr batch) {
  if (spare_ || !batch || &batch->type() != &type() || !batch->is_unique()) return;
  batch->reset(row_limit_);
  spare_ = std::move(batch);
}

void OutputBase::start_batch() {
  if (spare_) {
    building_ = std::move(spare_);
    building_->reset(row_limit_);
  } else {
    building_ = type().make_batch(row_limit_);
  }
}

}  // namespace sluice
