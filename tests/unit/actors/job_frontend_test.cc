#include <doctest/doctest.h>

#include "actors/job_flags.h"
#include "actors/progress_display.h"

namespace sluice {
namespace {

TEST_CASE("job flags: the engine's are taken, the job's are left in order") {
  const JobFlags flags = parse_job_flags(
      {"--input", "a.csv", "-p", "3", "--window=1h", "-D", "execution.batch-rows=7", "--verbose",
       "-D", "state.backend=rocksdb", "--summary", "json", "--offset", "-5"});
  REQUIRE_MESSAGE(flags.status.is_ok(), flags.status.to_string());
  CHECK(flags.job_words ==
        std::vector<std::string>{"--input", "a.csv", "--window=1h", "--verbose", "--offset", "-5"});
  CHECK(flags.options.get(options::kParallelism) == 3);
  CHECK(flags.options.get(options::kBatchRows) == 7);
  CHECK(flags.options.get(options::kStateBackend) == "rocksdb");
  CHECK(flags.summary_json);
  CHECK_FALSE(flags.explain);
}

TEST_CASE("job flags: named flags win over -D") {
  const JobFlags flags = parse_job_flags({"--parallelism=2", "-D", "parallelism.default=9"});
  CHECK(flags.options.get(options::kParallelism) == 2);
}

TEST_CASE("job flags: --explain stands alone or names a form") {
  CHECK(parse_job_flags({"--explain"}).explain == PlanFormat::kText);
  CHECK(parse_job_flags({"--explain", "--input", "x"}).explain == PlanFormat::kText);
  CHECK(parse_job_flags({"--explain", "json"}).explain == PlanFormat::kJson);
  CHECK(parse_job_flags({"--explain", "dot"}).explain == PlanFormat::kDot);
  CHECK_FALSE(parse_job_flags({"--explain", "xml"}).status.is_ok());
}

TEST_CASE("job flags: a mistake keeps the form of the summary") {
  const JobFlags flags = parse_job_flags({"--summary", "json", "-p", "0"});
  CHECK(flags.summary_json);
  CHECK(flags.status.message() ==
        "--parallelism: parallelism.default: '0' must be in 1..32768 or 'cores'");
  CHECK_FALSE(parse_job_flags({"-p"}).status.is_ok());
}

TEST_CASE("progress: rates are differences, shares are of the time between two looks") {
  JobProgress before;
  before.job = "j";
  before.seconds = 1;
  before.records_in = 1000;
  before.vertices.resize(1);
  JobProgress now = before;
  now.seconds = 3;
  now.records_in = 51'000;
  now.records_out = 12;
  now.vertices[0].name = "source -> map";
  now.vertices[0].parallelism = 2;
  now.vertices[0].rows_out = 5'000'000;
  now.vertices[0].busy_ns = 600;
  now.vertices[0].back_pressured_ns = 300;
  now.vertices[0].idle_ns = 100;
  now.vertices[0].watermark = EventTime{0};
  const auto lines = progress_lines(before, now, 200);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "j  3.0 s  51000 records in (25.0 k/s)  12 out");
  CHECK(lines[1] ==
        "  source -> map x2  2.50 M/s   busy  60%  back-pressured  30%  watermark "
        "1970-01-01T00:00:00Z");
  for (const auto& line : progress_lines(before, now, 30)) CHECK(line.size() <= 30);
}

}  // namespace
}  // namespace sluice
