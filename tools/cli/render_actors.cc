#include "tools/cli/render_actors.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "control/inspection_json.h"
#include "tools/cli/human_text.h"

namespace sluice {
namespace {

struct TaskLook {
  const JobInspection* job = nullptr;
  const TaskInspection* task = nullptr;
  const TaskRates* rates = nullptr;
};

std::string sum_of_channels(const std::vector<OutputChannelLook>& outputs,
                            int64_t OutputChannelLook::*field) {
  if (outputs.empty()) return "";
  int64_t sum = 0;
  for (const auto& output : outputs) sum += output.*field;
  return std::to_string(sum);
}

class ActorTree {
 public:
  ActorTree(const ActorLook& look, bool channels)
      : look_(look),
        channels_(channels),
        table_({"ACTOR", "STATE", "MAILBOX", "QUEUED", "CREDIT", "IN FLIGHT", "BUSY", "BLOCKED",
                "IDLE", "RECORDS/S", "STATE SIZE", "WATERMARK"}) {
    table_.align_right({2, 3, 4, 5, 6, 7, 8, 9, 10});
  }

  std::string to_text() {
    std::set<std::string> nodes;
    for (const auto& actor : look_.actors) nodes.insert(actor.node);
    for (const std::string& node : nodes) {
      table_.add({node});
      for (const auto& actor : look_.actors) {
        if (actor.node == node && actor.kind == "job_manager") add_job_manager(actor);
      }
      // A JobMaster in a process of its own has no JobManager above it.
      for (const auto& actor : look_.actors) {
        const bool is_root = actor.kind == "job_master" && !has_kind(node, "job_manager");
        if (actor.node == node && is_root) add_job_master(actor, 1);
      }
      for (const auto& actor : look_.actors) {
        if (actor.node == node && actor.kind == "task_manager") add_task_manager(actor);
      }
      add_others(node);
    }
    return table_.to_text();
  }

 private:
  bool has_kind(const std::string& node, const std::string& kind) const {
    return std::any_of(look_.actors.begin(), look_.actors.end(),
                       [&](const auto& actor) { return actor.node == node && actor.kind == kind; });
  }
  const JobInspection* job_of(const ActorInspection& actor) const {
    for (const JobInspection& job : look_.jobs) {
      if (job.summary.id == actor.job) return &job;
    }
    return nullptr;
  }
  TaskLook task_of(const ActorInspection& actor) const {
    for (size_t j = 0; j < look_.jobs.size(); ++j) {
      const JobInspection& job = look_.jobs[j];
      if (job.summary.id != actor.job) continue;
      for (size_t i = 0; i < job.tasks.size(); ++i) {
        const TaskInspection& task = job.tasks[i];
        if (task.name != actor.label || task.node != actor.node) continue;
        const bool has_rates = j < look_.rates.size() && i < look_.rates[j].size();
        return {&job, &task, has_rates ? &look_.rates[j][i] : nullptr};
      }
    }
    return {};
  }
  void add(int depth, const std::string& name, const std::string& state, int64_t mailbox) {
    table_.add({std::string(static_cast<size_t>(depth) * 2, ' ') + single_line(name), state,
                std::to_string(mailbox)});
  }
  std::string state_of(const ActorInspection& actor) const {
    return actor.running ? "running" : "waiting";
  }

  void add_job_manager(const ActorInspection& manager) {
    add(1, "job_manager", state_of(manager), manager.mailbox);
    for (const auto& actor : look_.actors) {
      if (actor.node == manager.node && actor.kind == "job_master") add_job_master(actor, 2);
    }
  }
  void add_job_master(const ActorInspection& master, int depth) {
    const JobInspection* job = job_of(master);
    add(depth, "job_master " + master.label, job != nullptr ? job->summary.state : state_of(master),
        master.mailbox);
    for (const auto& actor : look_.actors) {
      if (actor.node != master.node || actor.job != master.job) continue;
      if (actor.kind == "checkpoint_coordinator") {
        add(depth + 1, "checkpoint_coordinator", state_of(actor), actor.mailbox);
      } else if (actor.kind == "enumerator") {
        add(depth + 1, "enumerator " + actor.label, state_of(actor), actor.mailbox);
      }
    }
  }
  void add_task_manager(const ActorInspection& manager) {
    add(1, "task_manager", state_of(manager), manager.mailbox);
    for (const auto& actor : look_.actors) {
      if (actor.node == manager.node && actor.kind == "task") add_task(actor);
    }
  }
  // Kinds that this version of the tool does not know.
  void add_others(const std::string& node) {
    static const std::set<std::string> kKnown = {
        "job_manager", "job_master",   "checkpoint_coordinator",
        "enumerator",  "task_manager", "task"};
    for (const auto& actor : look_.actors) {
      if (actor.node == node && kKnown.count(actor.kind) == 0) {
        add(1, actor.kind + " " + actor.label, state_of(actor), actor.mailbox);
      }
    }
  }

  void add_task(const ActorInspection& actor) {
    const TaskLook look = task_of(actor);
    if (look.task == nullptr) return add(2, actor.label, state_of(actor), actor.mailbox);
    const TaskInspection& task = *look.task;
    const TaskRates rates = look.rates != nullptr ? *look.rates : TaskRates();
    const auto& outputs = task.details.outputs;
    table_.add({"    " + single_line(task.name), task.state, std::to_string(actor.mailbox),
                std::to_string(task.queued), sum_of_channels(outputs, &OutputChannelLook::credit),
                sum_of_channels(outputs, &OutputChannelLook::in_flight), percent_text(rates.busy),
                percent_text(rates.back_pressured), percent_text(rates.idle),
                count_text(rates.records()), bytes_text(task.state_bytes),
                watermark_text(task.watermark)});
    if (!channels_) return;
    for (const auto& input : task.details.inputs) {
      table_.add({"      <- " + name_of(*look.job, input.from_vertex, input.from_subtask),
                  input.blocked ? "blocked" : "", "", std::to_string(input.queued), "", "", "", "",
                  "", "", "", watermark_text(input.watermark)});
    }
    for (const auto& output : outputs) {
      table_.add({"      -> " + name_of(*look.job, output.to_vertex, output.to_subtask), "", "", "",
                  std::to_string(output.credit), std::to_string(output.in_flight), "", "", "", "",
                  "", watermark_text(output.watermark)});
    }
  }
  static std::string name_of(const JobInspection& job, int vertex, int subtask) {
    for (const TaskInspection& task : job.tasks) {
      if (task.vertex == vertex && task.subtask == subtask) return single_line(task.name);
    }
    return std::to_string(vertex) + "-" + std::to_string(subtask);
  }

  const ActorLook& look_;
  const bool channels_;
  TextTable table_;
};

}  // namespace

std::string render_actors(const ActorLook& look, bool channels) {
  return ActorTree(look, channels).to_text();
}

std::string actors_json(const ActorLook& look) {
  nlohmann::json json;
  json["actors"] = nlohmann::json::parse(to_json(look.actors));
  json["jobs"] = nlohmann::json::parse(to_json(look.jobs));
  for (size_t j = 0; j < look.jobs.size() && j < look.rates.size(); ++j) {
    for (size_t i = 0; i < look.rates[j].size(); ++i) {
      const TaskRates& rates = look.rates[j][i];
      json["jobs"][j]["tasks"][i]["rates"] = {
          {"busy", rates.busy},         {"back_pressured", rates.back_pressured},
          {"idle", rates.idle},         {"rows_in", rates.rows_in},
          {"rows_out", rates.rows_out}, {"bytes_out", rates.bytes_out}};
    }
  }
  return json.dump(1);
}

}  // namespace sluice
