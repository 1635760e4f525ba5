// The tail of a chain: a sink's writer as an operator.
//
// With checkpoints it pre-commits at the barrier, keeps the committables of checkpoints that are
// not committed yet in its state, and commits all with id ≤ n when checkpoint n is complete
// (semantics rules 26 and 32); after a restore everything pending is committed again, which the
// committer recognises. A sink that may block commits beside the task, which takes rows meanwhile
// until kCheckpointsWaitingMax wait. Without checkpoints its committables go to the job, which
// commits them once every task has finished.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/fail_point.h"
#include "core/sink.h"
#include "operators/commit_thread.h"
#include "operators/source_operator.h"

namespace sluice {

template <class T>
class SinkOperator final : public Operator {
 public:
  explicit SinkOperator(std::shared_ptr<const Sink<T>> sink) : sink_(std::move(sink)) {}

  Status open(OperatorContext& context) override {
    context_ = &context;
    sink_context_.task = context.task;
    sink_context_.clock = context.clock;
    sink_context_.metrics = context.metrics;
    sink_context_.io = context.io;
    sink_context_.wake = context.wake;
    sink_context_.request_checkpoint = context.request_checkpoint;
    sink_context_.restored_checkpoint = context.restored_checkpoint;
    records_ = &context.metrics->counter("records_out");
    committer_ = sink_->create_committer();
    if (context.restored != nullptr) {
      sink_context_.restored = context.restored->items("writer");
      SLUICE_RETURN_IF_ERROR(recover(*context.restored));
    }
    writer_ = sink_->create_writer();
    SLUICE_RETURN_IF_ERROR(writer_->open(sink_context_));
    if (committer_ && context.checkpointing && sink_->may_block()) {
      beside_ = std::make_unique<CommitThread>(*committer_, context.wake);
    }
    return Status::ok();
  }
  void close() override {
    beside_.reset();
    if (writer_) writer_->close();
  }

  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    if (cursor.row < in.rows()) {
      const Status committed = take_committed();
      if (!committed.is_ok()) throw std::runtime_error(committed.to_string());
      // wake() follows when one is done.
      if (handed_over_ >= kCheckpointsWaitingMax) return Progress::kAwait;
      const auto& rows = batch_cast<T>(*in.batch);
      const uint32_t before = cursor.row;
      const auto written = writer_->write(rows, cursor.row);
      records_->add(cursor.row - before);
      if (!written.is_ok()) throw std::runtime_error(written.status().to_string());
      if (*written == WriteState::kFull) return Progress::kAwait;
      SLUICE_CHECK(cursor.row == in.rows());
    }
    return Progress::kDone;
  }
  Status on_idle() override {
    SLUICE_RETURN_IF_ERROR(take_committed());
    return writer_->flush();
  }

  Progress finish() override {
    finished_ = true;
    if (!context_->checkpointing) {
      const Status collected = collect_committables(CheckpointId{0});
      if (!collected.is_ok()) throw std::runtime_error(collected.to_string());
    }
    return Progress::kDone;
  }
  std::vector<Committable> take_committables() override {
    std::vector<Committable> taken;
    for (const auto& committable : std::exchange(pending_, {})) {
      taken.push_back(std::move(*committable));
    }
    return taken;
  }

  Status prepare_snapshot(CheckpointId checkpoint) override {
    return collect_committables(checkpoint);
  }
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId checkpoint) override;
  Status checkpoint_complete(CheckpointId checkpoint) override { return commit_up_to(checkpoint); }
  Status settle() override {
    if (beside_) beside_->wait();
    return take_committed();
  }

  int output_count() const override { return 0; }
  OutputBase& output(int /*index*/) override {
    SLUICE_CHECK_MSG(false, "a sink has no output");
    __builtin_unreachable();
  }

 private:
  Status collect_committables(CheckpointId checkpoint) {
    auto prepared = writer_->prepare_commit(checkpoint);
    if (!prepared.is_ok()) return prepared.status();
    for (std::string& data : *prepared) {
      pending_.push_back(std::make_shared<Committable>(
          Committable{std::move(data), checkpoint, context_->task.subtask}));
    }
    return Status::ok();
  }
  Status recover(SnapshotReader& restored);
  Status commit_up_to(CheckpointId checkpoint);
  void forget(size_t oldest) {
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(oldest);
    for (auto committable = pending_.begin(); committable != end; ++committable) {
      // A snapshot may still be writing it.
      if (committable->use_count() == 1) writer_->recycle(std::move((*committable)->data));
    }
    pending_.erase(pending_.begin(), end);
  }
  /// Forgets what the thread has committed; its failure, if it failed.
  Status take_committed() {
    if (!beside_) return Status::ok();
    const size_t done = beside_->take_committed();
    forget(done);
    handed_over_ -= done;
    return beside_->status();
  }

  /// Checkpoints whose rows are still being committed while the task goes on: one under way and the
  /// next, so that the committer never waits for the task.
  static constexpr size_t kCheckpointsWaitingMax = 2;

  std::shared_ptr<const Sink<T>> sink_;
  OperatorContext* context_ = nullptr;
  SinkContext sink_context_;
  std::unique_ptr<SinkWriter<T>> writer_;
  std::unique_ptr<Committer> committer_;
  Counter* records_ = nullptr;
  // Pre-commits in checkpoint order, not yet committed; the first handed_over_ are with beside_.
  std::vector<std::shared_ptr<Committable>> pending_;
  size_t handed_over_ = 0;
  std::unique_ptr<CommitThread> beside_;
  bool finished_ = false;
};

template <class T>
OperatorFactory make_sink_operator(std::shared_ptr<const Sink<T>> sink) {
  return [sink]() -> std::unique_ptr<Operator> { return std::make_unique<SinkOperator<T>>(sink); };
}

// ---- implementation -----------------------------------------------------------------------------

namespace detail {

/// Adds the committables of one stored item.
bool decode_committables(std::string_view bytes, std::vector<Committable>& committables);

/// State of a sink: committables that are not committed, and the writer's own items. The
/// committables are one item: whoever restores them commits all of them, in order.
class FrozenSink final : public FrozenState {
 public:
  FrozenSink(std::vector<std::shared_ptr<Committable>> committables,
             std::vector<std::string> writer_items, Redistribution writer_mode)
      : committables_(std::move(committables)),
        writer_items_(std::move(writer_items)),
        writer_mode_(writer_mode) {}
  Status write(SnapshotWriter& writer, bool incremental) override;

 private:
  std::vector<std::shared_ptr<Committable>> committables_;
  std::vector<std::string> writer_items_;
  Redistribution writer_mode_;
};

}  // namespace detail

template <class T>
Result<std::unique_ptr<FrozenState>> SinkOperator<T>::snapshot(CheckpointId checkpoint) {
  auto items = writer_->snapshot_state(checkpoint);
  if (!items.is_ok()) return items.status();
  return std::unique_ptr<FrozenState>(
      new detail::FrozenSink(pending_, std::move(items).value(), writer_->state_redistribution()));
}

template <class T>
Status SinkOperator<T>::recover(SnapshotReader& restored) {
  std::vector<Committable> known;
  for (const std::string& item : restored.items("committables")) {
    if (!detail::decode_committables(item, known)) {
      return Status::corruption("a stored committable of sink '" + sink_->name() +
                                "' cannot be read");
    }
  }
  if (!committer_) return Status::ok();
  for (const Committable& committable : known) {
    std::string error;
    const CommitOutcome outcome = committer_->recommit(committable, error);
    SLUICE_RETURN_IF_ERROR(commit_status(outcome, error));
  }
  return committer_->abort_unknown(known);
}

template <class T>
Status SinkOperator<T>::commit_up_to(CheckpointId checkpoint) {
  if (!committer_) {
    pending_.clear();
    return Status::ok();
  }
  SLUICE_RETURN_IF_ERROR(take_committed());
  while (handed_over_ < pending_.size() && pending_[handed_over_]->checkpoint <= checkpoint) {
    if (beside_) {
      beside_->add(pending_[handed_over_++]);
      continue;
    }
    SLUICE_RETURN_IF_ERROR(commit_one(*committer_, *pending_.front()));
    fail_point("commit_half_done");
    forget(1);
  }
  return Status::ok();
}

}  // namespace sluice
