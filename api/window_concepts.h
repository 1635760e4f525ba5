// What windows take: the results of window functions, checks with readable messages.
#pragma once

#include <type_traits>

#include "api/function_concepts.h"
#include "operators/aggregate_function.h"
#include "operators/window_assigner.h"
#include "operators/window_function.h"

namespace sluice {

namespace detail {

template <class F>
struct FourthCollector;
template <class R, class C, class A, class B, class D, class U>
struct FourthCollector<R (C::*)(A, B, D, Collector<U>&)> {
  using Type = U;
};
template <class R, class C, class A, class B, class D, class U>
struct FourthCollector<R (C::*)(A, B, D, Collector<U>&) const> {
  using Type = U;
};
template <class R, class A, class B, class D, class U>
struct FourthCollector<R (*)(A, B, D, Collector<U>&)> {
  using Type = U;
};

/// The type of a window function's results: what the caller named, or what the function says.
template <class Named, class Fn>
struct WindowResult {
  static constexpr bool kKnown = true;
  using Type = Named;
};
template <class Fn>
struct WindowResult<DeducedType, Fn> {
  static constexpr bool kKnown = false;
  using Type = void;
};
template <class Fn>
requires requires { typename Fn::Output; }
struct WindowResult<DeducedType, Fn> {
  static constexpr bool kKnown = true;
  using Type = typename Fn::Output;
};
template <class Fn>
requires(
    !requires { typename Fn::Output; } &&
    requires {
      typename FourthCollector<decltype(&Fn::operator())>::Type;
    }) struct WindowResult<DeducedType, Fn> {
  static constexpr bool kKnown = true;
  using Type = typename FourthCollector<decltype(&Fn::operator())>::Type;
};
template <class Fn>
requires requires { typename FourthCollector<Fn>::Type; }
struct WindowResult<DeducedType, Fn> {
  static constexpr bool kKnown = true;
  using Type = typename FourthCollector<Fn>::Type;
};

}  // namespace detail

#define SLUICE_REQUIRE_AGGREGATE(Aggregate, Record)                                            \
  static_assert(::sluice::AggregateFunction<Aggregate, Record>,                                \
                "Sluice: not an aggregate function for this record type. It needs "            \
                "create_accumulator(), add(record, accumulator) and get_result(accumulator); " \
                "merge(accumulator, accumulator) for session windows.")

#define SLUICE_REQUIRE_MERGEABLE(Aggregate, Assigner)                    \
  static_assert(!Assigner::kIsMerging || ::sluice::kCanMerge<Aggregate>, \
                "Sluice: session windows merge, so the aggregate needs " \
                "merge(accumulator, accumulator).")

#define SLUICE_REQUIRE_WINDOW_RESULT(Named, Fn)                                               \
  static_assert(::sluice::detail::WindowResult<Named, Fn>::kKnown,                            \
                "Sluice: the results of this window function are unknown. Derive it from "    \
                "ProcessWindowFunction, write out Collector<U>& as its fourth parameter, or " \
                "name the type: process<U>(function).")

}  // namespace sluice
