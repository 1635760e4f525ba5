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

void to_proto(const ControlStamp& sent, proto::ControlSent& to) {
  to.set_registration(sent.registration);
  to.set_messages(sent.number);
}

ControlStamp from_proto(const proto::ControlSent& from) {
  return {from.registration(), from.messages()};
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

// ---- details of tasks ---------------------------------------------------------------------------

namespace {

TimeState time_state_of(int value) {
  const bool is_known = value >= 0 && value <= static_cast<int>(TimeState::kFinished);
  return is_known ? static_cast<TimeState>(value) : TimeState::kNoData;
}

SplitLook split_of(const proto::SplitDetails& from) {
  return {from.id(),      from.watermark_ms(),   from.since_ms(),
          from.records(), from.last_record_ms(), time_state_of(from.state())};
}

}  // namespace

void to_proto(const TaskDetails& details, proto::TaskDetails& to) {
  to.set_looked_ms(details.looked);
  for (const InputChannelLook& input : details.inputs) {
    auto& one = *to.add_inputs();
    one.set_input(input.input);
    one.set_queued(input.queued);
    one.set_watermark_ms(input.watermark);
    one.set_since_ms(input.since);
    one.set_state(static_cast<int>(input.state));
    one.set_blocked(input.blocked);
  }
  for (const OutputChannelLook& output : details.outputs) {
    auto& one = *to.add_outputs();
    one.set_credit(output.credit);
    one.set_watermark_ms(output.watermark);
  }
  for (const SplitLook& split : details.splits) {
    if (to.splits_size() >= kSplitsShownMax) break;
    auto& one = *to.add_splits();
    one.set_id(split.id);
    one.set_watermark_ms(split.watermark);
    one.set_since_ms(split.since);
    one.set_records(split.records);
    one.set_last_record_ms(split.last_record);
    one.set_state(static_cast<int>(split.state));
  }
  to.set_splits_finished(details.splits_finished);
  to.set_waits_for_split(details.waits_for_split);
}

TaskDetails from_proto(const proto::TaskDetails& from) {
  TaskDetails details;
  details.looked = from.looked_ms();
  for (const auto& one : from.inputs()) {
    InputChannelLook& input = details.inputs.emplace_back();
    input.input = one.input();
    input.queued = one.queued();
    input.watermark = one.watermark_ms();
    input.since = one.since_ms();
    input.state = time_state_of(one.state());
    input.blocked = one.blocked();
  }
  for (const auto& one : from.outputs()) {
    OutputChannelLook& output = details.outputs.emplace_back();
    output.credit = one.credit();
    output.watermark = one.watermark_ms();
  }
  for (const auto& one : from.splits()) details.splits.push_back(split_of(one));
  details.splits_finished = from.splits_finished();
  details.waits_for_split = from.waits_for_split();
  return details;
}

TaskActivity activity_of(int value) {
  const bool is_known = value >= 0 && value <= static_cast<int>(TaskActivity::kBackPressured);
  return is_known ? static_cast<TaskActivity>(value) : TaskActivity::kNone;
}

}  // namespace sluice
