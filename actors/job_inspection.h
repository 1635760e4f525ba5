// What the plan and the statistics of a job look like from outside (core/inspection.h).
#pragma once

#include "actors/job_plan.h"
#include "core/inspection.h"
#include "state/checkpoint_stats.h"

namespace sluice {

/// Vertices, edges and fingerprint.
void describe_plan(const JobPlan& plan, JobInspection& look);
/// `now_ms` ends the duration of one that is pending.
CheckpointLook look_of(const CheckpointStats& stats, int64_t now_ms);
/// Counts tasks and records of `look.tasks` into its summary.
void summarize_tasks(JobInspection& look);
/// "host:pid" of this process.
std::string this_node();

}  // namespace sluice
