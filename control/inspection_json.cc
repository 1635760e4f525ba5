#include "control/inspection_json.h"

#include <nlohmann/json.hpp>

namespace sluice {

NLOHMANN_JSON_SERIALIZE_ENUM(TimeState, {{TimeState::kNoData, "no data"},
                                         {TimeState::kActive, "active"},
                                         {TimeState::kIdle, "idle"},
                                         {TimeState::kUnaligned, "unaligned"},
                                         {TimeState::kPaused, "paused"},
                                         {TimeState::kFinished, "finished"}})
NLOHMANN_JSON_SERIALIZE_ENUM(TaskActivity, {{TaskActivity::kNone, "none"},
                                            {TaskActivity::kBusy, "busy"},
                                            {TaskActivity::kIdle, "idle"},
                                            {TaskActivity::kBackPressured, "back-pressured"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(InputChannelLook, input, from_vertex, from_subtask,
                                                queued, watermark, since, state, blocked)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(OutputChannelLook, to_vertex, to_subtask, credit,
                                                in_flight, watermark)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SplitLook, id, watermark, since, records,
                                                last_record, state)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TaskDetails, looked, inputs, outputs, splits,
                                                splits_finished, waits_for_split)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TaskInspection, vertex, subtask, name, node, state,
                                                activity, activity_since, mailbox, rows_in,
                                                rows_out, bytes_out, queued, busy_ns,
                                                back_pressured_ns, idle_ns, watermark, state_bytes,
                                                details)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VertexInspection, id, name, parallelism,
                                                max_parallelism, is_source, is_sink)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EdgeInspection, from, to, to_input, partitioning)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(JobSummary, id, name, state, state_since, started,
                                                tasks, tasks_running, restarts, records_in,
                                                records_out, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FailureLook, at, attempt, task, node, error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SubtaskCheckpointLook, vertex, subtask,
                                                acknowledged, acknowledged_at, alignment_ms,
                                                sync_ms, async_ms, full_bytes, incremental_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CheckpointLook, id, purpose, outcome, triggered,
                                                duration_ms, alignment_ms, sync_ms, async_ms,
                                                full_bytes, incremental_bytes, acknowledged,
                                                failure, subtasks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(JobInspection, summary, looked, attempt,
                                                fingerprint, slots, checkpointing, restored_from,
                                                vertices, edges, tasks, failures, checkpoints)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ActorInspection, node, id, kind, job, label,
                                                mailbox, turns, active, running)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TaskManagerInspection, node, slots, slots_free,
                                                tasks, registered, heartbeat, resident_bytes, pid)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LogLine, at, text)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SteeringOutcome, state, path)

template <class T>
std::string to_json(const T& value, int indent) {
  // Names come from users: bytes that are no UTF-8 must not make a look fail.
  return nlohmann::json(value).dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class T>
Result<T> from_json(std::string_view text) {
  try {
    return nlohmann::json::parse(text).get<T>();
  } catch (const nlohmann::json::exception& error) {
    return Status::corruption(std::string("not the JSON that was expected: ") + error.what());
  }
}

#define SLUICE_INSPECTION_JSON(Type)                                              \
  template std::string to_json<Type>(const Type&, int);                           \
  template Result<Type> from_json<Type>(std::string_view);                        \
  template std::string to_json<std::vector<Type>>(const std::vector<Type>&, int); \
  template Result<std::vector<Type>> from_json<std::vector<Type>>(std::string_view);
SLUICE_INSPECTION_JSON(JobSummary)
SLUICE_INSPECTION_JSON(JobInspection)
SLUICE_INSPECTION_JSON(ActorInspection)
SLUICE_INSPECTION_JSON(TaskManagerInspection)
SLUICE_INSPECTION_JSON(TaskInspection)
SLUICE_INSPECTION_JSON(CheckpointLook)
SLUICE_INSPECTION_JSON(FailureLook)
SLUICE_INSPECTION_JSON(LogLine)
SLUICE_INSPECTION_JSON(SteeringOutcome)
#undef SLUICE_INSPECTION_JSON

}  // namespace sluice
