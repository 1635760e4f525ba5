// WindowedStream: a keyed stream cut into windows, waiting for the function that makes results.
//
//   flights.key_by(&Flight::origin)
//       .window(TumblingEventTimeWindows::of(1h))
//       .allowed_lateness(10min)
//       .side_output_late_data(kLate)
//       .aggregate(DelayStatistics{}, AddWindow{});
//
// Results carry the window's last millisecond as their timestamp. Functions, aggregates, triggers
// and evictors are values, copied into every parallel instance.
#pragma once

#include <utility>

#include "api/data_stream.h"
#include "api/field_reduce.h"
#include "api/window_concepts.h"
#include "operators/output_tag.h"
#include "operators/window_factories.h"

namespace sluice {

template <class K, class T, class KeyFn, WindowAssigner Assigner,
          class Trigger = DefaultTriggerOf<Assigner>, class Evictor = NoEvictor>
class WindowedStream
    : public FieldReductions<WindowedStream<K, T, KeyFn, Assigner, Trigger, Evictor>, T> {
 public:
  /// `parallelism`: 0, or 1 for windows over all records.
  WindowedStream(DataStream<T> input, KeyFn key, WindowSpec<Assigner> spec, Trigger trigger = {},
                 Evictor evictor = {}, int parallelism = 0)
      : input_(std::move(input)),
        key_(std::move(key)),
        spec_(std::move(spec)),
        trigger_(std::move(trigger)),
        evictor_(std::move(evictor)),
        parallelism_(parallelism) {}

  /// When windows give results, instead of the assigner's default.
  template <class Other>
  auto trigger(Other other) const {
    return WindowedStream<K, T, KeyFn, Assigner, Other, Evictor>(
        input_, key_, spec_, std::move(other), evictor_, parallelism_);
  }
  /// Which elements leave a window before or after its function runs. Windows keep their elements.
  template <class Other>
  auto evictor(Other other) const {
    return WindowedStream<K, T, KeyFn, Assigner, Trigger, Other>(input_, key_, spec_, trigger_,
                                                                 std::move(other), parallelism_);
  }
  /// Event-time windows stay this much longer and fire again for each element that comes late.
  WindowedStream allowed_lateness(Duration lateness) const {
    auto copy = *this;
    copy.spec_.allowed_lateness = lateness;
    return copy;
  }
  /// Elements too late for every window go to `tag` instead of being dropped; read them with
  /// get_side_output(tag) of the result.
  WindowedStream side_output_late_data(const OutputTag<T>& tag) const {
    auto copy = *this;
    copy.spec_.late_tag = tag.id();
    return copy;
  }

  /// For sum, min and the like.
  template <class F>
  DataStream<T> reduce_field(const char* name, F function) const {
    return reduce(detail::ReduceByValue<T, F>{std::move(function)}).name(name);
  }
  /// One element out of two: `reduce([](const T& a, const T& b) { return ...; })`, associative.
  template <class F>
  DataStream<T> reduce(F function) const {
    return aggregate(ReduceAggregate<T, F>(std::move(function)));
  }
  /// The same, and a window function over the one reduced element.
  template <class U = DeducedType, class F, class Fn>
  auto reduce(F function, Fn window_function) const {
    return aggregate<U>(ReduceAggregate<T, F>(std::move(function)), std::move(window_function));
  }
  /// An AggregateFunction (operators/aggregate_function.h): windows hold an accumulator only.
  template <class Agg>
  auto aggregate(Agg function) const;
  /// The same, and a window function (key, context or window, elements, Collector<U>&) that gets
  /// the one result as its element: to add the key and the window to it.
  template <class U = DeducedType, class Agg, class Fn>
  auto aggregate(Agg function, Fn window_function) const;
  /// A function over all elements of the window: a ProcessWindowFunction or a lambda
  /// (key, context or window, std::span<const T>, Collector<U>&).
  template <class U = DeducedType, class Fn>
  auto process(Fn window_function) const;
  /// Flink's name for process() with (key, window, elements, out).
  template <class U = DeducedType, class Fn>
  auto apply(Fn window_function) const {
    return process<U>(std::move(window_function));
  }

 private:
  template <class U>
  DataStream<U> add_node(OperatorFactory factory) const {
    SLUICE_REQUIRE_RECORD(U);
    Status valid = spec_.validate();
    if (!valid.is_ok()) input_.plan().fail(std::move(valid));
    auto result = input_.template transform<U>("window", std::move(factory));
    LogicalNode& node = input_.plan().graph().node(result.node());
    node.keyed = true;
    node.parallelism = parallelism_;
    node.parallelism_max = parallelism_;
    return result;
  }
  template <class U, class Agg, class Fn>
  DataStream<U> add_aggregate(Agg function, Fn window_function) const;

  DataStream<T> input_;
  KeyFn key_;
  WindowSpec<Assigner> spec_;
  Trigger trigger_;
  Evictor evictor_;
  int parallelism_;
};

// ---- implementation -----------------------------------------------------------------------------

template <class K, class T, class KeyFn, WindowAssigner Assigner, class Trigger, class Evictor>
template <class U, class Agg, class Fn>
DataStream<U> WindowedStream<K, T, KeyFn, Assigner, Trigger, Evictor>::add_aggregate(
    Agg function, Fn window_function) const {
  if constexpr (std::is_same_v<Evictor, NoEvictor>) {
    return add_node<U>(make_aggregate_window_operator<K, T, U>(
        spec_, key_, trigger_, std::move(function), std::move(window_function)));
  } else {
    return add_node<U>(make_evicting_window_operator<K, T, U>(
        spec_, key_, trigger_, evictor_, std::move(function), std::move(window_function)));
  }
}

template <class K, class T, class KeyFn, WindowAssigner Assigner, class Trigger, class Evictor>
template <class Agg>
auto WindowedStream<K, T, KeyFn, Assigner, Trigger, Evictor>::aggregate(Agg function) const {
  SLUICE_REQUIRE_AGGREGATE(Agg, T);
  if constexpr (AggregateFunction<Agg, T>) {
    SLUICE_REQUIRE_MERGEABLE(Agg, Assigner);
    if constexpr (!Assigner::kIsMerging || kCanMerge<Agg>) {
      return add_aggregate<AggregateResult<Agg>>(std::move(function), EmitAggregate{});
    }
  }
}

template <class K, class T, class KeyFn, WindowAssigner Assigner, class Trigger, class Evictor>
template <class U, class Agg, class Fn>
auto WindowedStream<K, T, KeyFn, Assigner, Trigger, Evictor>::aggregate(Agg function,
                                                                        Fn window_function) const {
  SLUICE_REQUIRE_AGGREGATE(Agg, T);
  SLUICE_REQUIRE_WINDOW_RESULT(U, Fn);
  if constexpr (AggregateFunction<Agg, T> && detail::WindowResult<U, Fn>::kKnown) {
    SLUICE_REQUIRE_MERGEABLE(Agg, Assigner);
    if constexpr (!Assigner::kIsMerging || kCanMerge<Agg>) {
      return add_aggregate<typename detail::WindowResult<U, Fn>::Type>(std::move(function),
                                                                       std::move(window_function));
    }
  }
}

template <class K, class T, class KeyFn, WindowAssigner Assigner, class Trigger, class Evictor>
template <class U, class Fn>
auto WindowedStream<K, T, KeyFn, Assigner, Trigger, Evictor>::process(Fn window_function) const {
  SLUICE_REQUIRE_WINDOW_RESULT(U, Fn);
  if constexpr (detail::WindowResult<U, Fn>::kKnown) {
    using Out = typename detail::WindowResult<U, Fn>::Type;
    return add_node<Out>(make_list_window_operator<K, T, Out>(spec_, key_, trigger_, evictor_,
                                                              std::move(window_function)));
  }
}

}  // namespace sluice
