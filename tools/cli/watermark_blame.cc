#include "tools/cli/watermark_blame.h"

#include <algorithm>
#include <set>

#include "tools/cli/human_text.h"

namespace sluice {
namespace {

const char* time_state_name(TimeState state) {
  switch (state) {
    case TimeState::kNoData:
      return "no data";
    case TimeState::kActive:
      return "active";
    case TimeState::kIdle:
      return "idle";
    case TimeState::kUnaligned:
      return "unaligned";
    case TimeState::kPaused:
      return "paused";
    case TimeState::kFinished:
      return "finished";
  }
  return "?";
}

const char* activity_name(TaskActivity activity) {
  switch (activity) {
    case TaskActivity::kNone:
      return "not started";
    case TaskActivity::kBusy:
      return "busy";
    case TaskActivity::kIdle:
      return "idle";
    case TaskActivity::kBackPressured:
      return "back-pressured";
  }
  return "?";
}

bool counts(TimeState state) { return state == TimeState::kActive || state == TimeState::kNoData; }

/// Follows one chain; all members describe where it has got to.
class BlameWalk {
 public:
  BlameWalk(const JobInspection& job, BlameChain& chain) : job_(job), chain_(chain) {}

  void walk(const TaskInspection* task) {
    std::set<const TaskInspection*> seen;
    while (task != nullptr && seen.insert(task).second) {
      add_task(*task);
      if (task->details.looked == 0) {
        return blame(task->name, "it does not answer: " + doing(*task));
      }
      if (task->state == "FINISHED") return blame(task->name, "it has finished");
      if (is_source(*task)) return walk_source(*task);
      task = walk_inputs(*task);
    }
  }

 private:
  bool is_source(const TaskInspection& task) const {
    return std::any_of(job_.vertices.begin(), job_.vertices.end(), [&](const auto& vertex) {
      return vertex.id == task.vertex && vertex.is_source;
    });
  }
  const TaskInspection* find(int vertex, int subtask) const {
    for (const TaskInspection& task : job_.tasks) {
      if (task.vertex == vertex && task.subtask == subtask) return &task;
    }
    return nullptr;
  }
  std::string for_how_long(int64_t since) const { return duration_text(job_.looked - since); }
  std::string doing(const TaskInspection& task) const {
    return std::string(activity_name(task.activity)) + " for " + for_how_long(task.activity_since);
  }
  void blame(const std::string& culprit, const std::string& reason) {
    chain_.culprit = culprit;
    chain_.reason = reason;
  }
  void add_task(const TaskInspection& task) {
    chain_.steps.push_back({"task", task.name, 0, task.watermark, 0, doing(task)});
  }

  void walk_source(const TaskInspection& task) {
    const SplitLook* slowest = nullptr;
    for (const SplitLook& split : task.details.splits) {
      if (!counts(split.state)) continue;
      if (slowest == nullptr || split.watermark < slowest->watermark) slowest = &split;
    }
    if (slowest == nullptr) {
      if (task.details.waits_for_split) {
        blame(task.name, "it has no split and has not been told whether it gets one");
      } else {
        blame(task.name, "none of its splits counts: all are idle, paused or finished");
      }
      return;
    }
    chain_.steps.push_back({"split", slowest->id, 0, slowest->watermark, slowest->since,
                            time_state_name(slowest->state)});
    blame_split(task, *slowest);
  }

  void blame_split(const TaskInspection& task, const SplitLook& split) {
    const std::string name = "split '" + split.id + "' of " + task.name;
    if (split.records == 0) {
      return blame(name,
                   "it has given no record yet; with_idleness() would let event time pass it by");
    }
    if (task.activity == TaskActivity::kBackPressured) {
      return blame(name, "its task waits for the tasks behind it: " + doing(task));
    }
    const int64_t quiet_ms = job_.looked - split.last_record;
    if (quiet_ms >= kStuckMs) {
      return blame(name, "no records for " + duration_text(quiet_ms) +
                             "; with_idleness() would let event time pass it by");
    }
    if (job_.looked - split.since >= kStuckMs) {
      return blame(name, "records come, and none of them has raised the watermark for " +
                             for_how_long(split.since));
    }
    blame(name, "it is the slowest; its records come and its event time moves");
  }

  /// The sender to go on with, or null when the blame was found.
  const TaskInspection* walk_inputs(const TaskInspection& task) {
    const InputChannelLook* slowest = nullptr;
    for (const InputChannelLook& channel : task.details.inputs) {
      if (!counts(channel.state)) continue;
      if (slowest == nullptr || channel.watermark < slowest->watermark) slowest = &channel;
    }
    if (slowest == nullptr) {
      blame(task.name, "none of its inputs counts: all are idle or have ended");
      return nullptr;
    }
    const TaskInspection* sender = find(slowest->from_vertex, slowest->from_subtask);
    if (sender == nullptr) {
      blame(task.name, "the sender of its slowest channel is not known");
      return nullptr;
    }
    chain_.steps.push_back({"channel", sender->name, slowest->input, slowest->watermark,
                            slowest->since, time_state_name(slowest->state)});
    return blame_channel(task, *slowest, *sender) ? nullptr : sender;
  }

  /// True when what holds event time back is between the two tasks.
  bool blame_channel(const TaskInspection& task, const InputChannelLook& channel,
                     const TaskInspection& sender) {
    if (channel.blocked) {
      blame(task.name, "its channel from " + sender.name +
                           " waits for the checkpoint barriers of other channels");
      return true;
    }
    // A job that moves always has something under way; that is no reason.
    const bool moves = channel.since != 0 && job_.looked - channel.since < kStuckMs;
    if (moves) return false;
    const int64_t sent = sent_watermark(sender, task);
    if (sent > channel.watermark) {
      blame(task.name,
            "it has " + std::to_string(channel.queued) +
                " elements in front of it on this channel and does not take them: " + doing(task));
      return true;
    }
    if (sender.watermark <= sent || is_source(sender)) return false;
    if (sender.activity == TaskActivity::kBackPressured) {
      blame(sender.name, "it cannot send on, its receivers give no credit: " + doing(sender));
    } else if (sender.activity == TaskActivity::kBusy && sender.state == "RUNNING" &&
               job_.looked - sender.activity_since >= kStuckMs) {
      blame(sender.name, "it is in one call of user code: " + doing(sender));
    } else {
      blame(sender.name, "its own operators hold event time back, its inputs are ahead");
    }
    return true;
  }

  static int64_t sent_watermark(const TaskInspection& sender, const TaskInspection& receiver) {
    int64_t sent = kMinTime.ms;
    for (const OutputChannelLook& output : sender.details.outputs) {
      if (output.to_vertex == receiver.vertex && output.to_subtask == receiver.subtask) {
        sent = std::max(sent, output.watermark);
      }
    }
    return sent;
  }

  const JobInspection& job_;
  BlameChain& chain_;
};

bool has_readers(const JobInspection& job, int vertex) {
  return std::any_of(job.edges.begin(), job.edges.end(),
                     [&](const EdgeInspection& edge) { return edge.from == vertex; });
}

/// When the task's watermark last rose: that of what holds it back.
int64_t last_move(const BlameChain& chain) {
  for (const BlameStep& step : chain.steps) {
    if (step.kind != "task") return step.since;
  }
  return 0;
}

}  // namespace

std::vector<BlameChain> blame_watermarks(const JobInspection& job) {
  std::vector<BlameChain> chains;
  for (const VertexInspection& vertex : job.vertices) {
    if (has_readers(job, vertex.id)) continue;
    const TaskInspection* slowest = nullptr;
    for (const TaskInspection& task : job.tasks) {
      if (task.vertex != vertex.id || task.state == "FINISHED") continue;
      if (slowest == nullptr || task.watermark < slowest->watermark) slowest = &task;
    }
    if (slowest == nullptr) continue;
    BlameChain& chain = chains.emplace_back();
    chain.sink = slowest->name;
    chain.watermark = slowest->watermark;
    BlameWalk(job, chain).walk(slowest);
    const int64_t moved = last_move(chain);
    const int64_t since = moved == 0 ? job.summary.started : moved;
    chain.is_stuck = chain.watermark != kMaxTime.ms && job.looked - since >= kStuckMs;
  }
  return chains;
}

std::string render_blame(const JobInspection& job, const std::vector<BlameChain>& chains) {
  if (chains.empty()) return "no task is running\n";
  std::string text;
  for (const BlameChain& chain : chains) {
    text += chain.sink + "\n  event time " + watermark_text(chain.watermark) +
            (chain.is_stuck ? ", STUCK" : "") + "\n";
    for (const BlameStep& step : chain.steps) {
      if (step.kind == "task" && step.name == chain.sink) continue;
      text += "  ";
      if (step.kind == "channel") {
        text += "<- input " + std::to_string(step.input) + " from " + step.name;
      } else if (step.kind == "split") {
        text += "   split '" + step.name + "'";
      } else {
        text += "   " + step.name;
      }
      text += ": " + watermark_text(step.watermark);
      if (step.kind != "task") {
        text +=
            step.since == 0 ? ", never moved" : ", for " + duration_text(job.looked - step.since);
      }
      text += ", " + step.state + "\n";
    }
    text += "  => " + chain.culprit + ": " + chain.reason + "\n";
  }
  return text;
}

std::string render_watermark_details(const JobInspection& job) {
  TextTable table({"TASK", "FROM", "WATERMARK", "SINCE", "STATE", "QUEUED", "RECORDS"});
  table.align_right({5, 6});
  for (const TaskInspection& task : job.tasks) {
    for (const InputChannelLook& channel : task.details.inputs) {
      std::string from = "?";
      for (const TaskInspection& sender : job.tasks) {
        if (sender.vertex == channel.from_vertex && sender.subtask == channel.from_subtask) {
          from = sender.name;
        }
      }
      table.add({task.name, "input " + std::to_string(channel.input) + ": " + from,
                 watermark_text(channel.watermark), ago_text(channel.since, job.looked),
                 std::string(time_state_name(channel.state)) +
                     (channel.blocked ? ", waits for barriers" : ""),
                 std::to_string(channel.queued), ""});
    }
    for (const SplitLook& split : task.details.splits) {
      table.add({task.name, "split " + split.id, watermark_text(split.watermark),
                 ago_text(split.since, job.looked), time_state_name(split.state), "",
                 std::to_string(split.records)});
    }
  }
  return table.to_text();
}

}  // namespace sluice
