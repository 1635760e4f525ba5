// Of two pipelines without a channel between them (tests/support/two_pipelines.h) only the one that
// fails starts again, from the newest checkpoint, and both write every row once.
#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "api/execute.h"
#include "tests/support/scratch_directory.h"
#include "tests/support/two_pipelines.h"

namespace sluice {
namespace {

using Names = std::vector<std::string>;

struct Run {
  ScratchDirectory directory;
  two_pipelines::Plan plan{.directory = directory.path()};
  Options options;
  Names notes;
  JobResult result;

  void run() {
    StreamEnvironment env;
    env.set_parallelism(2);
    two_pipelines::build(env, plan);
    JobSettings settings;
    settings.name = "two pipelines";
    settings.options = env.options();
    settings.options.put(options::kCheckpointInterval, Duration(30));
    settings.options.put(options::kCheckpointDir, directory / "checkpoints");
    settings.options.put(options::kRestartStrategy, std::string("fixed-delay"));
    settings.options.put(options::kRestartFixedAttempts, 10);
    settings.options.put(options::kRestartFixedDelay, Duration(20));
    for (const auto& [key, value] : options.values()) {
      REQUIRE(settings.options.set(key, value).is_ok());
    }
    std::mutex mutex;
    settings.on_note = [&](const std::string& note) {
      const std::lock_guard lock(mutex);
      notes.push_back(note);
    };
    const auto ran = run_embedded(std::move(env.graph()), settings);
    REQUIRE_MESSAGE(ran.is_ok(), ran.status().to_string());
    result = *ran;
  }
  void check_finished() const {
    CHECK_MESSAGE(result.status == JobStatus::kFinished, result.error.to_string());
    CHECK(rows_of("steady") == two_pipelines::expected_rows(plan));
    CHECK(rows_of("failing") == two_pipelines::expected_rows(plan));
  }
  int64_t notes_with(const std::string& text) const {
    return std::count_if(notes.begin(), notes.end(), [&](const std::string& note) {
      return note.find(text) != std::string::npos;
    });
  }
  /// What the tasks of a pipeline noted.
  Names noted(const std::string& pipeline, const std::string& what) const {
    Names names;
    const auto entries = local_file_system().list(directory / (pipeline + "-notes"));
    REQUIRE(entries.is_ok());
    for (const FileInfo& entry : *entries) {
      const std::string name(file_name(entry.path));
      if (name.starts_with(what)) names.push_back(name);
    }
    return names;
  }
  Names rows_of(const std::string& pipeline) const {
    Names rows;
    auto& files = local_file_system();
    const auto entries = files.list(directory / pipeline);
    REQUIRE(entries.is_ok());
    for (const FileInfo& entry : *entries) {
      CHECK_MESSAGE(file_name(entry.path).starts_with("part-"), entry.path);
      const auto text = files.read_file(entry.path);
      REQUIRE(text.is_ok());
      for (size_t from = 0; from < text->size();) {
        const size_t end = text->find('\n', from);
        REQUIRE(end != std::string::npos);
        rows.push_back(text->substr(from, end - from));
        from = end + 1;
      }
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
};

const Names kFirstAttempt{"opened-0-0", "opened-1-0"};

TEST_CASE("failover: a pipeline that fails starts again without the other one") {
  for (const std::string backend : {"hashmap", "rocksdb"}) {
    for (const bool unaligned : {false, true}) {
      CAPTURE(backend);
      CAPTURE(unaligned);
      Run run;
      run.plan.failing_fails_at = {1400, 3500, 5600};
      run.options.put(options::kStateBackend, backend);
      run.options.put(options::kCheckpointUnaligned, unaligned);
      run.run();
      for (const std::string& note : run.notes) INFO(note);
      run.check_finished();
      CHECK(run.noted("failing", "failed").size() == 3);
      CHECK(run.result.restarts == 3);
      CHECK(run.noted("failing", "opened").size() == 8);
      CHECK(run.noted("steady", "opened") == kFirstAttempt);
      CHECK(run.notes_with("of 4 of 8 tasks") == 3);
      // Not from the beginning: what was committed before stays.
      CHECK(run.notes_with("restarting from checkpoint") == 3);
    }
  }
}

TEST_CASE("failover: a restart that fails at once is tried again, still alone") {
  Run run;
  run.plan.failing_fails_at = {2100};
  run.plan.fails_in_open = true;
  run.run();
  run.check_finished();
  CHECK(run.result.restarts == 2);
  CHECK(run.noted("failing", "failed").size() == 2);
  CHECK(run.noted("steady", "opened") == kFirstAttempt);
}

TEST_CASE("failover: both pipelines may fail, one while the other starts again") {
  Run run;
  run.plan.steady_fails_at = {1400, 2100, 2800, 3500};
  run.plan.failing_fails_at = {700, 2100, 3500, 4900};
  run.options.put(options::kRestartFixedDelay, Duration(60));
  run.run();
  run.check_finished();
  CHECK(run.noted("steady", "failed").size() == 4);
  CHECK(run.noted("failing", "failed").size() == 4);
  CHECK(run.result.restarts >= 4);
}

TEST_CASE("failover: when no restart is left the other pipeline ends, too") {
  Run run;
  run.plan.failing_fails_at = {700, 2800};
  run.options.put(options::kRestartFixedAttempts, 1);
  run.run();
  CHECK(run.result.status == JobStatus::kFailed);
  CHECK(run.result.error.to_string().find("planned failure at ") != std::string::npos);
  CHECK(run.result.restarts == 1);
  CHECK_FALSE(run.result.tasks_left_behind);
}

}  // namespace
}  // namespace sluice
