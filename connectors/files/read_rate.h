// How many rows a reader may give out now so as not to exceed its rows per second.
//
// Smooth: what is allowed grows with the clock, and what was not used in a pause is not caught up.
// Each subtask has its share of the source's rate. One owner, one thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/clock.h"
#include "core/operator.h"

namespace sluice {

class ReadRate {
 public:
  /// `rows_per_second` over all subtasks; 0 = no limit.
  void start(int64_t rows_per_second, const TaskInfo& task, const Clock& clock) {
    clock_ = &clock;
    rows_per_second_ = rows_per_second == 0 ? 0
                                            : std::max(1.0, static_cast<double>(rows_per_second)) /
                                                  static_cast<double>(task.parallelism);
    last_ns_ = clock.steady_ns();
    allowance_ = 1;
  }
  /// At most `wanted`.
  uint32_t allow(uint32_t wanted) {
    if (rows_per_second_ == 0) return wanted;
    const int64_t now = clock_->steady_ns();
    allowance_ += static_cast<double>(now - last_ns_) * rows_per_second_ / 1e9;
    last_ns_ = now;
    // A burst holds a tenth of a second.
    allowance_ = std::min(allowance_, std::max(1.0, rows_per_second_ / 10));
    return std::min(wanted, static_cast<uint32_t>(allowance_));
  }
  void note(uint32_t rows) { allowance_ -= rows_per_second_ == 0 ? 0 : rows; }
  /// Wall ms at which a row is allowed again.
  int64_t next_ms() const {
    if (rows_per_second_ == 0 || allowance_ >= 1) return Operator::kNoTimer;
    return clock_->wall_ms() + 1 + static_cast<int64_t>((1 - allowance_) * 1000 / rows_per_second_);
  }

 private:
  const Clock* clock_ = nullptr;
  double rows_per_second_ = 0;
  double allowance_ = 0;
  int64_t last_ns_ = 0;
};

}  // namespace sluice
