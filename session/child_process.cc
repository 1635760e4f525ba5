#include "session/child_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace sluice {
namespace {

/// All a child needs between fork and exec, made before: nothing may be allocated there.
struct Prepared {
  std::vector<std::string> words;
  std::vector<std::string> variables;
  std::vector<char*> argv;
  std::vector<char*> envp;
  pid_t parent = 0;
  int report = -1;  // Errno of a failed exec is written here; exec closes it.
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

void prepare(const ChildSettings& settings, Prepared& prepared) {
  prepared.words = settings.words;
  prepared.words.insert(prepared.words.begin(), settings.program);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const bool is_replaced =
        std::any_of(settings.environment.begin(), settings.environment.end(),
                    [&](const auto& own) { return text.starts_with(own.first + "="); });
    if (!is_replaced) prepared.variables.emplace_back(text);
  }
  for (const auto& [name, value] : settings.environment) {
    prepared.variables.emplace_back(name).append("=").append(value);
  }
  prepared.argv = pointers_to(prepared.words);
  prepared.envp = pointers_to(prepared.variables);
  prepared.parent = ::getpid();
}

void limit(int resource, int64_t most) {
  const rlimit value{static_cast<rlim_t>(most), static_cast<rlim_t>(most)};
  ::setrlimit(resource, &value);
}

[[noreturn]] void give_up(const Prepared& prepared) {
  const int error = errno;
  if (::write(prepared.report, &error, sizeof error) < 0) _exit(126);
  _exit(127);
}

void redirect(const Prepared& prepared, const ChildSettings& settings) {
  const auto open_log = [&](const std::string& path) {
    const int file =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) give_up(prepared);
    return file;
  };
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0) give_up(prepared);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(open_log(settings.output_file), STDOUT_FILENO);
  ::dup2(open_log(settings.error_file), STDERR_FILENO);
}

/// In the child: only calls that are safe after fork.
[[noreturn]] void become(const Prepared& prepared, const ChildSettings& settings) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != prepared.parent) _exit(127);  // It died before the line above.
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  redirect(prepared, settings);
  // Sockets of other threads, too.
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  limit(RLIMIT_CORE, 0);
  if (settings.data_bytes_max > 0) limit(RLIMIT_DATA, settings.data_bytes_max);
  const int victim = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (victim >= 0 && ::write(victim, "800", 3) != 3) errno = 0;  // Only a preference.
  const bool is_there = !settings.directory.empty() && ::chdir(settings.directory.c_str()) == 0;
  if (!is_there && ::chdir(settings.otherwise.c_str()) != 0) give_up(prepared);
  ::execve(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  give_up(prepared);
}

}  // namespace

std::string ChildEnd::to_text() const {
  if (!killed) return "exit status " + std::to_string(code);
  const char* name = ::sigabbrev_np(code);
  return "killed by " +
         (name == nullptr ? "signal " + std::to_string(code) : "SIG" + std::string(name));
}

Result<ChildProcess> ChildProcess::start(const ChildSettings& settings) {
  Prepared prepared;
  prepare(settings, prepared);
  std::array<int, 2> report{};
  if (::pipe2(report.data(), O_CLOEXEC) != 0) return Status::from_errno(errno, "pipe");
  prepared.report = report[1];
  const pid_t child = ::fork();
  if (child == 0) become(prepared, settings);
  const int fork_error = errno;
  ::close(report[1]);
  if (child < 0) {
    ::close(report[0]);
    return Status::from_errno(fork_error, "fork");
  }
  ChildProcess process(child);
  int error = 0;
  const ssize_t told = ::read(report[0], &error, sizeof error);
  ::close(report[0]);
  if (told == sizeof error) return Status::from_errno(error, "run " + settings.program);
  return process;
}

ChildProcess::~ChildProcess() {
  if (pid_ == 0) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<ChildEnd> ChildProcess::poll() {
  int status = 0;
  if (pid_ == 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  ::kill(-pid_, SIGKILL);
  pid_ = 0;
  if (WIFSIGNALED(status)) return ChildEnd{true, WTERMSIG(status)};
  return ChildEnd{false, WEXITSTATUS(status)};
}

void ChildProcess::signal(int number) const {
  if (pid_ == 0) return;
  // Before its setsid() it has no group yet.
  if (::kill(-pid_, number) != 0) ::kill(pid_, number);
}

int64_t ChildProcess::resident_bytes() const {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/statm", static_cast<int>(pid_));
  const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  std::array<char, 128> text{};
  const ssize_t got = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  long long pages = 0;
  long long resident = 0;
  if (got <= 0 || std::sscanf(text.data(), "%lld %lld", &pages, &resident) != 2) return 0;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace sluice
