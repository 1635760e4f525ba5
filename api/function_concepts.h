// What types and functions the API takes, with messages an author can act on.
//
// Each check is a constant that a static_assert beside the public call uses, so the first lines of
// a compile error say what is wrong in the author's words.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>

#include "core/codec.h"
#include "core/sink.h"
#include "core/source.h"
#include "core/stable_hash.h"
#include "operators/flat_map.h"

namespace sluice {

namespace detail {

template <class T>
constexpr bool is_record_type() {
  if constexpr (kIsOptional<T> || kIsVector<T> || kIsArray<T>) {
    return is_record_type<typename T::value_type>();
  } else if constexpr (kIsMap<T>) {
    return is_record_type<typename T::key_type>() && is_record_type<typename T::mapped_type>();
  } else if constexpr (kIsTuple<T>) {
    return []<size_t... I>(std::index_sequence<I...>) {
      return (true && ... && is_record_type<std::tuple_element_t<I, T>>());
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (DescribedRecord<T>) {
    bool all = true;
    for_each_field_type<T>([&]<class Field>(const char*) { all = all && is_record_type<Field>(); });
    return all;
  } else {
    return Encodable<T>;
  }
}

}  // namespace detail

/// Types that may flow through a stream: SLUICE_RECORDs, the field types they are made of, and
/// types with a Codec of their own.
template <class T>
inline constexpr bool kIsRecord =
    std::is_object_v<T>&& std::copy_constructible<T>&& detail::is_record_type<T>();

/// Types that may be a key.
template <class T>
inline constexpr bool kIsKey = StableHashable<T>;

#define SLUICE_REQUIRE_RECORD(Type)                                                        \
  static_assert(::sluice::kIsRecord<Type>,                                                 \
                "Sluice: this type cannot flow through a stream. Declare its fields with " \
                "SLUICE_RECORD(Type, field, ...) in the type's namespace, or specialise "  \
                "sluice::Codec<Type>; every field must be such a type, too.")

#define SLUICE_REQUIRE_KEY(Type)                                                                  \
  static_assert(::sluice::kIsKey<Type>,                                                           \
                "Sluice: this key cannot be hashed. A key is an integer, bool, enum, EventTime, " \
                "Duration, Decimal, Text, std::string or Bytes, or a tuple, optional, vector or " \
                "SLUICE_RECORD of them, and is comparable with ==.")

/// The base class comes last, because its template arguments have commas.
#define SLUICE_REQUIRE_PROCESS_FUNCTION(F, text, ...)                   \
  static_assert(                                                        \
      requires { typename F::Output; },                                 \
      "Sluice: this is no process function: derive it from " text "."); \
  static_assert(                                                        \
      std::is_base_of_v<__VA_ARGS__, F>,                                \
      "Sluice: the process function has other types than the stream: derive it from " text ".")

/// What a map function gives for a T.
template <class F, class T>
using MapResult = std::remove_cvref_t<std::invoke_result_t<F&, const T&>>;

// ---- flat_map ----------------------------------------------------------------------------------

/// Stands for "find out the type of the results".
struct DeducedType {};

namespace detail {

template <class F>
struct CollectorParameter;
template <class R, class C, class In, class U>
struct CollectorParameter<R (C::*)(In, Collector<U>&)> {
  using Type = U;
};
template <class R, class C, class In, class U>
struct CollectorParameter<R (C::*)(In, Collector<U>&) const> {
  using Type = U;
};
template <class R, class In, class U>
struct CollectorParameter<R (*)(In, Collector<U>&)> {
  using Type = U;
};
template <class F>
concept NamesCollector = requires {
  typename CollectorParameter<F>::Type;
};
template <class F>
concept CallNamesCollector = requires {
  &F::operator();
}
&&NamesCollector<decltype(&F::operator())>;

/// A flat_map function's results when it says nothing else.
template <class F, class T>
struct FlatMapDeduced {
  static constexpr bool kKnown = false;
  using Type = void;
};
template <class F, class T>
requires CallNamesCollector<F>
struct FlatMapDeduced<F, T> {
  static constexpr bool kKnown = true;
  using Type = typename CollectorParameter<decltype(&F::operator())>::Type;
};
template <class F, class T>
requires NamesCollector<F>
struct FlatMapDeduced<F, T> {
  static constexpr bool kKnown = true;
  using Type = typename CollectorParameter<F>::Type;
};
template <class F, class T>
concept ReturnsOptional = std::is_invocable_v<F&, const T&> &&
    kIsOptionalResult<std::remove_cvref_t<std::invoke_result_t<F&, const T&>>>;
template <class F, class T>
concept ReturnsRange = std::is_invocable_v<F&, const T&> &&
    std::ranges::input_range<std::invoke_result_t<F&, const T&>>;
template <class F, class T>
concept ReturnsResults = ReturnsOptional<F, T> || ReturnsRange<F, T>;

template <class F, class T>
requires ReturnsResults<F, T>
struct FlatMapDeduced<F, T> {
  static constexpr bool kKnown = true;
  using Type = typename ResultValue<std::invoke_result_t<F&, const T&>>::Type;
};

template <class In, class Out, class F>
struct FlatMapStageOf {
  using Type = CollectingStage<In, Out, F>;
};
template <class In, class Out, class F>
requires ReturnsResults<F, In>
struct FlatMapStageOf<In, Out, F> {
  using Type = std::conditional_t<kIsEagerResult<std::invoke_result_t<F&, const In&>>,
                                  EagerRangeStage<In, Out, F>, LazyRangeStage<In, Out, F>>;
};

}  // namespace detail

// ---- sources and sinks --------------------------------------------------------------------------

namespace detail {

template <class T>
T source_record_of(const Source<T>*);
template <class T>
T sink_record_of(const Sink<T>*);

template <class P>
struct Pointee {
  using Type = P;
};
template <class P>
struct Pointee<std::shared_ptr<P>> {
  using Type = std::remove_const_t<P>;
};

}  // namespace detail

/// A Source<T> by value or shared_ptr.
template <class S>
concept AnySource = requires(const typename detail::Pointee<S>::Type* source) {
  detail::source_record_of(source);
};
template <AnySource S>
using SourceRecord =
    decltype(detail::source_record_of(std::declval<const typename detail::Pointee<S>::Type*>()));

/// A Sink<T> of some T by value or shared_ptr.
template <class S>
concept AnySink = requires(const typename detail::Pointee<S>::Type* sink) {
  detail::sink_record_of(sink);
};
template <class S, class T>
concept SinkOf = std::is_base_of_v < Sink<T>,
typename detail::Pointee<S>::Type > ;
/// A description that makes the sink for whatever record type the stream carries:
/// `std::shared_ptr<const Sink<T>> make_sink<T>() const`.
template <class S, class T>
concept SinkMakerOf = requires(const S& maker) {
  { maker.template make_sink<T>() } -> std::convertible_to<std::shared_ptr<const Sink<T>>>;
};

}  // namespace sluice
