// The progress of a job on a terminal: a few lines on stderr, rewritten in place.
//
// One thread. finish() removes the lines, so that what follows stands on a clean screen.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "actors/cluster_client.h"

namespace sluice {

/// One line for the job and one per chain: rates since `before`, watermark, shares of time. No line
/// is longer than `width`.
std::vector<std::string> progress_lines(const JobProgress& before, const JobProgress& now,
                                        size_t width);

class ProgressDisplay {
 public:
  ProgressDisplay(std::FILE* terminal, size_t width) : terminal_(terminal), width_(width) {}
  void show(const JobProgress& progress);
  void finish();

 private:
  void erase();

  std::FILE* terminal_;
  size_t width_;
  size_t lines_shown_ = 0;
  std::optional<JobProgress> last_;
};

}  // namespace sluice
