#include "tools/cli/task_rates.h"

#include <algorithm>

namespace sluice {
namespace {

TaskRates rates_between(const TaskInspection& before, const TaskInspection& now, double seconds) {
  TaskRates rates;
  const auto busy = static_cast<double>(now.busy_ns - before.busy_ns);
  const auto blocked = static_cast<double>(now.back_pressured_ns - before.back_pressured_ns);
  const auto idle = static_cast<double>(now.idle_ns - before.idle_ns);
  const double whole = busy + blocked + idle;
  if (whole > 0) {
    rates.busy = std::clamp(busy / whole, 0.0, 1.0);
    rates.back_pressured = std::clamp(blocked / whole, 0.0, 1.0);
    rates.idle = std::clamp(idle / whole, 0.0, 1.0);
  }
  if (seconds <= 0) return rates;
  rates.rows_in = static_cast<double>(now.rows_in - before.rows_in) / seconds;
  rates.rows_out = static_cast<double>(now.rows_out - before.rows_out) / seconds;
  rates.bytes_out = static_cast<double>(now.bytes_out - before.bytes_out) / seconds;
  return rates;
}

bool started_again(const TaskInspection& before, const TaskInspection& now) {
  return now.rows_in < before.rows_in || now.rows_out < before.rows_out;
}

}  // namespace

std::vector<TaskRates> rates_of(const JobInspection* before, const JobInspection& now) {
  std::vector<TaskRates> rates;
  const bool comparable = before != nullptr && before->attempt == now.attempt &&
                          before->tasks.size() == now.tasks.size() && before->looked < now.looked;
  for (size_t i = 0; i < now.tasks.size(); ++i) {
    if (comparable && !started_again(before->tasks[i], now.tasks[i])) {
      const double seconds = static_cast<double>(now.looked - before->looked) / 1e3;
      rates.push_back(rates_between(before->tasks[i], now.tasks[i], seconds));
      continue;
    }
    const TaskInspection& task = now.tasks[i];
    const double seconds =
        static_cast<double>(task.busy_ns + task.back_pressured_ns + task.idle_ns) / 1e9;
    rates.push_back(rates_between(TaskInspection(), task, seconds));
  }
  return rates;
}

TaskRates rates_of_vertex(int vertex, const JobInspection& job,
                          const std::vector<TaskRates>& rates) {
  TaskRates sum;
  int tasks = 0;
  for (size_t i = 0; i < job.tasks.size() && i < rates.size(); ++i) {
    if (job.tasks[i].vertex != vertex) continue;
    ++tasks;
    sum.busy += rates[i].busy;
    sum.back_pressured += rates[i].back_pressured;
    sum.idle += rates[i].idle;
    sum.rows_in += rates[i].rows_in;
    sum.rows_out += rates[i].rows_out;
    sum.bytes_out += rates[i].bytes_out;
  }
  const int divisor = std::max(1, tasks);
  sum.busy /= divisor;
  sum.back_pressured /= divisor;
  sum.idle /= divisor;
  return sum;
}

BackPressure back_pressure_of(const TaskRates& rates) {
  if (rates.back_pressured <= 0.1) return BackPressure::kOk;
  return rates.back_pressured <= 0.5 ? BackPressure::kLow : BackPressure::kHigh;
}

const char* back_pressure_name(BackPressure level) {
  switch (level) {
    case BackPressure::kOk:
      return "OK";
    case BackPressure::kLow:
      return "LOW";
    case BackPressure::kHigh:
      return "HIGH";
  }
  return "?";
}

}  // namespace sluice
