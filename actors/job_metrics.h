// The numbers of one job in one process: metric groups of its operators and the progress of its
// tasks. Written by tasks, read by the progress display, the summary and whoever inspects the job.
//
// Any thread. A task attaches its TaskProgress while it lives and detaches it before it is
// destroyed; its last values stay. Metric groups live as long as this object.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "actors/actor_directory.h"
#include "actors/cluster_client.h"
#include "actors/job_plan.h"
#include "core/clock.h"
#include "core/inspection.h"
#include "core/metrics.h"
#include "operators/task.h"

namespace sluice {

class JobMetrics {
 public:
  explicit JobMetrics(std::shared_ptr<const JobPlan> plan);

  /// One group per stage of the task, in order.
  std::vector<MetricGroup*> groups_of(TaskId task);
  /// `wake` gives the task a turn soon; any thread.
  void attach(TaskId task, const TaskProgress* progress, std::function<void()> wake = nullptr,
              std::shared_ptr<const ActorGauge> gauge = nullptr);
  void detach(TaskId task, bool finished);
  /// A record that could not be read and for which the job has no output of its own: the first ones
  /// are kept for the log.
  void keep_dead_letter(std::string_view place, std::string_view reason);

  /// A checkpoint or savepoint is complete.
  void add_checkpoint(int64_t duration_ms);

  /// The numbers of a task of another process, as of its last report.
  struct FarTask {
    VertexProgress progress;
    bool finished = false;
    std::string node;
    int64_t mailbox = 0;
    int64_t queued = 0;
    TaskActivity activity = TaskActivity::kNone;
    int64_t activity_since = 0;
  };
  /// `added`: per stage, to its counters since the last report.
  void take_report(TaskId task, const FarTask& look,
                   const std::vector<std::map<std::string, int64_t>>& added);
  /// The task is being started in process `node`. `ask` has it answer into `details` some time
  /// later; any thread.
  void place(TaskId task, const std::string& node, std::shared_ptr<TaskDetailsCell> details,
             std::function<void()> ask);
  void take_dead_letter(const std::string& letter);

  /// Numbers now; job and seconds are the caller's.
  JobProgress progress() const;
  /// All tasks of this process, by task index; with `details` each task is asked and given
  /// kAnswerWait to answer. Node names are the caller's.
  std::vector<TaskInspection> inspect(const Clock& clock, bool details) const;
  /// One of them, without details.
  TaskInspection inspect(TaskId task, const Clock& clock) const;
  bool has_finished(TaskId task) const;
  struct AskedDetails {
    std::shared_ptr<TaskDetailsCell> cell;  // Null: nobody answers.
    uint64_t answers = 0;                   // So far.
  };
  /// The task answers into the cell, some time later; its channels do not name their other ends.
  AskedDetails ask_for_details(TaskId task) const;
  /// Fills in what is counted: records, accumulators, state, checkpoints, latency.
  void summarize(JobResult& result) const;
  /// "place: reason" of the first bad records.
  std::vector<std::string> dead_letters() const;

  static constexpr size_t kDeadLettersKept = 3;
  static constexpr Duration kAnswerWait{200};

 private:
  struct TaskNumbers {
    std::vector<std::unique_ptr<MetricGroup>> groups;
    const TaskProgress* live = nullptr;
    std::function<void()> wake;
    std::shared_ptr<const ActorGauge> gauge;
    bool was_live = false;
    FarTask far;  // With a node: it was placed in another process.
    bool reported = false;
    std::shared_ptr<TaskDetailsCell> far_details;
    VertexProgress last;
    bool finished = false;
  };
  VertexProgress numbers_of(const TaskNumbers& task) const;
  AskedDetails ask(const TaskNumbers& task) const;
  TaskInspection inspect_task(size_t index, int64_t steady_now_ns, int64_t wall_now_ms) const;
  void inspect_channels(size_t index, TaskDetails& details) const;
  int64_t sum_records_out() const;

  std::shared_ptr<const JobPlan> plan_;
  // Sinks that count for records_out, see JobResult.
  std::vector<bool> is_main_sink_;  // By node.
  mutable std::mutex mutex_;
  std::vector<TaskNumbers> tasks_;  // By task index.
  std::vector<std::string> dead_letters_;
  int64_t checkpoints_ = 0;
  int64_t checkpoint_ms_sum_ = 0;
};

}  // namespace sluice
