// The newest lines of a job's log, in memory. Any thread.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/inspection.h"

namespace sluice {

class JobLog {
 public:
  static constexpr size_t kLinesMax = 1000;
  static constexpr size_t kLineBytesMax = 4096;

  void add(int64_t wall_ms, std::string text) {
    if (text.size() > kLineBytesMax) text.resize(kLineBytesMax);
    const std::lock_guard lock(mutex_);
    if (lines_.size() == kLinesMax) lines_.pop_front();
    lines_.push_back({wall_ms, std::move(text)});
  }
  /// The last `lines_max` lines, oldest first.
  std::vector<LogLine> tail(size_t lines_max) const {
    const std::lock_guard lock(mutex_);
    const size_t count = std::min(lines_max, lines_.size());
    return {lines_.end() - static_cast<std::ptrdiff_t>(count), lines_.end()};
  }

 private:
  mutable std::mutex mutex_;
  std::deque<LogLine> lines_;
};

}  // namespace sluice
