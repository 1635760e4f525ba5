#include "api/arguments.h"

#include <doctest/doctest.h>

#include "api/stream.h"

namespace sluice {
namespace {

Arguments parse(const std::vector<std::string>& words) {
  auto parsed = Arguments::parse(words);
  REQUIRE(parsed.is_ok());
  return std::move(parsed).value();
}

TEST_CASE("arguments: values are typed, by equals sign or as the next word") {
  const Arguments args = parse({"--input", "a.csv", "--window=90m", "--count", "-3", "--rate=2.5",
                                "--verbose", "--big", "9223372036854775807"});
  CHECK(args.path("input") == "a.csv");
  CHECK(args.duration("window", 1h, "w") == 90min);
  CHECK(args.get<int>("count", 1, "c") == -3);
  CHECK(args.get<double>("rate", 1.0, "r") == 2.5);
  CHECK(args.flag("verbose", "v"));
  CHECK_FALSE(args.flag("quiet", "q"));
  CHECK(args.get<int64_t>("big", "b") == INT64_MAX);
  CHECK(args.text("greeting", "hello", "g") == "hello");
  CHECK(args.is_given("input"));
  CHECK_FALSE(args.is_given("output"));
  CHECK(args.check_unknown().is_ok());
}

TEST_CASE("arguments: a bool takes true or false") {
  const Arguments args = parse({"--a=true", "--b=false", "--c", "no"});
  CHECK(args.get<bool>("a", false, ""));
  CHECK_FALSE(args.get<bool>("b", true, ""));
  CHECK_FALSE(args.get<bool>("c", true, ""));
  CHECK_THROWS_WITH(parse({"--d=maybe"}).flag("d", ""), "--d must be true or false, not 'maybe'");
}

TEST_CASE("arguments: what does not parse or is out of bounds is refused with name and value") {
  const Arguments args = parse({"--n", "12x", "--small", "300", "--zero", "0", "--window", "soon",
                                "--mode", "c", "--path", ""});
  CHECK_THROWS_WITH(args.get<int>("n", 1, ""), "--n must be a whole number, not '12x'");
  CHECK_THROWS_WITH(args.get<int8_t>("small", 1, ""), "--small is out of range: '300'");
  CHECK_THROWS_WITH(args.get<int>("zero", 1, "", at_least(1)), "--zero must be at least 1, not 0");
  CHECK_THROWS_WITH(args.duration("window", 1h, ""),
                    "--window must be a duration like 500ms, 10s, 5m, 2h or 1d, not 'soon'");
  CHECK_THROWS_WITH(args.choice("mode", {"a", "b"}, "a", ""), "--mode must be one of a|b, not 'c'");
  CHECK_THROWS_WITH(args.path("path"), "--path needs a path");
  CHECK_THROWS_WITH(args.path("input", "the file"), "--input is missing: the file");
  CHECK_THROWS_WITH(args.require(false, "no way"), "no way");
}

TEST_CASE("arguments: words that are no flag and flags given twice are refused") {
  CHECK(Arguments::parse({"input.csv"}).status().message() ==
        "unexpected argument 'input.csv': flags are written --name value");
  CHECK(Arguments::parse({"--a", "1", "--a", "2"}).status().message() == "--a is given twice");
}

TEST_CASE("arguments: an unknown flag is refused with the known ones listed") {
  const Arguments args = parse({"--inptu", "x"});
  (void)args.path_or("input", "in", "");
  (void)args.get<int>("n", 1, "");
  CHECK(args.check_unknown().message() == "unknown flag --inptu; this job knows --input, --n");
}

// Jobs of this program: SLUICE_JOB registers them.

SLUICE_JOB(counting) {
  const auto input = args.path("input", "what to read");
  const auto window = args.duration("window", 1h, "how long", at_least(Duration(1)));
  args.require(window <= 24h, "--window must not be longer than a day");
  args.flag("verbose", "say more");
  env.from_elements<int64_t>({1, 2})
      .map([](int64_t n) { return n; })
      .set_parallelism(args.get<int>("maps", 1, "subtasks of map"));
}

SLUICE_JOB(throwing) { throw std::runtime_error("on purpose"); }

Status build(const char* job, const std::vector<std::string>& words) {
  StreamEnvironment env;
  const RegisteredJob* found = find_job(job);
  REQUIRE(found != nullptr);
  return build_job(*found, parse(words), env);
}

TEST_CASE("job_registry: jobs are found by name") {
  CHECK(registered_jobs().size() == 2);
  CHECK(find_job("counting") != nullptr);
  CHECK(find_job("nothing") == nullptr);
}

TEST_CASE("job_registry: a job builds from its arguments") {
  CHECK(build("counting", {"--input", "x", "--window", "2h"}).is_ok());
}

TEST_CASE("job_registry: each mistake gives one line") {
  CHECK(build("counting", {}).message() == "--input is missing: what to read");
  CHECK(build("counting", {"--input", "x", "--window", "0"}).message() ==
        "--window must be at least 1ms, not 0ms");
  CHECK(build("counting", {"--input", "x", "--window", "25h"}).message() ==
        "--window must not be longer than a day");
  CHECK(build("counting", {"--input", "x", "--maps", "0"}).message() ==
        "operator 'map': parallelism must lie between 1 and 32768, not 0");
  CHECK(build("throwing", {}).message() == "the job cannot be built: on purpose");
  CHECK(build("counting", {}).code() == StatusCode::kInvalidArgument);
}

TEST_CASE("job_registry: a misspelt flag is named before the one it leaves missing") {
  CHECK(build("counting", {"--inptu", "x"}).message() ==
        "unknown flag --inptu; this job knows --input, --window, --verbose, --maps");
  CHECK(build("counting", {"--input", "x", "--windows", "2h"}).message() ==
        "unknown flag --windows; this job knows --input, --window, --verbose, --maps");
}

TEST_CASE("job_registry: help lists every flag with type, text and default") {
  CHECK(job_help(*find_job("counting")) ==
        "  --input PATH       what to read (required)\n"
        "  --window DURATION  how long (default 1h)\n"
        "  --verbose          say more\n"
        "  --maps INT         subtasks of map (default 1)\n");
}

}  // namespace
}  // namespace sluice
