// A made-up job for tests of what `sluice` shows: two source subtasks, hash exchange, two sinks.
#pragma once

#include <string>

#include "core/inspection.h"

namespace sluice {

inline constexpr int64_t kLooked = 1'700'000'000'000;
inline constexpr int64_t kSecondNs = 1'000'000'000;

inline TaskInspection some_task(int vertex, int subtask, const std::string& name) {
  TaskInspection task;
  task.vertex = vertex;
  task.subtask = subtask;
  task.name = name + " (" + std::to_string(subtask + 1) + "/2)";
  task.node = "host:1";
  task.state = "RUNNING";
  task.activity = TaskActivity::kIdle;
  task.activity_since = kLooked - 10;
  task.watermark = 60'000;
  task.details.looked = kLooked;
  return task;
}

/// Everything moves: watermarks rose 100 ms ago.
inline JobInspection some_job() {
  JobInspection job;
  job.looked = kLooked;
  job.summary.id = "bids-17";
  job.summary.name = "bids";
  job.summary.state = "RUNNING";
  job.summary.state_since = kLooked - 60'000;
  job.summary.started = kLooked - 61'000;
  job.summary.tasks = 4;
  job.summary.tasks_running = 4;
  job.vertices.push_back({0, "read -> parse", 2, 128, true, false});
  job.vertices.push_back({1, "window -> write", 2, 128, false, true});
  job.edges.push_back({0, 1, 0, "HASH"});
  for (int subtask = 0; subtask < 2; ++subtask) {
    TaskInspection source = some_task(0, subtask, "read -> parse");
    source.details.splits.push_back({"file-" + std::to_string(subtask), 60'000, kLooked - 100, 1000,
                                     kLooked - 100, TimeState::kActive});
    for (int to = 0; to < 2; ++to) source.details.outputs.push_back({1, to, 6, 2, 60'000});
    job.tasks.push_back(source);
  }
  for (int subtask = 0; subtask < 2; ++subtask) {
    TaskInspection sink = some_task(1, subtask, "window -> write");
    for (int from = 0; from < 2; ++from) {
      sink.details.inputs.push_back(
          {0, 0, from, 1, 60'000, kLooked - 100, TimeState::kActive, false});
    }
    job.tasks.push_back(sink);
  }
  return job;
}

}  // namespace sluice
