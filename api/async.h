// async_map: calls to services and databases, many at a time, without blocking the stream.
//
// Two forms of the function:
//
//   // A client with callbacks. The record is valid during the call only; copy what is needed.
//   stream.async_map([client](const Order& order, AsyncResult<Customer> result) {
//     client->lookup(order.customer.str(), [result](Customer c) { result.complete(c); });
//   }, {.order = AsyncOrder::kUnordered, .capacity = 200, .timeout = 5s,
//       .retry = AsyncRetry::exponential(3, 100ms, 1s)});
//
//   // A blocking client: the function runs on I/O threads, several at a time.
//   stream.async_map(on_io_threads([db](const Order& order) { return db->customer_of(order); }));
//
// Watermarks and barriers keep their place among the results in both orders, and records in flight
// are part of a checkpoint (semantics rule 44). An operation that fails for the last time, or has
// no result in time, ends the job, unless the function has a member `timeout(record,
// AsyncResult<U>)` that completes the result in another way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/data_stream.h"
#include "operators/async_operator.h"

namespace sluice {

namespace detail {

template <class F>
struct AsyncParameter;
template <class R, class C, class In, class U>
struct AsyncParameter<R (C::*)(In, AsyncResult<U>)> {
  using Type = U;
};
template <class R, class C, class In, class U>
struct AsyncParameter<R (C::*)(In, AsyncResult<U>) const> {
  using Type = U;
};
template <class R, class In, class U>
struct AsyncParameter<R (*)(In, AsyncResult<U>)> {
  using Type = U;
};

/// The type of an asynchronous function's results.
template <class Named, class F, class T>
struct AsyncFunctionResult {
  static constexpr bool kKnown = true;
  using Type = Named;
};
template <class F, class T>
struct AsyncFunctionResult<DeducedType, F, T> {
  static constexpr bool kKnown = false;
  using Type = void;
};
template <class F, class T>
requires requires { typename F::template ResultOf<T>; }
struct AsyncFunctionResult<DeducedType, F, T> {
  static constexpr bool kKnown = true;
  using Type = typename F::template ResultOf<T>;
};
template <class F, class T>
requires requires { typename AsyncParameter<decltype(&F::operator())>::Type; }
struct AsyncFunctionResult<DeducedType, F, T> {
  static constexpr bool kKnown = true;
  using Type = typename AsyncParameter<decltype(&F::operator())>::Type;
};
template <class F, class T>
requires requires { typename AsyncParameter<F>::Type; }
struct AsyncFunctionResult<DeducedType, F, T> {
  static constexpr bool kKnown = true;
  using Type = typename AsyncParameter<F>::Type;
};

template <class R>
struct ValueOfResult {
  using Type = R;
};
template <class R>
struct ValueOfResult<std::optional<R>> {
  using Type = R;
};
template <class R>
struct ValueOfResult<std::vector<R>> {
  using Type = R;
};

/// A blocking function as an asynchronous one.
template <class F>
class IoThreadFunction {
 public:
  template <class T>
  using ResultOf =
      typename ValueOfResult<std::remove_cvref_t<std::invoke_result_t<const F&, const T&>>>::Type;

  explicit IoThreadFunction(F function)
      : function_(std::make_shared<const F>(std::move(function))) {}

  void open(RuntimeContext& context) { io_ = context.operator_context().io; }

  template <class T>
  void operator()(const T& record, AsyncResult<ResultOf<T>> result) const {
    TextArenaRef texts = TextArenaRef(new TextArena());
    T copy = record;
    move_texts_to(copy, *texts);
    io_->run([function = function_, copy = std::move(copy), texts, result] {
      const ArenaScope scope(texts.get());
      try {
        deliver(std::invoke(*function, copy), result);
      } catch (...) {
        result.fail(std::current_exception());
      }
    });
  }

 private:
  template <class R, class U>
  static void deliver(R&& found, const AsyncResult<U>& result) {
    using Found = std::remove_cvref_t<R>;
    if constexpr (std::is_same_v<Found, std::optional<U>>) {
      result.complete_all(found ? std::vector<U>{*found} : std::vector<U>());
    } else if constexpr (std::is_same_v<Found, std::vector<U>>) {
      result.complete_all(std::forward<R>(found));
    } else {
      result.complete(found);
    }
  }

  std::shared_ptr<const F> function_;
  IoRunner* io_ = nullptr;
};

}  // namespace detail

/// Runs a blocking function on the engine's I/O threads. It is called from several threads at once
/// and returns one result, an optional or a vector.
template <class F>
detail::IoThreadFunction<F> on_io_threads(F function) {
  return detail::IoThreadFunction<F>(std::move(function));
}

template <class T>
template <class U, class F>
auto DataStream<T>::async_map(F function, AsyncOptions options) const {
  using Known = detail::AsyncFunctionResult<U, F, T>;
  static_assert(
      Known::kKnown,
      "Sluice: the results of this asynchronous function are unknown. It is "
      "f(const Record&, AsyncResult<U>) with U written out, or on_io_threads(f), or names "
      "its results: async_map<U>(f).");
  if constexpr (Known::kKnown) {
    using Out = typename Known::Type;
    static_assert(std::is_invocable_v<F&, const T&, AsyncResult<Out>>,
                  "Sluice: the asynchronous function cannot be called with this stream's record "
                  "type and an AsyncResult.");
    Status valid = options.validate();
    if (!valid.is_ok()) plan_->fail(std::move(valid));
    return transform<Out>("async_map",
                          make_async_operator<T, Out>(std::move(function), std::move(options)));
  }
}

}  // namespace sluice
