// Watermark alignment (semantics rule 16): sources of one group do not run ahead of the slowest one
// by more than the group's drift.
//
// Plain bookkeeping of the JobMaster: source tasks report their watermark, the limit of a task is
// the smallest one of the others plus the drift, so that the slowest one is never held back by
// itself. A finished or idle task reports the MAX watermark and holds nobody back. Splits of one
// task are aligned by the task.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "actors/job_plan.h"

namespace sluice {

class SourceAlignment {
 public:
  static constexpr Duration kInterval{100};

  explicit SourceAlignment(const JobPlan& plan);

  bool is_used() const { return !groups_.empty(); }
  /// Tasks that are to report.
  std::vector<TaskId> tasks() const;
  void report(TaskId task, EventTime watermark);
  /// How far the task's splits may run.
  EventTime limit_of(TaskId task) const;

 private:
  struct Group {
    Duration drift_max{0};
    std::map<TaskId, EventTime> watermarks;
  };
  std::map<std::string, Group> groups_;
  std::map<TaskId, std::string> group_of_;
};

}  // namespace sluice
