#include "session/session_store.h"

#include <doctest/doctest.h>

#include "core/memory_file_system.h"

namespace sluice {
namespace {

JobRecord record_of(const std::string& id, int64_t submitted) {
  JobRecord record;
  record.id = id;
  record.submission = {"program", std::string(64, '0'), {"--input", "x", "--name=\"y\"\n"}, "/dir"};
  record.submitted = submitted;
  record.summary.id = id;
  record.summary.name = "a job";
  record.summary.state = "RUNNING";
  record.checkpointing = true;
  return record;
}

TEST_CASE("session_store: records come back in the order of submission, as they were saved last") {
  MemoryFileSystem files;
  SessionStore store(files, "/ha");
  JobRecord late = record_of("00000000000a", 20);
  const JobRecord early = record_of("00000000000b", 10);
  CHECK(store.save(late).is_ok());
  CHECK(store.save(early).is_ok());
  late.ended = 30;
  late.cancel_wanted = true;
  late.summary.state = "CANCELLED";
  CHECK(store.save(late).is_ok());
  const auto loaded = *SessionStore(files, "/ha").load();
  CHECK(loaded.size() == 2);
  CHECK(loaded[0].id == early.id);
  CHECK(loaded[0].submission.words == early.submission.words);
  CHECK(loaded[0].checkpointing);
  CHECK(!loaded[0].has_ended());
  CHECK(loaded[1].has_ended());
  CHECK(loaded[1].cancel_wanted);
  CHECK(loaded[1].summary.state == "CANCELLED");
  CHECK(store.forget(early.id).is_ok());
  CHECK(store.load()->size() == 1);
}

TEST_CASE("session_store: a damaged record is an error that names the file") {
  MemoryFileSystem files;
  SessionStore store(files, "/ha");
  CHECK(store.save(record_of("00000000000a", 1)).is_ok());
  CHECK(files.write_file_atomically("/ha/jobs/00000000000a.json", "{}").is_ok());
  const auto loaded = store.load();
  CHECK(loaded.status().code() == StatusCode::kCorruption);
  CHECK(loaded.status().message().find("/ha/jobs/00000000000a.json") != std::string::npos);
}

TEST_CASE("job_record: the last line of a master says how its job ended") {
  const auto summary = master_summary_from_json(
      R"({"job":"x","status":"FAILED","records_in":7,"error":"no slots","accumulators":{}})");
  CHECK(summary->status == "FAILED");
  CHECK(summary->error == "no slots");
  CHECK(summary->records_in == 7);
  CHECK(!master_summary_from_json("Segmentation fault").is_ok());
  CHECK(!master_summary_from_json("{}").is_ok());
}

}  // namespace
}  // namespace sluice
