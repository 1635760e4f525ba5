#include "session/child_process.h"

#include <csignal>
#include <fstream>
#include <poll.h>

#include <doctest/doctest.h>

#include "session/log_tail.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

ChildSettings shell(const ScratchDirectory& scratch, const std::string& script) {
  ChildSettings settings;
  settings.program = "/bin/sh";
  settings.words = {"-c", script};
  settings.otherwise = scratch.path();
  settings.output_file = scratch.path() + "/out";
  settings.error_file = scratch.path() + "/out";
  return settings;
}

ChildEnd end_of(ChildProcess& process) {
  for (;;) {
    if (const auto end = process.poll()) return *end;
    ::poll(nullptr, 0, 1);
  }
}

std::string run(const ScratchDirectory& scratch, const ChildSettings& settings) {
  auto process = std::move(ChildProcess::start(settings)).value();
  end_of(process);
  return last_words_of(scratch.path() + "/out", 10);
}

TEST_CASE("child_process: it is told how a process ended") {
  const ScratchDirectory scratch;
  auto failed = std::move(ChildProcess::start(shell(scratch, "exit 3"))).value();
  CHECK(end_of(failed).to_text() == "exit status 3");
  auto crashed = std::move(ChildProcess::start(shell(scratch, "kill -SEGV $$"))).value();
  CHECK(end_of(crashed).to_text() == "killed by SIGSEGV");
  auto fine = std::move(ChildProcess::start(shell(scratch, "exit 0"))).value();
  CHECK(end_of(fine).is_good());
}

TEST_CASE("child_process: a program that cannot be run is an error at once") {
  const ScratchDirectory scratch;
  ChildSettings settings = shell(scratch, "");
  settings.program = scratch.path() + "/absent";
  CHECK(ChildProcess::start(settings).status().code() == StatusCode::kNotFound);
}

TEST_CASE("child_process: it has its log, its variables, its directory, and no file of ours") {
  const ScratchDirectory scratch;
  const std::ifstream ours("/dev/null");
  ChildSettings settings = shell(scratch, "echo $OWN; pwd; ls /proc/self/fd | wc -l; ulimit -c");
  settings.environment = {{"OWN", "variable"}};
  settings.directory = "/absent";
  // ls itself opens the fourth one.
  CHECK(run(scratch, settings) == "variable | " + scratch.path() + " | 4 | 0");
}

TEST_CASE("child_process: what it has started ends with it") {
  const ScratchDirectory scratch;
  auto process = std::move(ChildProcess::start(shell(
                               scratch, "tail -f /dev/null & echo $!; exec tail -f /dev/null")))
                     .value();
  while (tail_of_log(scratch.path() + "/out", 1).empty()) ::poll(nullptr, 0, 1);
  const int grandchild = std::stoi(tail_of_log(scratch.path() + "/out", 1)[0]);
  CHECK(process.resident_bytes() > 0);
  process.signal(SIGKILL);
  CHECK(end_of(process).to_text() == "killed by SIGKILL");
  const auto is_gone = [grandchild] {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string text;
    return !std::getline(stat, text) || text.find(") Z ") != std::string::npos;
  };
  while (!is_gone()) ::poll(nullptr, 0, 1);
}

TEST_CASE("log_tail: a log that grows too large keeps its end") {
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/log";
  {
    std::ofstream log(path);
    for (int line = 0; line < 100'000; ++line) log << "line " << line << "\n";
  }
  CHECK(last_words_of(path, 2) == "line 99998 | line 99999");
  trim_log(path, 1 << 20);
  CHECK(last_words_of(path, 1) == "line 99999");
  trim_log(path, 300 << 10);
  CHECK(std::ifstream(path, std::ios::ate).tellg() <= 256 << 10);
  CHECK(last_words_of(path, 2) == "line 99998 | line 99999");
  CHECK(tail_of_log(scratch.path() + "/absent", 5).empty());
}

}  // namespace
}  // namespace sluice
