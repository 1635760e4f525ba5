// Jobs, their checkpoints, failures and TaskManagers as text for a terminal. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/inspection.h"

namespace sluice {

struct ListedJob {
  JobSummary summary;
  std::string node;
};

std::string render_list(const std::vector<ListedJob>& jobs, int64_t now_ms);
std::string render_status(const JobInspection& job);
/// Newest last; with `subtasks` one line more for each subtask.
std::string render_checkpoints(const JobInspection& job, bool subtasks);
std::string render_failures(const JobInspection& job);
std::string render_task_managers(const std::vector<TaskManagerInspection>& task_managers,
                                 int64_t now_ms);
std::string render_log(const std::vector<LogLine>& lines);

}  // namespace sluice
