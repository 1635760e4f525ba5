// How window operators call an aggregate function, whatever shape its author gave its members.
//
// An aggregate has create_accumulator(), add, get_result(accumulator), and optionally merge and
// retract of whole accumulators (operators/aggregate_function.h). merge makes it fit for sessions
// and for panes of sliding windows; retract(total, part), which undoes merge(total, part), makes
// panes cheaper. A reduce function becomes an aggregate by ReduceAggregate.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice {

template <class Agg>
using AccumulatorOf = std::remove_cvref_t<decltype(std::declval<Agg&>().create_accumulator())>;

template <class Agg>
using AggregateResult = std::remove_cvref_t<decltype(std::declval<Agg&>().get_result(
    std::declval<const AccumulatorOf<Agg>&>()))>;

namespace detail {

template <class Agg, class Acc>
concept MergesInPlace = requires(Agg& agg, Acc& into, const Acc& part) {
  { agg.merge(into, part) } -> std::same_as<void>;
};
template <class Agg, class Acc>
concept MergesByValue = requires(Agg& agg, const Acc& a, const Acc& b) {
  { agg.merge(a, b) } -> std::convertible_to<Acc>;
};
template <class Agg, class Acc>
concept RetractsInPlace = requires(Agg& agg, Acc& total, const Acc& part) {
  { agg.retract(total, part) } -> std::same_as<void>;
};
template <class Agg, class Acc>
concept RetractsByValue = requires(Agg& agg, const Acc& total, const Acc& part) {
  { agg.retract(total, part) } -> std::convertible_to<Acc>;
};

}  // namespace detail

template <class Agg>
inline constexpr bool kCanMerge = detail::MergesInPlace<Agg, AccumulatorOf<Agg>> ||
                                  detail::MergesByValue<Agg, AccumulatorOf<Agg>>;
template <class Agg>
inline constexpr bool kCanRetract = kCanMerge<Agg> &&
                                    (detail::RetractsInPlace<Agg, AccumulatorOf<Agg>> ||
                                     detail::RetractsByValue<Agg, AccumulatorOf<Agg>>);

/// Adds one element: `void add(Acc&, const In&)` or `void / Acc add(const In&, Acc)` as in Flink.
template <class Agg, class Acc, class In>
void add_to_accumulator(Agg& agg, Acc& acc, const In& record) {
  if constexpr (requires {
                  { agg.add(acc, record) } -> std::same_as<void>;
                }) {
    agg.add(acc, record);
  } else if constexpr (requires {
                         { agg.add(record, acc) } -> std::same_as<void>;
                       }) {
    agg.add(record, acc);
  } else {
    acc = agg.add(record, std::move(acc));
  }
}

/// into = the merge of both; `into` holds what came earlier.
template <class Agg, class Acc>
void merge_accumulators(Agg& agg, Acc& into, const Acc& part) {
  if constexpr (detail::MergesInPlace<Agg, Acc>) {
    agg.merge(into, part);
  } else {
    into = agg.merge(std::as_const(into), part);
  }
}
/// Undoes merge_accumulators.
template <class Agg, class Acc>
void unmerge_accumulators(Agg& agg, Acc& total, const Acc& part) {
  if constexpr (detail::RetractsInPlace<Agg, Acc>) {
    agg.retract(total, part);
  } else {
    total = agg.retract(std::as_const(total), part);
  }
}

/// `T f(const T&, const T&)` as an aggregate; associative, as Flink's ReduceFunction.
template <class T, class F>
class ReduceAggregate {
 public:
  explicit ReduceAggregate(F reduce) : reduce_(std::move(reduce)) {}

  std::optional<T> create_accumulator() const { return std::nullopt; }
  void add(std::optional<T>& acc, const T& value) {
    if (acc) {
      *acc = std::invoke(reduce_, std::as_const(*acc), value);
    } else {
      acc = value;
    }
  }
  const T& get_result(const std::optional<T>& acc) const { return *acc; }
  void merge(std::optional<T>& into, const std::optional<T>& part) {
    if (part) add(into, *part);
  }

 private:
  F reduce_;
};

}  // namespace sluice
