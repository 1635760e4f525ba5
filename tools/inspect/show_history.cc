#include "tools/inspect/show_history.h"

#include <fmt/format.h>

#include "core/time.h"

namespace sluice {
namespace {

const char* kind_name(const CheckpointStats& stats) {
  return stats.purpose == SnapshotPurpose::kSavepoint ? "savepoint" : "checkpoint";
}

std::string task_name(const CheckpointRecord& record, size_t i) {
  if (i < record.task_names.size() && !record.task_names[i].empty()) return record.task_names[i];
  const TaskId task = record.stats.subtasks[i].task;
  return fmt::format("vertex {} subtask {}", task.vertex.value, task.subtask);
}

Json record_json(const CheckpointRecord& record) {
  const CheckpointStats& stats = record.stats;
  Json subtasks = Json::array();
  for (size_t i = 0; i < stats.subtasks.size(); ++i) {
    const SubtaskCheckpointStats& subtask = stats.subtasks[i];
    Json entry = {{"task", task_name(record, i)},
                  {"vertex", subtask.task.vertex.value},
                  {"subtask", subtask.task.subtask},
                  {"acknowledged", subtask.acknowledged}};
    if (subtask.acknowledged) {
      entry["acknowledged_at"] = to_iso8601({subtask.acknowledged_ms});
      entry["alignment_ms"] = subtask.alignment_ms;
      entry["sync_ms"] = subtask.sync_ms;
      entry["async_ms"] = subtask.async_ms;
      entry["full_bytes"] = subtask.full_bytes;
      entry["new_bytes"] = subtask.incremental_bytes;
    }
    subtasks.push_back(std::move(entry));
  }
  return {{"id", stats.id.value},
          {"kind", kind_name(stats)},
          {"outcome", checkpoint_outcome_name(stats.outcome)},
          {"failure", stats.failure},
          {"run", record.job_id},
          {"triggered", to_iso8601({stats.triggered_ms})},
          {"duration_ms", stats.duration_ms()},
          {"alignment_ms", stats.alignment_ms()},
          {"sync_ms", stats.sync_ms()},
          {"async_ms", stats.async_ms()},
          {"full_bytes", stats.full_bytes()},
          {"new_bytes", stats.incremental_bytes()},
          {"acknowledged", stats.acknowledged()},
          {"subtasks", std::move(subtasks)}};
}

std::string subtask_lines(const CheckpointRecord& record) {
  std::string text;
  for (size_t i = 0; i < record.stats.subtasks.size(); ++i) {
    const SubtaskCheckpointStats& subtask = record.stats.subtasks[i];
    if (!subtask.acknowledged) {
      text += fmt::format("       {}: not acknowledged\n", task_name(record, i));
      continue;
    }
    text += fmt::format(
        "       {}: after {} ms, alignment {} ms, sync {} ms, async {} ms, {} bytes, "
        "{} new\n",
        task_name(record, i), subtask.acknowledged_ms - record.stats.triggered_ms,
        subtask.alignment_ms, subtask.sync_ms, subtask.async_ms, subtask.full_bytes,
        subtask.incremental_bytes);
  }
  return text;
}

}  // namespace

Json history_json(const std::vector<CheckpointRecord>& records) {
  Json list = Json::array();
  for (const CheckpointRecord& record : records) list.push_back(record_json(record));
  return list;
}

std::string history_text(const std::vector<CheckpointRecord>& records, bool subtasks) {
  constexpr const char* kRow =
      "{:>6} {:<10} {:<8} {:<24} {:>8} {:>9} {:>6} {:>7} {:>12} {:>12} {:>8}\n";
  std::string text = fmt::format(kRow, "id", "kind", "outcome", "triggered", "ms", "alignment",
                                 "sync", "async", "bytes", "new bytes", "subtasks");
  for (const CheckpointRecord& record : records) {
    const CheckpointStats& stats = record.stats;
    text += fmt::format(kRow, stats.id.value, kind_name(stats),
                        checkpoint_outcome_name(stats.outcome), to_iso8601({stats.triggered_ms}),
                        stats.duration_ms(), stats.alignment_ms(), stats.sync_ms(),
                        stats.async_ms(), stats.full_bytes(), stats.incremental_bytes(),
                        fmt::format("{}/{}", stats.acknowledged(), stats.subtasks.size()));
    if (!stats.failure.empty()) text += "       " + stats.failure + "\n";
    if (subtasks) text += subtask_lines(record);
  }
  return text;
}

}  // namespace sluice
