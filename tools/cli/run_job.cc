#include "tools/cli/run_job.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "tools/cli/terminal.h"

namespace sluice {
namespace {

constexpr Duration kStartTimeout{10'000};
constexpr Duration kStartLook{20};

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string program_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<std::string> make_log_file(const std::string& directory, const std::string& program) {
  const std::string logs = directory + "/logs";
  if (::mkdir(logs.c_str(), 0700) != 0 && errno != EEXIST) {
    return Status::from_errno(errno, "mkdir " + logs);
  }
  return logs + "/" + program + "-" + std::to_string(system_clock().wall_ms()) + ".log";
}

/// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become_job(char* const* command, const char* log) {
  ::setsid();
  const int file = ::open(log, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (file < 0 || nothing < 0) _exit(127);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::execv(command[0], command);
  _exit(127);
}

std::string last_words(const std::string& log) {
  const auto tail = tail_of_file(log, 3);
  std::string text = tail.is_ok() ? *tail : std::string();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() ? "it said nothing" : text;
}

}  // namespace

Status check_executable(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return Status::from_errno(errno, path);
  if (!S_ISREG(found.st_mode) || ::access(path.c_str(), X_OK) != 0) {
    return Status::failed_precondition(path + " is no program that can be run");
  }
  return Status::ok();
}

std::vector<std::string> command_line_of(const RunRequest& request) {
  // A name without a slash is a file here, not a program of the system.
  const bool has_place = request.executable.find('/') != std::string::npos;
  std::vector<std::string> words = {(has_place ? "" : "./") + request.executable};
  const auto add = [&](const char* flag, const std::string& value) {
    if (value.empty()) return;
    words.emplace_back(flag);
    words.push_back(value);
  };
  add("-p", request.parallelism);
  add("-s", request.restore);
  if (request.allow_non_restored) words.emplace_back("-n");
  if (request.claim) words.emplace_back("--claim");
  for (const std::string& option : request.options) add("-D", option);
  words.insert(words.end(), request.job_words.begin(), request.job_words.end());
  return words;
}

Status run_in_foreground(const std::vector<std::string>& command) {
  SLUICE_RETURN_IF_ERROR(check_executable(command[0]));
  std::vector<std::string> words = command;
  const auto pointers = pointers_to(words);
  ::execv(pointers[0], pointers.data());
  return Status::from_errno(errno, "run " + command[0]);
}

Result<StartedJob> run_detached(const std::vector<std::string>& command,
                                const std::string& directory) {
  SLUICE_RETURN_IF_ERROR(check_executable(command[0]));
  StartedJob started;
  SLUICE_ASSIGN_OR_RETURN(started.log, make_log_file(directory, program_name(command[0])));
  ::setenv("SLUICE_LOG_FILE", started.log.c_str(), 1);
  ::setenv("SLUICE_RUNTIME_DIR", directory.c_str(), 1);
  std::vector<std::string> words = command;
  const auto pointers = pointers_to(words);
  const pid_t child = ::fork();
  if (child < 0) return Status::from_errno(errno, "fork");
  if (child == 0) become_job(pointers.data(), started.log.c_str());
  started.pid = child;
  const std::string endpoint = directory + "/" + std::to_string(child) + ".json";
  for (Duration waited{0}; waited < kStartTimeout; waited += kStartLook) {
    if (::access(endpoint.c_str(), F_OK) == 0) return started;
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) {
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        started.has_finished = true;
        return started;
      }
      return Status::failed_precondition("the job did not start: " + last_words(started.log));
    }
    pause(kStartLook);
  }
  return Status::deadline_exceeded("process " + std::to_string(child) +
                                   " runs and cannot be inspected; its output is in " +
                                   started.log);
}

std::string find_log(const std::string& directory, const std::string& name) {
  std::string newest;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/logs", error)) {
    const std::string file = entry.path().filename().string();
    // PROGRAM-TIME.log: the names of one program sort by time.
    const size_t dash = file.rfind('-');
    if (dash == std::string::npos || file.substr(0, dash) != name) continue;
    newest = std::max(newest, entry.path().string());
  }
  return newest;
}

Result<std::string> tail_of_file(const std::string& path, int lines_max) {
  std::ifstream file(path);
  if (!file) return Status::from_errno(errno, "open " + path);
  std::deque<std::string> lines;
  std::string line;
  while (std::getline(file, line)) {
    lines.push_back(line);
    if (lines.size() > static_cast<size_t>(lines_max)) lines.pop_front();
  }
  std::string text;
  for (const std::string& each : lines) text += each + "\n";
  return text;
}

}  // namespace sluice
