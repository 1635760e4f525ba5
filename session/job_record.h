// What a session knows about one of its jobs, and what of it a restarted JobManager must know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/inspection.h"
#include "core/status.h"
#include "session/agent_protocol.h"

namespace sluice {

struct JobRecord {
  std::string id;
  Submission submission;
  std::string caller;
  int64_t submitted = 0;  // Wall ms, as all times here.
  /// Its name, state, counters: what the job's master said last, or how the job ended.
  JobSummary summary;
  /// It takes checkpoints, so a new master can go on from one.
  bool checkpointing = false;
  /// Somebody asked for its end. Kept, so that no restart brings the job back.
  bool cancel_wanted = false;
  std::string savepoint;  // Of the stop it ended with.
  int64_t ended = 0;      // 0: it has not.

  bool has_ended() const { return ended != 0; }
};

std::string to_json(const JobRecord& record);
Result<JobRecord> job_record_from_json(std::string_view text);

/// What the last line of a master's output says; kCorruption when it is no summary.
struct MasterSummary {
  std::string name;
  std::string status;  // "FINISHED", "FAILED", "CANCELLED".
  std::string error;
  std::string savepoint;
  int64_t records_in = 0;
  int64_t records_out = 0;
  int64_t restarts = 0;
};
Result<MasterSummary> master_summary_from_json(std::string_view line);

}  // namespace sluice
