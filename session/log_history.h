// Which logs of workers that have ended an agent keeps: those of the jobs that were here last, and
// of each job those of its last workers.
//
// Bounded by jobs, files of a job and bytes of all; what is too much goes, the oldest first. With
// its last log goes the directory of a job. One owner thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

namespace sluice {

class LogHistory {
 public:
  struct Limits {
    size_t jobs_max = 20;
    size_t files_of_job_max = 10;
    int64_t bytes_max = int64_t{64} << 20;
  };
  explicit LogHistory(Limits limits) : limits_(limits) {}

  /// The log of a worker that writes no more. An empty one tells nothing and goes at once.
  void add(const std::string& job, const std::string& path);

 private:
  struct Log {
    std::string job;
    std::string path;
    int64_t bytes = 0;
  };
  size_t jobs() const;
  void remove(std::deque<Log>::iterator log);

  const Limits limits_;
  std::deque<Log> logs_;  // The oldest first.
  int64_t bytes_ = 0;
};

}  // namespace sluice
