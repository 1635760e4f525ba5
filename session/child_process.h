// A process that runs somebody else's program: in a group of its own, with limits, and never longer
// than this process.
//
// The kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG), so the starting
// thread must live as long as the child; when this process is killed all its threads end. The child
// gets no open files but its log, no new privileges, no core files, and is the first the kernel's
// out-of-memory killer takes. One owner thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "core/status.h"

namespace sluice {

struct ChildSettings {
  std::string program;
  std::vector<std::string> words;  // Without the program.
  /// Added to this process's.
  std::vector<std::pair<std::string, std::string>> environment;
  /// Working directory; `otherwise` when it is not there.
  std::string directory;
  std::string otherwise;
  /// What it writes goes to the end of these; the same path twice is one file.
  std::string output_file;
  std::string error_file;
  /// Bound of the memory it can ask for; 0: none. A backstop: see ChildProcess::resident_bytes().
  int64_t data_bytes_max = 0;
};

struct ChildEnd {
  bool killed = false;
  int code = 0;  // Exit status, or the signal.
  /// "exit status 1", "killed by SIGSEGV".
  std::string to_text() const;
  bool is_good() const { return !killed && code == 0; }
};

class ChildProcess {
 public:
  static Result<ChildProcess> start(const ChildSettings& settings);
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  ChildProcess& operator=(ChildProcess&& other) = delete;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Kills what still runs, and waits for it.
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  /// How it ended, told once; nothing while it runs. What it has left of its group is killed then.
  std::optional<ChildEnd> poll();
  /// To all of its group.
  void signal(int number) const;
  /// 0 when it is not known.
  int64_t resident_bytes() const;

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;  // 0: has ended.
};

}  // namespace sluice
