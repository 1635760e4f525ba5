#include "actors/task_snapshots.h"

#include <utility>

#include "core/fail_point.h"

namespace sluice {
TaskSnapshots::TaskSnapshots(const TaskSpec& spec, std::shared_ptr<const CheckpointStorage> storage,
                             FileSystem* files, const Clock* clock)
    : id_(spec.id), info_(spec.info), storage_(std::move(storage)), files_(files), clock_(clock) {
  for (const StageSpec& stage : spec.stages) names_[stage.uid] = stage.name;
}

std::shared_ptr<SnapshotWork> TaskSnapshots::begin(const Barrier& barrier,
                                                   std::vector<OperatorSnapshot> states,
                                                   bool finished) {
  const SnapshotPurpose purpose = barrier.kind == CheckpointKind::kSavepoint
                                      ? SnapshotPurpose::kSavepoint
                                      : SnapshotPurpose::kCheckpoint;
  auto work = std::make_shared<SnapshotWork>();
  work->storage_ = storage_;
  work->files_ = files_;
  work->clock_ = clock_;
  work->attempt_ = info_.attempt;
  work->id_ = barrier.checkpoint;
  work->stats_.task = id_;
  for (OperatorSnapshot& state : states) {
    SnapshotWork::Part part;
    part.uid = state.uid;
    part.name = names_[state.uid];
    part.state = std::move(state.state);
    part.finished = finished;
    part.identity = {.checkpoint = barrier.checkpoint,
                     .operator_uid = state.uid,
                     .subtask = info_.subtask,
                     .parallelism = info_.parallelism,
                     .max_parallelism = info_.max_parallelism};
    auto base = lineages_[state.uid].frozen(barrier.checkpoint, purpose);
    // What does not live long is mostly erased again, which is more to write than what is left.
    if (base && part.state != nullptr && part.state->is_smaller_than_its_delta()) base.reset();
    part.identity.is_delta = base.has_value();
    if (base) part.base = std::move(*base);
    if (part.state != nullptr) part.state->will_write_once(part.identity.is_delta);
    work->parts_.push_back(std::move(part));
  }
  return work;
}

void TaskSnapshots::finished(const SnapshotOutcome& outcome) {
  if (!outcome.status.is_ok()) return;
  for (const OperatorChainPart& part : outcome.snapshot->operators) {
    lineages_[part.uid].written(outcome.id, part.chain);
  }
}

void TaskSnapshots::confirmed(CheckpointId id) {
  for (auto& [uid, lineage] : lineages_) lineage.confirmed(id);
}

SnapshotOutcome SnapshotWork::run() {
  const int64_t start_ns = clock_->steady_ns();
  SnapshotOutcome outcome;
  outcome.id = id_;
  auto snapshot = std::make_shared<TaskSnapshot>();
  for (Part& part : parts_) {
    OperatorChainPart written{part.uid, part.name, {}};
    const Status status = write(part, written);
    // State that is not needed any more is released at once, not with the last operator's.
    part.state.reset();
    if (!status.is_ok()) {
      outcome.status = status.with_prefix("state of operator " + part.name + ": ");
      return outcome;
    }
    for (const SnapshotFile& file : written.chain.files) {
      stats_.full_bytes += file.size;
      if (file.identity.checkpoint == id_) stats_.incremental_bytes += file.size;
    }
    snapshot->operators.push_back(std::move(written));
  }
  stats_.async_ms = (clock_->steady_ns() - start_ns) / 1'000'000;
  outcome.snapshot = std::move(snapshot);
  outcome.stats = stats_;
  fail_point("snapshot_written");
  return outcome;
}

Status SnapshotWork::write(Part& part, OperatorChainPart& to) const {
  to.chain.finished = part.finished;
  if (part.state == nullptr) return Status::ok();
  SnapshotFileWriter writer(
      *files_, storage_->state_path(id_, part.uid, part.identity.subtask, attempt_), part.identity);
  SLUICE_RETURN_IF_ERROR(part.state->write(writer, part.identity.is_delta));
  SLUICE_ASSIGN_OR_RETURN(SnapshotFile file, writer.finish());
  to.chain.files = std::move(part.base.files);
  to.chain.files.push_back(std::move(file));
  return Status::ok();
}

}  // namespace sluice
