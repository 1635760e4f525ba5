// Texts of a job's result.
#include <cstdio>

#include "actors/cluster_client.h"
#include "graph/explain.h"

namespace sluice {

const char* job_status_name(JobStatus status) {
  switch (status) {
    case JobStatus::kFinished:
      return "FINISHED";
    case JobStatus::kFailed:
      return "FAILED";
    case JobStatus::kCancelled:
      return "CANCELLED";
  }
  return "?";
}

std::string JobResult::to_line() const {
  char time[32];
  std::snprintf(time, sizeof time, "%.2f s", seconds);
  return job + " " + job_status_name(status) + ": " + std::to_string(records_in) + " records in, " +
         std::to_string(records_out) + " out, " + std::to_string(late) + " late, " +
         std::to_string(dead_letter) + " dead letters, " + time +
         (restarts == 0 ? "" : ", " + std::to_string(restarts) + " restarts") +
         (savepoint.empty() ? "" : ", stopped with savepoint " + savepoint);
}

std::string JobResult::to_json() const {
  char time[32];
  std::snprintf(time, sizeof time, "%.6f", seconds);
  std::string json = "{\"job\":\"" + escape_quoted(job) + "\",\"status\":\"" +
                     job_status_name(status) + "\",\"records_in\":" + std::to_string(records_in) +
                     ",\"records_out\":" + std::to_string(records_out) +
                     ",\"late\":" + std::to_string(late) +
                     ",\"dead_letter\":" + std::to_string(dead_letter) + ",\"seconds\":" + time;
  json += ",\"restarts\":" + std::to_string(restarts);
  json += ",\"state_bytes\":" + std::to_string(state_bytes);
  if (peak_memory_bytes > 0) {
    json += ",\"peak_memory_bytes\":" + std::to_string(peak_memory_bytes);
  }
  if (checkpoints > 0) {
    char mean[32];
    std::snprintf(mean, sizeof mean, "%.3f", checkpoint_ms);
    json += ",\"checkpoints\":" + std::to_string(checkpoints) + ",\"checkpoint_ms\":" + mean;
  }
  if (latency.markers > 0) {
    json += ",\"latency_us\":{\"markers\":" + std::to_string(latency.markers) +
            ",\"p50\":" + std::to_string(latency.p50_us) +
            ",\"p99\":" + std::to_string(latency.p99_us) +
            ",\"p9999\":" + std::to_string(latency.p9999_us) +
            ",\"max\":" + std::to_string(latency.max_us) + "}";
  }
  if (!savepoint.empty()) json += ",\"savepoint\":\"" + escape_quoted(savepoint) + "\"";
  if (!error.is_ok()) json += ",\"error\":\"" + escape_quoted(error.message()) + "\"";
  json += ",\"accumulators\":{";
  bool first = true;
  for (const auto& [name, value] : accumulators) {
    json += (first ? "\"" : ",\"") + escape_quoted(name) + "\":" + std::to_string(value);
    first = false;
  }
  return json + "}}";
}

}  // namespace sluice
