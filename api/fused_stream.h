// The stream behind adjacent map, filter and flat_map calls, and those calls themselves.
//
// Each call adds an operator of its own to the graph, and, when the one before it was such a call
// too, the alternative of running both (and those before) in one loop compiled as a whole. The
// graph takes the longest alternative that nothing separates: another consumer, another
// parallelism, a new chain.
//
//   source ── map ── filter ── map ── sink        as written
//   source ── [map filter map] ── sink            as run
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "api/data_stream.h"
#include "operators/fused_pipeline.h"

namespace sluice {

namespace detail {

/// More stages than this are not fused into one: the compile time of alternatives grows with the
/// square.
inline constexpr size_t kFusedStagesMax = 5;

template <class T, class F>
auto make_map_stage(F function) {
  static_assert(std::is_invocable_v<F&, const T&>,
                "Sluice: the map function cannot be called with this stream's record type "
                "(const T&).");
  if constexpr (std::is_invocable_v<F&, const T&>) {
    using U = MapResult<F, T>;
    static_assert(!std::is_void_v<U>,
                  "Sluice: the map function returns nothing; it must return the new record.");
    return MapStage<T, U, F>{std::move(function)};
  }
}

template <class T, class F>
auto make_filter_stage(F predicate) {
  static_assert(std::is_invocable_r_v<bool, F&, const T&>,
                "Sluice: the filter function must be callable with this stream's record type "
                "(const T&) and return bool.");
  return FilterStage<T, F>{std::move(predicate)};
}

template <class T, class U, class F>
auto make_flat_map_stage(F function) {
  constexpr bool kNamed = !std::is_same_v<U, DeducedType>;
  using Deduced = FlatMapDeduced<F, T>;
  static_assert(
      kNamed || Deduced::kKnown,
      "Sluice: the flat_map function must be f(record, Collector<U>&) with U written out, "
      "or f(record) returning a container, optional or Generator; a generic lambda names "
      "its results: flat_map<U>(f).");
  if constexpr (kNamed || Deduced::kKnown) {
    using Out = std::conditional_t<kNamed, U, typename Deduced::Type>;
    static_assert(ReturnsResults<F, T> || std::is_invocable_v<F&, const T&, Collector<Out>&>,
                  "Sluice: the flat_map function cannot be called with this stream's record type.");
    return typename FlatMapStageOf<T, Out, F>::Type{std::move(function)};
  }
}

}  // namespace detail

template <class... Stages>
class FusedStream : public DataStream<PipelineOutput<Stages...>>,
                    public NodeSettings<FusedStream<Stages...>> {
  using Base = DataStream<PipelineOutput<Stages...>>;
  using Settings = NodeSettings<FusedStream>;

 public:
  using T = PipelineOutput<Stages...>;

  FusedStream(std::shared_ptr<JobDraft> plan, std::array<NodeId, sizeof...(Stages)> nodes,
              std::tuple<Stages...> stages)
      : Base(std::move(plan), nodes.back()), nodes_(nodes), stages_(std::move(stages)) {}

  template <class F>
  auto map(F function) const {
    return then("map", detail::make_map_stage<T>(std::move(function)));
  }
  template <class F>
  auto filter(F predicate) const {
    return then("filter", detail::make_filter_stage<T>(std::move(predicate)));
  }
  template <class U = DeducedType, class F>
  auto flat_map(F function) const {
    return then("flat_map", detail::make_flat_map_stage<T, U>(std::move(function)));
  }

  using Settings::disable_chaining;
  using Settings::name;
  using Settings::set_max_parallelism;
  using Settings::set_parallelism;
  using Settings::slot_sharing_group;
  using Settings::start_new_chain;
  using Settings::uid;

 private:
  template <class Stage>
  auto then(const char* name, Stage stage) const;
  /// Adds the alternatives that start at stages First-1, First-2, ... 0 of this stream.
  template <size_t First, class Tail>
  void add_alternatives(LogicalNode& node, const Tail& tail) const;

  std::array<NodeId, sizeof...(Stages)> nodes_;
  std::tuple<Stages...> stages_;
};

namespace detail {

/// The first of a run of fusable calls.
template <class T, class Stage>
FusedStream<Stage> start_pipeline(const DataStream<T>& input, const char* name, Stage stage) {
  std::tuple<Stage> stages(std::move(stage));
  const NodeId id =
      input.plan().add_operator(name, input.edges(), make_fused_operator<Stage>(stages));
  return FusedStream<Stage>(input.shared_plan(), {id}, std::move(stages));
}

}  // namespace detail

template <class T>
template <class F>
auto DataStream<T>::map(F function) const {
  return detail::start_pipeline(*this, "map", detail::make_map_stage<T>(std::move(function)));
}

template <class T>
template <class F>
auto DataStream<T>::filter(F predicate) const {
  return detail::start_pipeline(*this, "filter",
                                detail::make_filter_stage<T>(std::move(predicate)));
}

template <class T>
template <class U, class F>
auto DataStream<T>::flat_map(F function) const {
  return detail::start_pipeline(*this, "flat_map",
                                detail::make_flat_map_stage<T, U>(std::move(function)));
}

template <class... Stages>
template <class Stage>
auto FusedStream<Stages...>::then(const char* name, Stage stage) const {
  if constexpr (sizeof...(Stages) == detail::kFusedStagesMax || !kFusable<Stages..., Stage>) {
    return detail::start_pipeline(static_cast<const Base&>(*this), name, std::move(stage));
  } else {
    std::tuple<Stage> alone(std::move(stage));
    const NodeId id =
        this->plan().add_operator(name, this->edges(), make_fused_operator<Stage>(alone));
    add_alternatives<sizeof...(Stages)>(this->plan().graph().node(id), alone);
    std::array<NodeId, sizeof...(Stages) + 1> nodes{};
    std::copy(nodes_.begin(), nodes_.end(), nodes.begin());
    nodes.back() = id;
    return FusedStream<Stages..., Stage>(this->shared_plan(), nodes,
                                         std::tuple_cat(stages_, std::move(alone)));
  }
}

template <class... Stages>
template <size_t First, class Tail>
void FusedStream<Stages...>::add_alternatives(LogicalNode& node, const Tail& tail) const {
  if constexpr (First > 0) {
    const LogicalNode& absorbed = this->plan().graph().node(nodes_[First - 1]);
    // An alternative reads one edge; behind a union there are several.
    if (absorbed.inputs.size() != 1) return;
    auto stages = std::tuple_cat(std::make_tuple(std::get<First - 1>(stages_)), tail);
    FusedAlternative alternative;
    alternative.absorbed = absorbed.id;
    alternative.input = absorbed.inputs.front();
    alternative.factory = make_fused_operator(stages);
    node.fused.push_back(std::move(alternative));
    add_alternatives<First - 1>(node, stages);
  }
}

}  // namespace sluice
