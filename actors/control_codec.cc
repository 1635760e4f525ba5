#include "actors/control_codec.h"

#include <utility>

#include "state/checkpoint_metadata.h"

namespace sluice {

void to_proto(TaskId id, proto::TaskRef& to) {
  to.set_vertex(id.vertex.value);
  to.set_subtask(id.subtask);
}

TaskId from_proto(const proto::TaskRef& from) { return {VertexId{from.vertex()}, from.subtask()}; }

void to_proto(const Status& status, proto::StatusInfo& to) {
  to.set_code(static_cast<int>(status.code()));
  if (status.is_ok()) return;
  to.set_message(status.message());
  to.set_may_retry(status.retry() == Retry::kWithBackoff);
}

Status from_proto(const proto::StatusInfo& from) {
  if (from.code() == 0) return Status::ok();
  const bool known =
      from.code() > 0 && from.code() <= static_cast<int>(StatusCode::kDeadlineExceeded);
  return Status::make(known ? static_cast<StatusCode>(from.code()) : StatusCode::kInternal,
                      from.message(), from.may_retry() ? Retry::kWithBackoff : Retry::kNever);
}

void to_proto(const Barrier& barrier, proto::BarrierInfo& to) {
  to.set_checkpoint(barrier.checkpoint.value);
  to.set_kind(static_cast<int>(barrier.kind));
  to.set_triggered_ms(barrier.triggered_ms);
  to.set_unaligned_from_ms(barrier.unaligned_from_ms);
  to.set_terminal(barrier.terminal);
  to.set_drain(barrier.drain);
}

Barrier from_proto(const proto::BarrierInfo& from) {
  Barrier barrier;
  barrier.checkpoint = CheckpointId{from.checkpoint()};
  barrier.kind = static_cast<CheckpointKind>(from.kind());
  barrier.triggered_ms = from.triggered_ms();
  barrier.unaligned_from_ms = from.unaligned_from_ms();
  barrier.terminal = from.terminal();
  barrier.drain = from.drain();
  return barrier;
}

void to_proto(const SourceSplit& split, proto::SplitInfo& to) {
  to.set_id(split.id);
  to.set_data(split.data);
}

SourceSplit from_proto(const proto::SplitInfo& from) { return {from.id(), from.data()}; }

void to_proto(const Committable& committable, proto::CommittableInfo& to) {
  to.set_data(committable.data);
  to.set_checkpoint(committable.checkpoint.value);
  to.set_subtask(committable.subtask);
}

Committable from_proto(const proto::CommittableInfo& from) {
  return {from.data(), CheckpointId{from.checkpoint()}, from.subtask()};
}

namespace {

/// A task's chains take the form of a checkpoint of one subtask: one format for both.
std::string encode_snapshot(const TaskSnapshot& snapshot, CheckpointId id) {
  CheckpointMetadata metadata;
  metadata.id = id;
  for (const OperatorChainPart& part : snapshot.operators) {
    OperatorState state;
    state.name = part.name;
    state.chains.uid = part.uid;
    if (!part.chain.files.empty()) {
      state.chains.max_parallelism = part.chain.files.front().identity.max_parallelism;
    }
    state.chains.subtasks.push_back(part.chain);
    metadata.operators.push_back(std::move(state));
  }
  return encode_metadata(metadata, "/");
}

Result<TaskSnapshotPtr> decode_snapshot(const std::string& bytes) {
  SLUICE_ASSIGN_OR_RETURN(CheckpointMetadata metadata, decode_metadata(bytes, "/_metadata"));
  auto snapshot = std::make_shared<TaskSnapshot>();
  for (OperatorState& state : metadata.operators) {
    if (state.chains.subtasks.size() != 1) {
      return Status::corruption("a snapshot of more than one subtask");
    }
    snapshot->operators.push_back(
        {state.chains.uid, state.name, std::move(state.chains.subtasks.front())});
  }
  return TaskSnapshotPtr(std::move(snapshot));
}

}  // namespace

void to_proto(const SnapshotOutcome& outcome, TaskId /*task*/, proto::CheckpointAcknowledged& to) {
  to.set_id(outcome.id.value);
  to_proto(outcome.status, *to.mutable_status());
  if (outcome.snapshot) to.set_snapshot(encode_snapshot(*outcome.snapshot, outcome.id));
  to.set_alignment_ms(outcome.stats.alignment_ms);
  to.set_sync_ms(outcome.stats.sync_ms);
  to.set_async_ms(outcome.stats.async_ms);
  to.set_full_bytes(outcome.stats.full_bytes);
  to.set_incremental_bytes(outcome.stats.incremental_bytes);
}

Result<SnapshotOutcome> from_proto(const proto::CheckpointAcknowledged& from, TaskId task) {
  SnapshotOutcome outcome;
  outcome.id = CheckpointId{from.id()};
  outcome.status = from_proto(from.status());
  outcome.stats.task = task;
  outcome.stats.alignment_ms = from.alignment_ms();
  outcome.stats.sync_ms = from.sync_ms();
  outcome.stats.async_ms = from.async_ms();
  outcome.stats.full_bytes = from.full_bytes();
  outcome.stats.incremental_bytes = from.incremental_bytes();
  if (outcome.status.is_ok()) {
    SLUICE_ASSIGN_OR_RETURN(outcome.snapshot, decode_snapshot(from.snapshot()));
  }
  return outcome;
}

}  // namespace sluice
