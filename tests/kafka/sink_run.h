// Drives one subtask of a sink by plain calls, the way a job would: rows, barriers, commits, and
// new runs from what a checkpoint held.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/sink.h"

namespace sluice {

template <class T>
class SinkRun {
 public:
  /// `from`: the checkpoint that the run starts from, with what it held for this subtask.
  explicit SinkRun(std::shared_ptr<const Sink<T>> sink, int subtask = 0, int parallelism = 1,
                   std::optional<CheckpointId> from = {}, const std::vector<Committable>& held = {})
      : sink_(std::move(sink)) {
    context_.task.job_name = "job";
    context_.task.operator_uid = "sink";
    context_.task.subtask = subtask;
    context_.task.parallelism = parallelism;
    context_.clock = &system_clock();
    context_.wake = [] {};
    context_.request_checkpoint = [this](CheckpointId after) { requested_after.push_back(after); };
    context_.restored_checkpoint = from;
    committer = sink_->create_committer();
    for (const Committable& committable : held) {
      recovered.push_back(committer->recommit(committable, error));
    }
    if (from) REQUIRE(committer->abort_unknown(held).is_ok());
    writer_ = sink_->create_writer();
    opened = writer_->open(context_);
  }
  ~SinkRun() { writer_->close(); }

  /// Whatever does not fit is written when the sink can go on.
  Status write(const std::vector<T>& rows, RowKind kind = RowKind::kInsert) {
    auto batch = TypedBatch<T>::make(static_cast<uint32_t>(rows.size()));
    for (const T& row : rows) batch->push(row, EventTime{1000}, kind);
    uint32_t row = 0;
    for (;;) {
      const auto written = writer_->write(*batch, row);
      if (!written.is_ok()) return written.status();
      if (*written == WriteState::kDone) return Status::ok();
    }
  }
  /// The committables of this checkpoint.
  std::vector<Committable> barrier(int64_t checkpoint) {
    auto prepared = writer_->prepare_commit(CheckpointId{checkpoint});
    REQUIRE_MESSAGE(prepared.is_ok(), prepared.status().to_string());
    std::vector<Committable> committables;
    for (std::string& data : *prepared) {
      committables.push_back({std::move(data), CheckpointId{checkpoint}, context_.task.subtask});
    }
    return committables;
  }
  CommitOutcome commit(const Committable& committable) {
    return committer->commit(committable, error);
  }
  /// Rows, a barrier and the commit of one checkpoint.
  void complete(const std::vector<T>& rows, int64_t checkpoint) {
    REQUIRE(write(rows).is_ok());
    for (const Committable& committable : barrier(checkpoint)) {
      const CommitOutcome outcome = commit(committable);
      REQUIRE_MESSAGE(outcome == CommitOutcome::kCommitted, error);
    }
  }

  Status opened;
  /// The writer's requests for a checkpoint.
  std::vector<CheckpointId> requested_after;
  std::vector<CommitOutcome> recovered;
  std::unique_ptr<Committer> committer;
  std::string error;

 private:
  std::shared_ptr<const Sink<T>> sink_;
  SinkContext context_;
  std::unique_ptr<SinkWriter<T>> writer_;
};

}  // namespace sluice
