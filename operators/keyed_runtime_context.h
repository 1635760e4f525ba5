// Registration of keyed state through RuntimeContext; included by everything that runs functions
// over keyed streams. A name asked for twice with one type is one state. Failures (a name with two
// types, registration after open, no keyed stream) end the task with a Status that names the state.
#pragma once

#include <string>

#include "operators/operator_failure.h"
#include "operators/runtime_context.h"
#include "state/api/folding_state.h"
#include "state/api/list_state.h"
#include "state/api/map_state.h"
#include "state/api/value_state.h"

namespace sluice {

namespace detail {

inline RowTable& keyed_state_or_throw(RowTable* table, const TaskInfo& task,
                                      const std::string& name) {
  if (table == nullptr) {
    throw OperatorFailure(
        Status::invalid_argument(task.display_name() + ": keyed state '" + name +
                                 "' needs a keyed stream: call key_by() before this operator"));
  }
  if (name.empty() || name.front() == '_') {
    throw OperatorFailure(
        Status::invalid_argument(task.display_name() + ": the state name '" + name +
                                 "' is empty or starts with an underscore, which is reserved"));
  }
  return *table;
}

}  // namespace detail

template <class T>
ValueState<T> RuntimeContext::get_state(const ValueStateDescriptor<T>& descriptor) {
  auto& table = detail::keyed_state_or_throw(keyed_state_, task(), descriptor.name);
  return value_or_throw(ValueState<T>::add_to(table, descriptor));
}

template <class T>
ListState<T> RuntimeContext::get_list_state(const ListStateDescriptor<T>& descriptor) {
  auto& table = detail::keyed_state_or_throw(keyed_state_, task(), descriptor.name);
  return value_or_throw(ListState<T>::add_to(table, descriptor));
}

template <class K, class V>
MapState<K, V> RuntimeContext::get_map_state(const MapStateDescriptor<K, V>& descriptor) {
  auto& table = detail::keyed_state_or_throw(keyed_state_, task(), descriptor.name);
  return value_or_throw(MapState<K, V>::add_to(table, descriptor));
}

template <class T, class F>
ReducingState<T, F> RuntimeContext::get_reducing_state(
    const ReducingStateDescriptor<T, F>& descriptor) {
  auto& table = detail::keyed_state_or_throw(keyed_state_, task(), descriptor.name);
  return value_or_throw(ReducingState<T, F>::add_to(table, descriptor));
}

template <class In, class Aggregate>
AggregatingState<In, Aggregate> RuntimeContext::get_aggregating_state(
    const AggregatingStateDescriptor<In, Aggregate>& descriptor) {
  auto& table = detail::keyed_state_or_throw(keyed_state_, task(), descriptor.name);
  return value_or_throw(AggregatingState<In, Aggregate>::add_to(table, descriptor));
}

}  // namespace sluice
