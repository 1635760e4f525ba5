// Which operator runs a windowed stream: what api/ calls.
//
//   aggregate / reduce      make_aggregate_window_operator      panes where possible
//   the same with evictor   make_evicting_window_operator       keeps elements, folds when it fires
//   process / apply         make_list_window_operator           (operators/window_operator.h)
//
// count_window(n) is GlobalWindows with purging(CountTrigger::of(n)); count_window(size, slide) is
// GlobalWindows with CountTrigger::of(slide) and CountEvictor::of(size) (semantics rule 9).
#pragma once

#include <span>
#include <utility>

#include "operators/pane_window_operator.h"
#include "operators/window_operator.h"

namespace sluice {

/// Whether panes can run it: aligned event-time windows, the default trigger, nothing kept between
/// firings (a function with open() may register keyed state), and for sliding windows an aggregate
/// that merges.
template <class Assigner, class Trigger, class Agg, class Fn>
inline constexpr bool kRunsInPanes =
    AlignedEventTimeAssigner<Assigner>&& std::is_same_v<Trigger, EventTimeTrigger> &&
    !kKeepsWindowState<Fn> && !HasOpen<Fn> &&
    (std::is_same_v<Assigner, TumblingEventTimeWindows> || kCanMerge<Agg>);

/// `make_aggregate_window_operator<K, In, Out>(spec, select_key, trigger, aggregate, function)`.
template <class K, class In, class Out, class Assigner, class KeySelector, class Trigger, class Agg,
          class Fn = EmitAggregate>
OperatorFactory make_aggregate_window_operator(WindowSpec<Assigner> spec, KeySelector select_key,
                                               Trigger trigger, Agg agg, Fn function = {}) {
  if constexpr (kRunsInPanes<Assigner, Trigger, Agg, Fn>) {
    (void)trigger;
    return make_pane_window_operator<K, In, Out>(std::move(spec), std::move(select_key),
                                                 std::move(agg), std::move(function));
  } else {
    return make_window_operator<K, In, Out>(std::move(spec), std::move(select_key),
                                            std::move(trigger), std::move(agg),
                                            std::move(function));
  }
}

/// A window function that aggregates the elements an evictor left; nothing when it left none.
template <class In, class Agg, class Fn>
class FoldElements {
 public:
  using WindowState = typename detail::WindowStateOf<Fn>::Type;
  using GlobalState = typename detail::GlobalStateOf<Fn>::Type;

  FoldElements(Agg agg, Fn function) : agg_(std::move(agg)), function_(std::move(function)) {}

  void open(RuntimeContext& context) {
    open_function(agg_, context);
    open_function(function_, context);
  }
  void close() { close_function(function_); }
  template <class K, class Context, class Out>
  void process(const K& key, const Context& context, std::span<const In> elements,
               Collector<Out>& out) {
    if (elements.empty()) return;
    auto acc = agg_.create_accumulator();
    for (const In& element : elements) add_to_accumulator(agg_, acc, element);
    const auto& result = agg_.get_result(std::as_const(acc));
    using Result = std::remove_cvref_t<decltype(result)>;
    if constexpr (std::is_same_v<Fn, EmitAggregate>) {
      out.collect(result);
    } else {
      call_window_function(function_, key, context, std::span<const Result>(&result, 1), out);
    }
  }

 private:
  Agg agg_;
  Fn function_;
};

/// Aggregates with an evictor, which needs the elements.
template <class K, class In, class Out, class Assigner, class KeySelector, class Trigger,
          class Evictor, class Agg, class Fn = EmitAggregate>
OperatorFactory make_evicting_window_operator(WindowSpec<Assigner> spec, KeySelector select_key,
                                              Trigger trigger, Evictor evictor, Agg agg,
                                              Fn function = {}) {
  return make_list_window_operator<K, In, Out>(
      std::move(spec), std::move(select_key), std::move(trigger), std::move(evictor),
      FoldElements<In, Agg, Fn>(std::move(agg), std::move(function)));
}

}  // namespace sluice
