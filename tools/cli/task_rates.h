// What a task did between two looks: shares of the time and records per second.
#pragma once

#include <vector>

#include "core/inspection.h"

namespace sluice {

struct TaskRates {
  double busy = 0;  // Shares, 0..1.
  double back_pressured = 0;
  double idle = 0;
  double rows_in = 0;  // Per second.
  double rows_out = 0;
  double bytes_out = 0;

  /// Sources have no input and sinks no output: the larger of both is the work done.
  double records() const { return rows_in > rows_out ? rows_in : rows_out; }
};

/// Rates of each task of `now`. Without an earlier look, or for a task that started again since,
/// they are those since the start of the task.
std::vector<TaskRates> rates_of(const JobInspection* before, const JobInspection& now);

/// Of a whole vertex: sums of records, means of shares.
TaskRates rates_of_vertex(int vertex, const JobInspection& job,
                          const std::vector<TaskRates>& rates);

/// As Flink's: OK up to 10 %, LOW up to 50 %, HIGH.
enum class BackPressure { kOk, kLow, kHigh };
BackPressure back_pressure_of(const TaskRates& rates);
const char* back_pressure_name(BackPressure level);

}  // namespace sluice
