// The tail of a chain: a sink's writer as an operator.
//
// With checkpoints it pre-commits at the barrier, keeps the committables of checkpoints that are
// not complete yet in its state, and commits all with id ≤ n when checkpoint n is complete
// (semantics rules 26 and 32); after a restore everything pending is committed again, which the
// committer recognises. Without checkpoints its committables go to the job, which commits them once
// every task has finished.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/fail_point.h"
#include "core/sink.h"
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
    sink_context_.restored_checkpoint = context.restored_checkpoint;
    records_ = &context.metrics->counter("records_out");
    committer_ = sink_->create_committer();
    if (context.restored != nullptr) {
      sink_context_.restored = context.restored->items("writer");
      SLUICE_RETURN_IF_ERROR(recover(*context.restored));
    }
    writer_ = sink_->create_writer();
    return writer_->open(sink_context_);
  }
  void close() override {
    if (writer_) writer_->close();
  }

  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    if (cursor.row < in.rows()) {
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
  Status on_idle() override { return writer_->flush(); }

  Progress finish() override {
    finished_ = true;
    if (!context_->checkpointing) {
      const Status collected = collect_committables(CheckpointId{0});
      if (!collected.is_ok()) throw std::runtime_error(collected.to_string());
    }
    return Progress::kDone;
  }
  std::vector<Committable> take_committables() override { return std::move(pending_); }

  Status prepare_snapshot(CheckpointId checkpoint) override {
    return collect_committables(checkpoint);
  }
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId checkpoint) override;
  Status checkpoint_complete(CheckpointId checkpoint) override { return commit_up_to(checkpoint); }

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
      pending_.push_back({std::move(data), checkpoint, context_->task.subtask});
    }
    return Status::ok();
  }
  Status recover(SnapshotReader& restored);
  Status commit_up_to(CheckpointId checkpoint);

  std::shared_ptr<const Sink<T>> sink_;
  OperatorContext* context_ = nullptr;
  SinkContext sink_context_;
  std::unique_ptr<SinkWriter<T>> writer_;
  std::unique_ptr<Committer> committer_;
  Counter* records_ = nullptr;
  // Pre-commits in checkpoint order, not yet committed.
  std::vector<Committable> pending_;
  bool finished_ = false;
};

template <class T>
OperatorFactory make_sink_operator(std::shared_ptr<const Sink<T>> sink) {
  return [sink]() -> std::unique_ptr<Operator> { return std::make_unique<SinkOperator<T>>(sink); };
}

// ---- implementation -----------------------------------------------------------------------------

namespace detail {

std::string encode_committable(const Committable& committable);
bool decode_committable(std::string_view bytes, Committable& committable);
/// What an outcome means to the task. OK when the committable is visible now.
Status commit_status(CommitOutcome outcome, const std::string& error);

/// State of a sink: committables of checkpoints that are not complete, and the writer's own items.
class FrozenSink final : public FrozenState {
 public:
  FrozenSink(std::vector<std::string> committables, std::vector<std::string> writer_items,
             Redistribution writer_mode)
      : committables_(std::move(committables)),
        writer_items_(std::move(writer_items)),
        writer_mode_(writer_mode) {}
  Status write(SnapshotWriter& writer, bool incremental) override {
    SLUICE_RETURN_IF_ERROR(FrozenItems("committables", Redistribution::kSplit, committables_)
                               .write(writer, incremental));
    return FrozenItems("writer", writer_mode_, writer_items_).write(writer, incremental);
  }

 private:
  std::vector<std::string> committables_;
  std::vector<std::string> writer_items_;
  Redistribution writer_mode_;
};

}  // namespace detail

template <class T>
Result<std::unique_ptr<FrozenState>> SinkOperator<T>::snapshot(CheckpointId checkpoint) {
  auto items = writer_->snapshot_state(checkpoint);
  if (!items.is_ok()) return items.status();
  std::vector<std::string> committables;
  for (const Committable& committable : pending_) {
    committables.push_back(detail::encode_committable(committable));
  }
  return std::unique_ptr<FrozenState>(new detail::FrozenSink(
      std::move(committables), std::move(items).value(), writer_->state_redistribution()));
}

template <class T>
Status SinkOperator<T>::recover(SnapshotReader& restored) {
  std::vector<Committable> known;
  for (const std::string& item : restored.items("committables")) {
    Committable committable;
    if (!detail::decode_committable(item, committable)) {
      return Status::corruption("a stored committable of sink '" + sink_->name() +
                                "' cannot be read");
    }
    if (!committer_) continue;
    std::string error;
    const CommitOutcome outcome = committer_->recommit(committable, error);
    SLUICE_RETURN_IF_ERROR(detail::commit_status(outcome, error));
    known.push_back(std::move(committable));
  }
  return committer_ ? committer_->abort_unknown(known) : Status::ok();
}

template <class T>
Status SinkOperator<T>::commit_up_to(CheckpointId checkpoint) {
  if (!committer_) {
    pending_.clear();
    return Status::ok();
  }
  size_t done = 0;
  Status failed;
  for (; done < pending_.size() && pending_[done].checkpoint <= checkpoint; ++done) {
    std::string error;
    const CommitOutcome outcome = committer_->commit(pending_[done], error);
    failed = detail::commit_status(outcome, error);
    if (!failed.is_ok()) break;
    fail_point("commit_half_done");
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(done));
  return failed;
}

}  // namespace sluice
