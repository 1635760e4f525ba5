// What a rich user function gets in open(): who it is, and its metrics.
//
// A rich function is any functor with `void open(RuntimeContext&)` (and, if it likes, `void close()`);
// the operator that runs it detects the members at compile time and calls them once per instance,
// before the first record and after the last, on the task's thread. The context lives as long as the
// operator; metrics obtained from it may be kept until close().
#pragma once

#include <string>

#include "core/clock.h"
#include "core/metrics.h"
#include "core/operator.h"

namespace sluice {

class RuntimeContext {
 public:
  explicit RuntimeContext(OperatorContext& context) : context_(&context) {}

  const TaskInfo& task() const { return context_->task; }
  const std::string& job_name() const { return context_->task.job_name; }
  const std::string& operator_name() const { return context_->task.operator_name; }
  /// Which parallel instance this is: 0 .. parallelism() - 1.
  int subtask() const { return context_->task.subtask; }
  int parallelism() const { return context_->task.parallelism; }
  int max_parallelism() const { return context_->task.max_parallelism; }
  /// 0 on the first run, one more after each restart.
  int attempt() const { return context_->task.attempt; }
  const Clock& clock() const { return *context_->clock; }

  /// Registered on first use; the same name gives the same metric.
  Counter& counter(const std::string& name) { return context_->metrics->counter(name); }
  Gauge& gauge(const std::string& name) { return context_->metrics->gauge(name); }
  Histogram& histogram(const std::string& name) { return context_->metrics->histogram(name); }
  /// A named sum over all subtasks, shown in the job's summary.
  Counter& accumulator(const std::string& name) {
    return context_->metrics->counter(kAccumulatorPrefix + name);
  }
  /// Counters whose names start with this are accumulators.
  static constexpr const char* kAccumulatorPrefix = "accumulator.";

  /// For operators; user functions have no use for it.
  OperatorContext& operator_context() { return *context_; }

 private:
  OperatorContext* context_;
};

template <class F>
concept HasOpen = requires(F& function, RuntimeContext& context) { function.open(context); };
template <class F>
concept HasClose = requires(F& function) { function.close(); };

/// Calls function.open(context) when there is such a member.
template <class F>
void open_function(F& function, RuntimeContext& context) {
  if constexpr (HasOpen<F>) function.open(context);
}
/// Calls function.close() when there is such a member.
template <class F>
void close_function(F& function) {
  if constexpr (HasClose<F>) function.close();
}

}  // namespace sluice
