// What can be seen of running jobs from outside: plain data, made by the runtime, shown by tools.
//
// Times are wall ms since the epoch, 0 = never. Watermarks are event time in ms: kMinTime.ms while
// nothing is known, kMaxTime.ms at the end of the input. Counters only grow; rates and shares are
// differences of two looks. Names of fields are those of the JSON form (control/inspection_json.h):
// adding one is compatible, renaming is not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/time.h"

namespace sluice {

/// What a source of event time is doing.
enum class TimeState {
  kNoData,     // It counts, and has not said anything yet.
  kActive,     // It counts.
  kIdle,       // It does not count: no records for the idle timeout.
  kUnaligned,  // It came back from idleness and has to catch up before it counts.
  kPaused,     // Too far ahead of its alignment group; not read for now.
  kFinished,
};

/// One input channel of a task.
struct InputChannelLook {
  int input = 0;
  int from_vertex = 0;
  int from_subtask = 0;
  int64_t queued = 0;  // Elements that wait here.
  int64_t watermark = kMinTime.ms;
  int64_t since = 0;  // When the watermark rose to this value.
  TimeState state = TimeState::kNoData;
  bool blocked = false;  // Waits for the barriers of other channels.
};

/// One output channel of a task.
struct OutputChannelLook {
  int to_vertex = 0;
  int to_subtask = 0;
  int64_t credit = 0;               // Batches it may send.
  int64_t in_flight = 0;            // Batches sent and not yet consumed.
  int64_t watermark = kMinTime.ms;  // The last one sent.
};

/// One split that a source subtask reads.
struct SplitLook {
  std::string id;
  int64_t watermark = kMinTime.ms;
  int64_t since = 0;
  int64_t records = 0;
  int64_t last_record = 0;
  TimeState state = TimeState::kNoData;
};

/// What only the task itself knows, as of `looked`.
struct TaskDetails {
  int64_t looked = 0;  // 0: it has not answered yet.
  std::vector<InputChannelLook> inputs;
  std::vector<OutputChannelLook> outputs;
  std::vector<SplitLook> splits;  // Not finished ones.
  int64_t splits_finished = 0;
  /// A source subtask that has no split and was not told whether it gets one: event time waits.
  bool waits_for_split = false;
};

enum class TaskActivity { kNone, kBusy, kIdle, kBackPressured };

struct TaskInspection {
  int vertex = 0;
  int subtask = 0;
  std::string name;  // "csv_file -> map (2/4)".
  std::string node;
  std::string state;  // "DEPLOYING", "RUNNING", "FINISHED", "ENDED".
  TaskActivity activity = TaskActivity::kNone;
  int64_t activity_since = 0;
  int64_t mailbox = 0;  // Messages its actor has not looked at.
  int64_t rows_in = 0;
  int64_t rows_out = 0;
  int64_t bytes_out = 0;
  int64_t queued = 0;  // Elements in all its input channels.
  int64_t busy_ns = 0;
  int64_t back_pressured_ns = 0;
  int64_t idle_ns = 0;
  int64_t watermark = kMinTime.ms;
  int64_t state_bytes = 0;
  TaskDetails details;
};

struct VertexInspection {
  int id = 0;
  std::string name;
  int parallelism = 0;
  int max_parallelism = 0;
  bool is_source = false;
  bool is_sink = false;
};

struct EdgeInspection {
  int from = 0;
  int to = 0;
  int to_input = 0;
  std::string partitioning;
};

/// A line of `sluice list`.
struct JobSummary {
  std::string id;
  std::string name;
  std::string state;  // "RUNNING", ...
  int64_t state_since = 0;
  int64_t started = 0;
  int64_t tasks = 0;
  int64_t tasks_running = 0;
  int64_t restarts = 0;
  int64_t records_in = 0;
  int64_t records_out = 0;
  /// Why it waits or failed; empty when there is nothing to say.
  std::string reason;
};

struct FailureLook {
  int64_t at = 0;
  int64_t attempt = 0;
  std::string task;  // Empty: of the job as a whole.
  std::string node;
  std::string error;
};

struct SubtaskCheckpointLook {
  int vertex = 0;
  int subtask = 0;
  bool acknowledged = false;
  int64_t acknowledged_at = 0;
  int64_t alignment_ms = 0;
  int64_t sync_ms = 0;
  int64_t async_ms = 0;
  int64_t full_bytes = 0;
  int64_t incremental_bytes = 0;
};

struct CheckpointLook {
  int64_t id = 0;
  std::string purpose;  // "checkpoint", "savepoint".
  std::string outcome;  // "pending", "complete", "failed".
  int64_t triggered = 0;
  int64_t duration_ms = 0;
  int64_t alignment_ms = 0;
  int64_t sync_ms = 0;
  int64_t async_ms = 0;
  int64_t full_bytes = 0;
  int64_t incremental_bytes = 0;
  int64_t acknowledged = 0;
  std::string failure;
  std::vector<SubtaskCheckpointLook> subtasks;
};

struct JobInspection {
  JobSummary summary;
  int64_t looked = 0;  // Wall time of this look.
  int64_t attempt = 0;
  std::string fingerprint;
  int64_t slots = 0;  // How many it needs.
  bool checkpointing = false;
  std::string restored_from;
  std::vector<VertexInspection> vertices;
  std::vector<EdgeInspection> edges;
  std::vector<TaskInspection> tasks;
  std::vector<FailureLook> failures;        // Oldest first.
  std::vector<CheckpointLook> checkpoints;  // Pending ones last.
};

struct ActorInspection {
  std::string node;
  int64_t id = 0;
  std::string kind;  // "task", "job_master", ...
  std::string job;   // Id of its job; empty: of the process.
  std::string label;
  int64_t mailbox = 0;
  int64_t turns = 0;     // How often it was given a thread.
  int64_t active = 0;    // Wall time of its last turn.
  bool running = false;  // It has a thread now.
};

struct TaskManagerInspection {
  std::string node;
  int64_t slots = 0;
  int64_t slots_free = 0;
  int64_t tasks = 0;
  int64_t registered = 0;
  int64_t heartbeat = 0;
  int64_t resident_bytes = 0;
  int64_t pid = 0;
};

struct LogLine {
  int64_t at = 0;
  std::string text;
};

/// What a savepoint, a stop or a cancel led to.
struct SteeringOutcome {
  std::string state;  // Of the job afterwards.
  std::string path;   // Of the snapshot; empty when there is none.
};

}  // namespace sluice
