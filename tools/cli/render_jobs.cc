#include "tools/cli/render_jobs.h"

#include <algorithm>

#include "tools/cli/human_text.h"

namespace sluice {

std::string render_list(const std::vector<ListedJob>& jobs, int64_t now_ms) {
  if (jobs.empty()) return "no job is running\n";
  TextTable table(
      {"ID", "NAME", "STATE", "SINCE", "TASKS", "RECORDS IN", "OUT", "RESTARTS", "NODE"});
  table.align_right({4, 5, 6, 7});
  for (const ListedJob& job : jobs) {
    const JobSummary& summary = job.summary;
    table.add({summary.id, summary.name, summary.state, ago_text(summary.state_since, now_ms),
               std::to_string(summary.tasks_running) + "/" + std::to_string(summary.tasks),
               std::to_string(summary.records_in), std::to_string(summary.records_out),
               std::to_string(summary.restarts), job.node});
  }
  return table.to_text();
}

namespace {

std::string checkpoint_line(const CheckpointLook& checkpoint, int64_t now_ms) {
  return checkpoint.purpose + " " + std::to_string(checkpoint.id) + " " + checkpoint.outcome +
         " after " + duration_text(checkpoint.duration_ms) + ", " +
         ago_text(checkpoint.triggered, now_ms) + ", " + bytes_text(checkpoint.full_bytes);
}

const CheckpointLook* last_with(const JobInspection& job, const char* outcome) {
  const auto found =
      std::find_if(job.checkpoints.rbegin(), job.checkpoints.rend(),
                   [&](const CheckpointLook& checkpoint) { return checkpoint.outcome == outcome; });
  return found == job.checkpoints.rend() ? nullptr : &*found;
}

}  // namespace

std::string render_status(const JobInspection& job) {
  const JobSummary& summary = job.summary;
  std::string text = summary.name + " (" + summary.id + ") " + summary.state;
  if (summary.state_since > 0) text += " for " + duration_text(job.looked - summary.state_since);
  text += "\n";
  const auto line = [&](std::string left, const std::string& right) {
    left.resize(13, ' ');
    text += "  " + left + single_line(right) + "\n";
  };
  if (!summary.reason.empty()) line("reason", summary.reason);
  line("started",
       wall_time_text(summary.started) + " (" + ago_text(summary.started, job.looked) + ")");
  line("tasks", std::to_string(summary.tasks_running) + " of " + std::to_string(summary.tasks) +
                    " running, attempt " + std::to_string(job.attempt) + ", " +
                    std::to_string(summary.restarts) + " restarts");
  line("records",
       std::to_string(summary.records_in) + " in, " + std::to_string(summary.records_out) + " out");
  int64_t state_bytes = 0;
  for (const TaskInspection& task : job.tasks) state_bytes += task.state_bytes;
  line("state", bytes_text(state_bytes));
  if (!job.restored_from.empty()) line("restored", "from " + job.restored_from);
  if (!job.checkpointing) {
    line("checkpoints", "off");
  } else {
    const CheckpointLook* complete = last_with(job, "complete");
    line("checkpoints",
         complete == nullptr ? "none complete yet" : checkpoint_line(*complete, job.looked));
    const CheckpointLook* failed = last_with(job, "failed");
    if (failed != nullptr && (complete == nullptr || failed->id > complete->id)) {
      line("", checkpoint_line(*failed, job.looked) + ": " + failed->failure);
    }
  }
  if (!job.failures.empty()) {
    const FailureLook& failure = job.failures.back();
    line("last failure", ago_text(failure.at, job.looked) + ": " + failure.error);
  }
  line("plan", job.fingerprint);
  for (const VertexInspection& vertex : job.vertices) {
    text += "    [" + std::to_string(vertex.id) + "] " + vertex.name + " x" +
            std::to_string(vertex.parallelism) + "\n";
  }
  return text;
}

std::string render_checkpoints(const JobInspection& job, bool subtasks) {
  if (!job.checkpointing && job.checkpoints.empty()) {
    return "the job takes no checkpoints\n";
  }
  if (job.checkpoints.empty()) return "no checkpoint yet\n";
  TextTable table({"ID", "PURPOSE", "OUTCOME", "TRIGGERED", "DURATION", "ALIGNMENT", "SYNC",
                   "ASYNC", "SIZE", "NEW", "SUBTASKS", "REASON"});
  table.align_right({0, 4, 5, 6, 7, 8, 9, 10});
  for (const CheckpointLook& one : job.checkpoints) {
    table.add({std::to_string(one.id), one.purpose, one.outcome, wall_time_text(one.triggered),
               duration_text(one.duration_ms), duration_text(one.alignment_ms),
               duration_text(one.sync_ms), duration_text(one.async_ms), bytes_text(one.full_bytes),
               bytes_text(one.incremental_bytes),
               std::to_string(one.acknowledged) + "/" + std::to_string(one.subtasks.size()),
               single_line(one.failure)});
    if (!subtasks) continue;
    for (const SubtaskCheckpointLook& part : one.subtasks) {
      std::string name = std::to_string(part.vertex) + "-" + std::to_string(part.subtask);
      for (const TaskInspection& task : job.tasks) {
        if (task.vertex == part.vertex && task.subtask == part.subtask) name = task.name;
      }
      table.add({"", "  " + name, part.acknowledged ? "acknowledged" : "missing",
                 wall_time_text(part.acknowledged_at), "", duration_text(part.alignment_ms),
                 duration_text(part.sync_ms), duration_text(part.async_ms),
                 bytes_text(part.full_bytes), bytes_text(part.incremental_bytes), "", ""});
    }
  }
  return table.to_text();
}

std::string render_failures(const JobInspection& job) {
  if (job.failures.empty()) return "no failure\n";
  TextTable table({"AT", "ATTEMPT", "TASK", "NODE", "ERROR"});
  table.align_right({1});
  for (const FailureLook& failure : job.failures) {
    table.add({wall_time_text(failure.at), std::to_string(failure.attempt),
               failure.task.empty() ? "(job)" : failure.task,
               failure.node.empty() ? "-" : failure.node, single_line(failure.error)});
  }
  return table.to_text();
}

std::string render_task_managers(const std::vector<TaskManagerInspection>& task_managers,
                                 int64_t now_ms) {
  if (task_managers.empty()) return "no TaskManager has registered\n";
  TextTable table({"NODE", "PID", "SLOTS", "FREE", "TASKS", "MEMORY", "HEARTBEAT", "REGISTERED"});
  table.align_right({1, 2, 3, 4, 5, 6});
  for (const TaskManagerInspection& one : task_managers) {
    table.add({one.node, std::to_string(one.pid), std::to_string(one.slots),
               std::to_string(one.slots_free), std::to_string(one.tasks),
               bytes_text(one.resident_bytes), ago_text(one.heartbeat, now_ms),
               wall_time_text(one.registered)});
  }
  return table.to_text();
}

std::string render_log(const std::vector<LogLine>& lines) {
  std::string text;
  for (const LogLine& line : lines) text += wall_time_text(line.at) + "  " + line.text + "\n";
  return text;
}

}  // namespace sluice
