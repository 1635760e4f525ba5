#include "session/log_history.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

constexpr int64_t kMany = int64_t{1} << 40;

class Logs {
 public:
  explicit Logs(LogHistory::Limits limits) : history_(limits) {}

  /// A worker of the job has written so much, and ended.
  void ended(const std::string& job, const std::string& log, size_t bytes = 10) {
    write(job, log, bytes);
    history_.add(job, path(job, log));
  }
  void write(const std::string& job, const std::string& log, size_t bytes) {
    std::filesystem::create_directories(scratch_ / job);
    std::ofstream(path(job, log)) << std::string(bytes, 'x');
  }
  bool has(const std::string& job, const std::string& log) const {
    return std::filesystem::exists(path(job, log));
  }
  bool has(const std::string& job) const { return std::filesystem::exists(scratch_ / job); }

 private:
  std::string path(const std::string& job, const std::string& log) const {
    return scratch_ / (job + "/" + log);
  }
  const ScratchDirectory scratch_;
  LogHistory history_;
};

TEST_CASE("log_history: the logs of the last jobs stay, older ones go with their directories") {
  Logs logs({.jobs_max = 2, .files_of_job_max = 10, .bytes_max = kMany});
  logs.ended("a", "1");
  logs.ended("a", "2");
  logs.ended("b", "3");
  CHECK(logs.has("a", "1"));
  logs.ended("c", "4");
  CHECK_FALSE(logs.has("a"));
  CHECK(logs.has("b", "3"));
  CHECK(logs.has("c", "4"));
}

TEST_CASE("log_history: a job that fails again and again does not push out the others") {
  Logs logs({.jobs_max = 5, .files_of_job_max = 3, .bytes_max = kMany});
  logs.ended("quiet", "0");
  for (int worker = 1; worker <= 50; ++worker) logs.ended("failing", std::to_string(worker));
  CHECK(logs.has("quiet", "0"));
  CHECK_FALSE(logs.has("failing", "47"));
  for (const char* kept : {"48", "49", "50"}) CHECK(logs.has("failing", kept));
}

TEST_CASE("log_history: beyond so many bytes the oldest logs go, whoever wrote them") {
  Logs logs({.jobs_max = 5, .files_of_job_max = 10, .bytes_max = 100});
  logs.ended("a", "1", 60);
  logs.ended("b", "2", 30);
  logs.ended("a", "3", 10);
  CHECK(logs.has("a", "1"));
  logs.ended("b", "4", 1);
  CHECK_FALSE(logs.has("a", "1"));
  CHECK(logs.has("b", "2"));
  CHECK(logs.has("a", "3"));
  // One that is too large by itself.
  logs.ended("c", "5", 101);
  CHECK_FALSE(logs.has("c"));
  CHECK_FALSE(logs.has("a"));
}

TEST_CASE("log_history: the log of a worker that still runs is not touched, an empty one goes") {
  Logs logs({.jobs_max = 1, .files_of_job_max = 1, .bytes_max = kMany});
  logs.write("a", "running", 5);
  logs.ended("a", "1");
  logs.ended("a", "2");
  logs.ended("b", "3");
  CHECK(logs.has("a", "running"));
  CHECK_FALSE(logs.has("a", "2"));
  logs.ended("silent", "4", 0);
  CHECK_FALSE(logs.has("silent"));
  CHECK(logs.has("b", "3"));
}

}  // namespace
}  // namespace sluice
