#include "tools/cli/watermark_blame.h"

#include <doctest/doctest.h>

#include "tests/unit/tools/cli/looks.h"

namespace sluice {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The one chain of the job; what it says must name `culprit` and hold `reason`.
BlameChain blame(const JobInspection& job) {
  auto chains = blame_watermarks(job);
  REQUIRE(chains.size() == 1);
  INFO(render_blame(job, chains));
  return chains[0];
}

/// Second source subtask and everything that hears from it stand still since `since`.
JobInspection stuck_job(int64_t since) {
  JobInspection job = some_job();
  job.tasks[1].watermark = 5000;
  job.tasks[1].details.splits[0].watermark = 5000;
  job.tasks[1].details.splits[0].since = since;
  for (auto& output : job.tasks[1].details.outputs) output.watermark = 5000;
  for (int sink = 2; sink < 4; ++sink) {
    auto& task = job.tasks[static_cast<size_t>(sink)];
    task.watermark = 5000;
    task.details.inputs[1].watermark = 5000;
    task.details.inputs[1].since = since;
  }
  return job;
}

TEST_CASE("blame: a job that moves is not stuck, and its slowest split is named") {
  const BlameChain chain = blame(some_job());
  CHECK_FALSE(chain.is_stuck);
  CHECK(contains(chain.culprit, "split 'file-"));
  CHECK(contains(chain.reason, "its event time moves"));
}

TEST_CASE("blame: a split that gives no more records, down the right channel") {
  JobInspection job = stuck_job(kLooked - 30'000);
  job.tasks[1].details.splits[0].last_record = kLooked - 30'000;
  const BlameChain chain = blame(job);
  CHECK(chain.is_stuck);
  CHECK(chain.watermark == 5000);
  CHECK(chain.culprit == "split 'file-1' of read -> parse (2/2)");
  CHECK(contains(chain.reason, "no records for 30.0 s"));
  CHECK(contains(chain.reason, "with_idleness()"));
  REQUIRE(chain.steps.size() == 4);
  CHECK(chain.steps[1].kind == "channel");
  CHECK(chain.steps[1].name == "read -> parse (2/2)");
  CHECK(chain.steps[3].kind == "split");
}

TEST_CASE("blame: a split that never gave a record") {
  JobInspection job = stuck_job(0);
  job.tasks[1].details.splits[0].records = 0;
  job.tasks[1].details.splits[0].last_record = 0;
  job.tasks[1].details.splits[0].state = TimeState::kNoData;
  const BlameChain chain = blame(job);
  CHECK(chain.is_stuck);
  CHECK(contains(chain.reason, "no record yet"));
}

TEST_CASE("blame: a slow split whose records come but raise nothing") {
  JobInspection job = stuck_job(kLooked - 30'000);
  job.tasks[1].details.splits[0].last_record = kLooked - 5;
  CHECK(contains(blame(job).reason, "none of them has raised the watermark for 30.0 s"));
}

TEST_CASE("blame: idle splits and channels hold nothing back") {
  JobInspection job = stuck_job(kLooked - 30'000);
  job.tasks[1].details.splits[0].state = TimeState::kIdle;
  for (int sink = 2; sink < 4; ++sink) {
    auto& task = job.tasks[static_cast<size_t>(sink)];
    task.details.inputs[1].state = TimeState::kIdle;
    task.watermark = 60'000;
  }
  const BlameChain chain = blame(job);
  CHECK_FALSE(chain.is_stuck);
  CHECK(contains(chain.culprit, "file-0"));
  for (int sink = 2; sink < 4; ++sink) {
    job.tasks[static_cast<size_t>(sink)].details.inputs[0].state = TimeState::kFinished;
  }
  CHECK(contains(blame(job).reason, "none of its inputs counts"));
}

TEST_CASE("blame: a source subtask that waits for a split") {
  JobInspection job = stuck_job(0);
  job.tasks[1].details.splits.clear();
  job.tasks[1].details.waits_for_split = true;
  const BlameChain chain = blame(job);
  CHECK(chain.culprit == "read -> parse (2/2)");
  CHECK(contains(chain.reason, "not been told whether it gets one"));
}

TEST_CASE("blame: a task that does not take what waits in front of it") {
  JobInspection job = stuck_job(kLooked - 30'000);
  for (auto& output : job.tasks[1].details.outputs) output.watermark = 50'000;
  job.tasks[2].details.inputs[1].queued = 8;
  job.tasks[2].activity = TaskActivity::kBusy;
  job.tasks[2].activity_since = kLooked - 29'000;
  const BlameChain chain = blame(job);
  CHECK(chain.culprit == "window -> write (1/2)");
  CHECK(contains(chain.reason, "8 elements"));
  CHECK(contains(chain.reason, "busy for 29.0 s"));
}

TEST_CASE("blame: alignment of a checkpoint, a stuck task, and a task that does not answer") {
  JobInspection job = stuck_job(kLooked - 30'000);
  job.tasks[2].details.inputs[1].blocked = true;
  CHECK(contains(blame(job).reason, "checkpoint barriers"));
  job = stuck_job(kLooked - 30'000);
  job.tasks[2].details.looked = 0;
  job.tasks[2].details.inputs.clear();
  CHECK(contains(blame(job).reason, "does not answer"));
}

TEST_CASE("blame: an operator in the middle that holds event time back by itself") {
  JobInspection job = stuck_job(kLooked - 30'000);
  // The middle: between the source and a new sink vertex.
  job.vertices[0].is_source = false;
  job.tasks[1].watermark = 55'000;
  const BlameChain chain = blame(job);
  CHECK(chain.culprit == "read -> parse (2/2)");
  CHECK(contains(chain.reason, "its own operators hold event time back"));
  job.tasks[1].activity = TaskActivity::kBackPressured;
  CHECK(contains(blame(job).reason, "its receivers give no credit"));
}

TEST_CASE("blame: each sink has its chain, ended ones have none; the text has it all") {
  JobInspection job = stuck_job(kLooked - 30'000);
  job.tasks[1].details.splits[0].last_record = kLooked - 30'000;
  const std::string text = render_blame(job, blame_watermarks(job));
  CHECK(contains(text, "event time 1970-01-01T00:00:05Z, STUCK"));
  CHECK(contains(text, "<- input 0 from read -> parse (2/2)"));
  CHECK(contains(text, "split 'file-1': 1970-01-01T00:00:05Z, for 30.0 s, active"));
  const std::string all = render_watermark_details(job);
  CHECK(contains(all, "split file-0"));
  CHECK(contains(all, "input 0: read -> parse (1/2)"));
  for (auto& task : job.tasks) task.state = "FINISHED";
  CHECK(blame_watermarks(job).empty());
}

}  // namespace
}  // namespace sluice
