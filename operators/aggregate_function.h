// AggregateFunction: how records of one key become one result, in Flink's words.
//
//   struct Average {
//     struct Acc { double sum = 0; int64_t count = 0; };   // SLUICE_RECORD(Average::Acc, sum,
//     count) Acc create_accumulator() const { return {}; } void add(const Order& order, Acc& acc)
//     const { acc.sum += order.price; ++acc.count; } double get_result(const Acc& acc) const {
//     return acc.sum / acc.count; } void merge(Acc& into, const Acc& other) const { ... }        //
//     sessions, panes; optional
//   };
//
// add() may take its arguments in either order and may return the new accumulator instead; merge()
// may return it, too. retract(total, part) undoes merge(total, part) and makes sliding windows
// cheaper; it is optional. Functions are plain copyable values, called on one task's thread; being
// template parameters they are inlined into the operator's loop.
#pragma once

#include <concepts>
#include <functional>
#include <utility>

#include "operators/pane_aggregate.h"

namespace sluice {

template <class Aggregate, class In>
concept AggregateFunction = requires(Aggregate& aggregate, AccumulatorOf<Aggregate>& accumulator,
                                     const In& record) {
  add_to_accumulator(aggregate, accumulator, record);
  aggregate.get_result(std::as_const(accumulator));
};

}  // namespace sluice
