#include "core/options.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

#include "core/options_document.h"
#include "core/options_file.h"

namespace sluice {
namespace {

std::string refusal(const Status& status) {
  REQUIRE_FALSE(status.is_ok());
  CHECK(status.code() == StatusCode::kInvalidArgument);
  return status.message();
}

TEST_CASE("options: the table is sorted, its defaults are allowed and its texts are sentences") {
  std::string last;
  for (const auto& spec : option_table()) {
    CAPTURE(spec.key);
    CHECK(last < spec.key);
    last = spec.key;
    if (spec.type != OptionType::kText) {
      Options options;
      CHECK(options.set(spec.key, spec.default_value).is_ok());
    }
    const std::string text = spec.text;
    CHECK(text.back() == '.');
    CHECK(text.find('|') == std::string::npos);
  }
}

TEST_CASE("options: every constant names a row of its type") {
  const Options options;
  CHECK(options.get(options::kParallelism) == 0);
  CHECK(options.get(options::kMaxParallelism) == 0);
  CHECK(options.get(options::kOperatorChaining));
  CHECK(options.get(options::kBufferTimeout) == Duration(10));
  CHECK(options.get(options::kBatchRows) == 0);
  CHECK(options.get(options::kRuntimeMode) == "streaming");
  CHECK(options.get(options::kTaskInputMemory) == 1 << 20);
  CHECK(options.get(options::kTaskOutputMemory) == 1 << 20);
  CHECK(options.get(options::kTaskCancellationTimeout) == Duration(30'000));
  CHECK(options.get(options::kTaskStuckTimeout) == Duration(600'000));
  CHECK(options.get(options::kSchedulerThreads) == 0);
  CHECK(options.get(options::kIoThreads) == 4);
  CHECK(options.get(options::kLatencyInterval) == Duration(0));
  CHECK(options.get(options::kOnBadRecord) == "dead-letter");
  CHECK(options.get(options::kStateBackend) == "hashmap");
  CHECK(options.get(options::kStateMemory) == 0);
  CHECK(options.get(options::kStateDirectory).empty());
  CHECK(options.get(options::kCheckpointDir).empty());
  CHECK(options.get(options::kCheckpointInterval) == Duration(0));
  CHECK(options.get(options::kCheckpointMode) == "exactly-once");
  CHECK(options.get(options::kCheckpointTimeout) == Duration(600'000));
  CHECK(options.get(options::kCheckpointMinPause) == Duration(0));
  CHECK(options.get(options::kCheckpointMaxConcurrent) == 1);
  CHECK(options.get(options::kCheckpointTolerableFailures) == 0);
  CHECK_FALSE(options.get(options::kCheckpointUnaligned));
  CHECK(options.get(options::kCheckpointAlignedTimeout) == Duration(0));
  CHECK(options.get(options::kCheckpointRetained) == 1);
  CHECK(options.get(options::kRestartStrategy) == "auto");
  CHECK(options.get(options::kRestartFixedAttempts) == 1);
  CHECK(options.get(options::kRestartFixedDelay) == Duration(1000));
  CHECK(options.get(options::kRestartRateFailures) == 1);
  CHECK(options.get(options::kRestartRateInterval) == Duration(60'000));
  CHECK(options.get(options::kRestartRateDelay) == Duration(1000));
  CHECK(options.get(options::kRestartBackoffInitial) == Duration(1000));
  CHECK(options.get(options::kRestartBackoffMax) == Duration(60'000));
  CHECK(options.get(options::kRestartBackoffReset) == Duration(3'600'000));
  CHECK(options.get(options::kRestartBackoffAttempts) == 0);
}

TEST_CASE("options: values are checked when they are set") {
  Options options;
  CHECK(options.set("parallelism.default", "4").is_ok());
  CHECK(options.get(options::kParallelism) == 4);
  CHECK(options.set("parallelism.default", "cores").is_ok());
  CHECK(options.get(options::kParallelism) == 0);
  CHECK(refusal(options.set("parallelism.default", "0")) ==
        "parallelism.default: '0' must be in 1..32768 or 'cores'");
  CHECK(refusal(options.set("parallelism.default", "4x")) ==
        "parallelism.default: '4x' is not a whole number");
  CHECK(refusal(options.set("execution.buffer-timeout", "soon")) ==
        "execution.buffer-timeout: 'soon' is not a duration such as 10s");
  CHECK(refusal(options.set("task.input-memory", "1 elephant")) ==
        "task.input-memory: '1 elephant' is not a size such as 64kb");
  CHECK(refusal(options.set("state.backend", "disk")) ==
        "state.backend: 'disk' is none of hashmap|rocksdb");
  CHECK(refusal(options.set("pipeline.operator-chaining.enabled", "yes")) ==
        "pipeline.operator-chaining.enabled: 'yes' is neither true nor false");
  CHECK(options.get(options::kParallelism) == 0);
}

TEST_CASE("options: an unknown key is answered with the nearest one") {
  Options options;
  CHECK(refusal(options.set("execution.buffer-timout", "1s")) ==
        "unknown option 'execution.buffer-timout'; did you mean 'execution.buffer-timeout'?");
  CHECK(refusal(options.set("xyz", "1")) == "unknown option 'xyz'");
  CHECK(refusal(options.set_assignment("parallelism.default")) ==
        "'parallelism.default' is not key=value");
  CHECK(options.set_assignment("state.backend=rocksdb").is_ok());
  CHECK(options.get(options::kStateBackend) == "rocksdb");
}

TEST_CASE("options: sizes are powers of 1024 and never overflow") {
  CHECK(*parse_bytes("0") == 0);
  CHECK(*parse_bytes("4096") == 4096);
  CHECK(*parse_bytes("64kb") == 65536);
  CHECK(*parse_bytes("1 MiB") == 1 << 20);
  CHECK(*parse_bytes("2g") == 2LL << 30);
  for (const char* bad : {"", "kb", "-1", "1x", "1.5mb", "99999999999tb"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_bytes(bad).is_ok());
  }
}

TEST_CASE("options: what was set wins over defaults when merged") {
  Options base;
  base.put(options::kBatchRows, 5);
  base.put(options::kParallelism, 2);
  Options over;
  over.put(options::kParallelism, 3);
  base.merge(over);
  CHECK(base.get(options::kParallelism) == 3);
  CHECK(base.get(options::kBatchRows) == 5);
  CHECK(base.is_set("parallelism.default"));
  CHECK_FALSE(base.is_set("state.backend"));
}

TEST_CASE("options file: whole and nested keys, comments and quotes") {
  Options options;
  const Status status = read_options(
      "# a comment\n"
      "---\n"
      "parallelism.default: 4   # four\n"
      "execution:\n"
      "  buffer-timeout: 5ms\n"
      "  checkpointing:\n"
      "    interval: '10s'\n"
      "    mode: \"at-least-once\"\n"
      "  batch-rows: 7\r\n"
      "\n"
      "state.backend.directory: \"/data # not a comment\"\n",
      "test.yaml", options);
  REQUIRE_MESSAGE(status.is_ok(), status.to_string());
  CHECK(options.get(options::kParallelism) == 4);
  CHECK(options.get(options::kBufferTimeout) == Duration(5));
  CHECK(options.get(options::kCheckpointInterval) == Duration(10'000));
  CHECK(options.get(options::kCheckpointMode) == "at-least-once");
  CHECK(options.get(options::kBatchRows) == 7);
  CHECK(options.get(options::kStateDirectory) == "/data # not a comment");
}

TEST_CASE("options file: errors name file and line") {
  Options options;
  CHECK(refusal(read_options("\nparallelism: 2\n", "a.yaml", options)).find("a.yaml:2: ") == 0);
  CHECK(refusal(read_options("just words\n", "a.yaml", options)) ==
        "a.yaml:1: expected 'key: value'");
  CHECK(refusal(read_options("- item\n", "a.yaml", options)) == "a.yaml:1: expected 'key: value'");
  CHECK(refusal(read_options("\tx: 1\n", "a.yaml", options)) == "a.yaml:1: indent with spaces");
  CHECK(read_options_file("no-such-file.yaml", options).code() == StatusCode::kNotFound);
}

TEST_CASE("options: docs/options.md is what the table prints") {
  std::ifstream file("docs/options.md");
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  CHECK_MESSAGE(text.str() == options_document(),
                "run: bazel run //tools:print_options > docs/options.md");
}

}  // namespace
}  // namespace sluice
