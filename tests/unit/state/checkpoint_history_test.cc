#include "state/checkpoint_history.h"

#include <doctest/doctest.h>

#include "core/memory_file_system.h"

namespace sluice {
namespace {

CheckpointRecord make_record(int64_t id) {
  CheckpointRecord record;
  record.job_id = "job-1";
  record.stats.id = {id};
  record.stats.outcome = CheckpointOutcome::kFailed;
  record.stats.purpose = SnapshotPurpose::kSavepoint;
  record.stats.triggered_ms = 1000 + id;
  record.stats.ended_ms = 2000 + id;
  record.stats.failure = "disk full";
  SubtaskCheckpointStats subtask;
  subtask.task = {{3}, 1};
  subtask.acknowledged = true;
  subtask.acknowledged_ms = 1500;
  subtask.alignment_ms = 1;
  subtask.sync_ms = 2;
  subtask.async_ms = 3;
  subtask.full_bytes = 400;
  subtask.incremental_bytes = 50;
  record.stats.subtasks.push_back(subtask);
  record.task_names.push_back("count (2/4)");
  return record;
}

std::vector<int64_t> ids_in(FileSystem& files) {
  const auto records = CheckpointHistory::read(files, "/job");
  REQUIRE(records.is_ok());
  std::vector<int64_t> ids;
  for (const CheckpointRecord& record : *records) ids.push_back(record.stats.id.value);
  return ids;
}

}  // namespace

TEST_CASE("checkpoint_history: a record comes back with all its figures") {
  MemoryFileSystem files;
  REQUIRE(files.make_directories("/job").is_ok());
  CHECK(ids_in(files).empty());
  CheckpointHistory history(files, "/job");
  REQUIRE(history.append(make_record(7)).is_ok());
  const auto records = CheckpointHistory::read(files, "/job");
  REQUIRE(records.is_ok());
  REQUIRE(records->size() == 1);
  const CheckpointRecord& record = records->front();
  CHECK(record.job_id == "job-1");
  CHECK(record.stats.to_line() == make_record(7).stats.to_line());
  CHECK(record.stats.purpose == SnapshotPurpose::kSavepoint);
  CHECK(record.task_names == std::vector<std::string>{"count (2/4)"});
  const SubtaskCheckpointStats& subtask = record.stats.subtasks.at(0);
  CHECK(subtask.task == TaskId{{3}, 1});
  CHECK(subtask.acknowledged_ms == 1500);
  CHECK(subtask.alignment_ms == 1);
  CHECK(subtask.sync_ms == 2);
  CHECK(subtask.async_ms == 3);
  CHECK(subtask.full_bytes == 400);
  CHECK(subtask.incremental_bytes == 50);
}

TEST_CASE("checkpoint_history: a torn or damaged end is cut off before the next run appends") {
  MemoryFileSystem files;
  REQUIRE(files.make_directories("/job").is_ok());
  {
    CheckpointHistory history(files, "/job");
    for (const int64_t id : {1, 2, 3}) REQUIRE(history.append(make_record(id)).is_ok());
  }
  const std::string whole = *files.read_file("/job/_history");
  for (const bool torn : {true, false}) {
    std::string damaged = whole;
    if (torn) {
      damaged.resize(damaged.size() - 5);
    } else {
      damaged[damaged.size() - 20] ^= 1;
    }
    files.put("/job/_history", damaged);
    CHECK(ids_in(files) == std::vector<int64_t>{1, 2});
    CheckpointHistory history(files, "/job");
    REQUIRE(history.append(make_record(4)).is_ok());
    CHECK(ids_in(files) == std::vector<int64_t>{1, 2, 4});
  }
}

TEST_CASE("checkpoint_history: the file stays small and the newest records are kept") {
  MemoryFileSystem files;
  REQUIRE(files.make_directories("/job").is_ok());
  CheckpointHistory history(files, "/job");
  CheckpointRecord large = make_record(0);
  large.stats.failure.assign(100'000, 'x');
  for (int64_t id = 1; id <= 50; ++id) {
    large.stats.id = {id};
    REQUIRE(history.append(large).is_ok());
    CHECK(files.read_file("/job/_history")->size() <= CheckpointHistory::kFileBytesMax + 101'000);
  }
  const auto ids = ids_in(files);
  CHECK(ids.size() >= 10);
  CHECK(ids.size() <= 22);
  CHECK(ids.back() == 50);
  CHECK(ids.back() - ids.front() + 1 == static_cast<int64_t>(ids.size()));
}

}  // namespace sluice
