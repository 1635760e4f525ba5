// Why event time of a job is where it is: from a sink upwards, always along the input that holds
// the watermark back, down to the split, the queue or the operator to blame. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/inspection.h"

namespace sluice {

/// One link of the chain, from the sink upwards.
struct BlameStep {
  std::string kind;  // "task", "channel", "split".
  std::string name;  // Of the task or split; of a channel: of its sender.
  int input = 0;     // Of a channel.
  int64_t watermark = kMinTime.ms;
  int64_t since = 0;  // When the watermark rose to this value; 0: not known, or never.
  std::string state;  // "active", "no data", ...; of a task what it does.
};

struct BlameChain {
  std::string sink;  // The task whose event time is explained.
  int64_t watermark = kMinTime.ms;
  bool is_stuck = false;  // It has not moved for kStuckMs.
  std::vector<BlameStep> steps;
  std::string culprit;  // Name of the last link.
  std::string reason;   // Why: one sentence.
};

/// Event time that has not moved for this long counts as stuck.
inline constexpr int64_t kStuckMs = 2000;

/// One chain per sink vertex: of its subtask that is furthest behind. Needs a look with details.
std::vector<BlameChain> blame_watermarks(const JobInspection& job);

/// Sinks, chains and verdicts.
std::string render_blame(const JobInspection& job, const std::vector<BlameChain>& chains);
/// All channels and splits, one line each.
std::string render_watermark_details(const JobInspection& job);

}  // namespace sluice
