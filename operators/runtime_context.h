// What a rich user function gets in open(): who it is, and its metrics.
//
// A rich function is any functor with `void open(RuntimeContext&)` (and, if it likes, `void
// close()`); the operator that runs it detects the members at compile time and calls them once per
// instance, before the first record and after the last, on the task's thread. The context lives as
// long as the operator; metrics obtained from it may be kept until close().
#pragma once

#include <string>

#include "core/clock.h"
#include "core/metrics.h"
#include "core/operator.h"

namespace sluice {

class RowTable;
template <class T>
class ValueState;
template <class T>
class ListState;
template <class K, class V>
class MapState;
template <class T, class F>
class ReducingState;
template <class In, class Aggregate>
class AggregatingState;
template <class T>
struct ValueStateDescriptor;
template <class T>
struct ListStateDescriptor;
template <class K, class V>
struct MapStateDescriptor;
template <class T, class F>
struct ReducingStateDescriptor;
template <class In, class Aggregate>
struct AggregatingStateDescriptor;

class RuntimeContext {
 public:
  /// `keyed_state` is where states are registered; null for functions without key.
  explicit RuntimeContext(OperatorContext& context, RowTable* keyed_state = nullptr)
      : context_(&context), keyed_state_(keyed_state) {}

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

  // Keyed state: registered in open() only, in functions on a keyed stream. The handle means the
  // current key's state. Defined in operators/keyed_runtime_context.h.
  template <class T>
  ValueState<T> get_state(const ValueStateDescriptor<T>& descriptor);
  template <class T>
  ListState<T> get_list_state(const ListStateDescriptor<T>& descriptor);
  template <class K, class V>
  MapState<K, V> get_map_state(const MapStateDescriptor<K, V>& descriptor);
  template <class T, class F>
  ReducingState<T, F> get_reducing_state(const ReducingStateDescriptor<T, F>& descriptor);
  template <class In, class Aggregate>
  AggregatingState<In, Aggregate> get_aggregating_state(
      const AggregatingStateDescriptor<In, Aggregate>& descriptor);

  /// For operators; user functions have no use for it.
  OperatorContext& operator_context() { return *context_; }

 private:
  OperatorContext* context_;
  RowTable* keyed_state_;
};

template <class F>
concept HasOpen = requires(F& function, RuntimeContext& context) {
  function.open(context);
};
template <class F>
concept HasClose = requires(F& function) {
  function.close();
};

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
