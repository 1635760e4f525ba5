#include "control/inspection_json.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("inspection json: what was written is read, down to the channels") {
  JobInspection job;
  job.summary.name = "bids \"quoted\"";
  job.summary.records_in = 1'234'567'890'123;
  job.vertices.push_back({3, "window", 2, 128, false, true});
  job.edges.push_back({1, 3, 0, "HASH"});
  TaskInspection task;
  task.activity = TaskActivity::kBackPressured;
  task.watermark = kMaxTime.ms;
  task.details.inputs.push_back({1, 2, 3, 4, kMinTime.ms, 6, TimeState::kUnaligned, true});
  task.details.outputs.push_back({1, 2, 3, 4, 5});
  task.details.splits.push_back({"file:0", 7, 8, 9, 10, TimeState::kPaused});
  job.tasks.push_back(task);
  job.failures.push_back({1, 2, "map (1/2)", "host:1", "boom"});
  CheckpointLook checkpoint;
  checkpoint.id = 17;
  checkpoint.subtasks.push_back({1, 0, true, 5, 6, 7, 8, 9, 10});
  job.checkpoints.push_back(checkpoint);
  for (const int indent : {-1, 2}) {
    const auto read = from_json<JobInspection>(to_json(job, indent));
    REQUIRE_MESSAGE(read.is_ok(), read.status().to_string());
    CHECK(to_json(*read) == to_json(job));
    CHECK(read->tasks[0].details.inputs[0].state == TimeState::kUnaligned);
    CHECK(read->tasks[0].details.inputs[0].watermark == kMinTime.ms);
    CHECK(read->tasks[0].watermark == kMaxTime.ms);
    CHECK(read->checkpoints[0].subtasks[0].incremental_bytes == 10);
  }
}

TEST_CASE("inspection json: fields of another version are passed over or keep their defaults") {
  const auto read = from_json<JobSummary>(R"({"name":"a","from_the_future":{"x":1}})");
  REQUIRE(read.is_ok());
  CHECK(read->name == "a");
  CHECK(read->restarts == 0);
}

TEST_CASE("inspection json: what is no such JSON is an error, not an exception") {
  for (const char* text : {"", "{", "[]", "3", R"({"name":3})", R"([{"name":"a"}])"}) {
    CAPTURE(text);
    const auto read = from_json<JobSummary>(text);
    REQUIRE_FALSE(read.is_ok());
    CHECK(read.status().code() == StatusCode::kCorruption);
  }
}

TEST_CASE("inspection json: names that are no UTF-8 do not make a look fail") {
  JobSummary job;
  job.name = "bad \xff\xfe name";
  CHECK(from_json<JobSummary>(to_json(job)).is_ok());
}

}  // namespace
}  // namespace sluice
