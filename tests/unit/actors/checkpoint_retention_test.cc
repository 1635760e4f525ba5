#include "actors/checkpoint_retention.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

bool keeps(const std::string& retention, JobStatus status) {
  Options options;
  options.put(options::kCheckpointRetention, retention);
  JobResult result;
  result.status = status;
  return keeps_checkpoints(options, result);
}

TEST_CASE("checkpoint_retention: which ends of a job its checkpoints outlive") {
  struct Row {
    const char* retention;
    bool finished;
    bool cancelled;
    bool failed;
  };
  const Row rows[] = {
      {"retain", true, true, true},
      {"retain-on-cancellation", false, true, true},
      {"delete-on-cancellation", false, false, true},
      {"no-externalized-checkpoints", false, false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.retention));
    CHECK(keeps(row.retention, JobStatus::kFinished) == row.finished);
    CHECK(keeps(row.retention, JobStatus::kCancelled) == row.cancelled);
    CHECK(keeps(row.retention, JobStatus::kFailed) == row.failed);
  }
}

TEST_CASE("checkpoint_retention: without being set everything stays") {
  for (const JobStatus status : {JobStatus::kFinished, JobStatus::kCancelled, JobStatus::kFailed}) {
    JobResult result;
    result.status = status;
    CHECK(keeps_checkpoints(Options{}, result));
  }
}

TEST_CASE("checkpoint_retention: a job that did not start, or has not quite ended, keeps them") {
  Options options;
  options.put(options::kCheckpointRetention, std::string("no-externalized-checkpoints"));
  JobResult result;
  result.status = JobStatus::kFailed;
  result.failed_before_start = true;
  CHECK(keeps_checkpoints(options, result));
  result.failed_before_start = false;
  CHECK_FALSE(keeps_checkpoints(options, result));
  result.tasks_left_behind = true;
  CHECK(keeps_checkpoints(options, result));
}

}  // namespace
}  // namespace sluice
