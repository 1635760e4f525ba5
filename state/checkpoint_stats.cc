#include "state/checkpoint_stats.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace sluice {
namespace {

template <class Field>
int64_t slowest(const std::vector<SubtaskCheckpointStats>& subtasks, Field field) {
  int64_t most = 0;
  for (const auto& subtask : subtasks) most = std::max(most, subtask.*field);
  return most;
}

template <class Field>
uint64_t sum(const std::vector<SubtaskCheckpointStats>& subtasks, Field field) {
  uint64_t all = 0;
  for (const auto& subtask : subtasks) all += subtask.*field;
  return all;
}

std::string mebibytes(uint64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f MiB", static_cast<double>(bytes) / (1 << 20));
  return text.data();
}

}  // namespace

const char* checkpoint_outcome_name(CheckpointOutcome outcome) {
  switch (outcome) {
    case CheckpointOutcome::kPending:
      return "pending";
    case CheckpointOutcome::kComplete:
      return "complete";
    case CheckpointOutcome::kFailed:
      return "failed";
  }
  return "";
}

int CheckpointStats::acknowledged() const {
  return static_cast<int>(std::count_if(subtasks.begin(), subtasks.end(),
                                        [](const auto& subtask) { return subtask.acknowledged; }));
}
int64_t CheckpointStats::alignment_ms() const {
  return slowest(subtasks, &SubtaskCheckpointStats::alignment_ms);
}
int64_t CheckpointStats::sync_ms() const {
  return slowest(subtasks, &SubtaskCheckpointStats::sync_ms);
}
int64_t CheckpointStats::async_ms() const {
  return slowest(subtasks, &SubtaskCheckpointStats::async_ms);
}
uint64_t CheckpointStats::full_bytes() const {
  return sum(subtasks, &SubtaskCheckpointStats::full_bytes);
}
uint64_t CheckpointStats::incremental_bytes() const {
  return sum(subtasks, &SubtaskCheckpointStats::incremental_bytes);
}

std::string CheckpointStats::to_line() const {
  std::string line = purpose == SnapshotPurpose::kSavepoint ? "savepoint " : "checkpoint ";
  line += std::to_string(id.value) + " " + checkpoint_outcome_name(outcome) + " after " +
          std::to_string(duration_ms()) + " ms: " + std::to_string(acknowledged()) + "/" +
          std::to_string(subtasks.size()) + " subtasks";
  if (!failure.empty()) return line + ": " + failure;
  return line + ", alignment " + std::to_string(alignment_ms()) + " ms, sync " +
         std::to_string(sync_ms()) + " ms, async " + std::to_string(async_ms()) + " ms, " +
         mebibytes(full_bytes()) + " (" + mebibytes(incremental_bytes()) + " new)";
}

}  // namespace sluice
