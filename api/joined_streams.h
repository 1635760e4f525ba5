// Two streams joined within windows: join() and co_group().
//
//   orders.join(payments)
//       .where(&Order::id).equal_to(&Payment::order)
//       .window(TumblingEventTimeWindows::of(1h))
//       .apply([](const Order& o, const Payment& p) { return Paid{o.id, p.amount}; });
//
//   orders.co_group(payments).where(...).equal_to(...).window(...)
//       .apply([](std::span<const Order> o, std::span<const Payment> p, Collector<Row>& out)
//       {...});
//
// join() gives every pair of one key and window, records without partner vanish; co_group() hands
// over both sides of a key and window, either of which may be empty, so outer joins can be written
// with it. Results carry the window's last millisecond as their timestamp.
#pragma once

#include <span>
#include <type_traits>
#include <utility>

#include "api/connected_streams.h"
#include "api/keyed_stream.h"
#include "operators/co_group.h"
#include "operators/window_join.h"

namespace sluice {

namespace detail {

template <class F>
struct LastCollector;
template <class R, class C, class A, class B, class U>
struct LastCollector<R (C::*)(A, B, Collector<U>&)> {
  using Type = U;
};
template <class R, class C, class A, class B, class U>
struct LastCollector<R (C::*)(A, B, Collector<U>&) const> {
  using Type = U;
};
template <class R, class C, class A, class B, class D, class U>
struct LastCollector<R (C::*)(A, B, D, Collector<U>&)> {
  using Type = U;
};
template <class R, class C, class A, class B, class D, class U>
struct LastCollector<R (C::*)(A, B, D, Collector<U>&) const> {
  using Type = U;
};
template <class R, class C, class A, class B, class D, class E, class U>
struct LastCollector<R (C::*)(A, B, D, E, Collector<U>&)> {
  using Type = U;
};
template <class R, class C, class A, class B, class D, class E, class U>
struct LastCollector<R (C::*)(A, B, D, E, Collector<U>&) const> {
  using Type = U;
};

/// The results of a join function: named, written out as Collector<U>&, or returned for a pair.
template <class Named, class F, class L, class R>
struct JoinResult {
  static constexpr bool kKnown = true;
  using Type = Named;
};
template <class F, class L, class R>
struct JoinResult<DeducedType, F, L, R> {
  static constexpr bool kKnown = false;
  using Type = void;
};
template <class F, class L, class R>
requires requires { typename LastCollector<decltype(&F::operator())>::Type; }
struct JoinResult<DeducedType, F, L, R> {
  static constexpr bool kKnown = true;
  using Type = typename LastCollector<decltype(&F::operator())>::Type;
};
template <class F, class L, class R>
requires std::is_invocable_v<F&, const L&, const R&>
struct JoinResult<DeducedType, F, L, R> {
  static constexpr bool kKnown = true;
  using Type = std::remove_cvref_t<std::invoke_result_t<F&, const L&, const R&>>;
};

}  // namespace detail

#define SLUICE_REQUIRE_JOIN_RESULT(Named, F, L, R)                                                 \
  static_assert(::sluice::detail::JoinResult<Named, F, L, R>::kKnown,                              \
                "Sluice: the results of this join function are unknown: it returns the result of " \
                "a pair (left, right), or takes Collector<U>& with U written out as its last "     \
                "parameter, or names the type: apply<U>(function).")

enum class JoinKind { kJoin, kCoGroup };

/// Ready for its function.
template <JoinKind kKind, class L, class R, class LeftKey, class RightKey, WindowAssigner Assigner,
          class Trigger = DefaultTriggerOf<Assigner>>
class WindowedJoin {
 public:
  WindowedJoin(DataStream<L> left, DataStream<R> right, LeftKey left_key, RightKey right_key,
               WindowSpec<Assigner> spec, Trigger trigger = {})
      : left_(std::move(left)),
        right_(std::move(right)),
        left_key_(std::move(left_key)),
        right_key_(std::move(right_key)),
        spec_(std::move(spec)),
        trigger_(std::move(trigger)) {}

  template <class Other>
  auto trigger(Other other) const {
    return WindowedJoin<kKind, L, R, LeftKey, RightKey, Assigner, Other>(
        left_, right_, left_key_, right_key_, spec_, std::move(other));
  }
  WindowedJoin allowed_lateness(Duration lateness) const {
    auto copy = *this;
    copy.spec_.allowed_lateness = lateness;
    return copy;
  }
  /// The function over pairs (join) or over both sides (co_group); see the top of this file.
  template <class U = DeducedType, class F>
  auto apply(F function) const {
    SLUICE_REQUIRE_JOIN_RESULT(U, F, L, R);
    if constexpr (detail::JoinResult<U, F, L, R>::kKnown) {
      using Out = typename detail::JoinResult<U, F, L, R>::Type;
      using K = KeyOf<LeftKey, L>;
      Status valid = spec_.validate();
      if (!valid.is_ok()) left_.plan().fail(std::move(valid));
      if constexpr (kKind == JoinKind::kJoin) {
        return detail::connect_two<Out>(
            left_, right_, "window_join",
            make_window_join_operator<K, L, R, Out>(spec_, left_key_, right_key_, trigger_,
                                                    std::move(function)),
            true);
      } else {
        return detail::connect_two<Out>(
            left_, right_, "co_group",
            make_co_group_operator<K, L, R, Out>(spec_, left_key_, right_key_, trigger_,
                                                 std::move(function)),
            true);
      }
    }
  }

 private:
  DataStream<L> left_;
  DataStream<R> right_;
  LeftKey left_key_;
  RightKey right_key_;
  WindowSpec<Assigner> spec_;
  Trigger trigger_;
};

/// Both keys are known.
template <JoinKind kKind, class L, class R, class LeftKey, class RightKey>
class JoinWithKeys {
  using K = KeyOf<LeftKey, L>;
  static_assert(std::is_same_v<K, KeyOf<RightKey, R>>,
                "Sluice: both sides of a join have keys of the same type.");
  SLUICE_REQUIRE_KEY(K);

 public:
  JoinWithKeys(const DataStream<L>& left, const DataStream<R>& right, LeftKey left_key,
               RightKey right_key)
      : left_(left.key_by(left_key)),
        right_(right.key_by(right_key)),
        left_key_(std::move(left_key)),
        right_key_(std::move(right_key)) {}

  template <WindowAssigner Assigner>
  auto window(Assigner assigner) const {
    return WindowedJoin<kKind, L, R, LeftKey, RightKey, Assigner>(
        left_, right_, left_key_, right_key_, WindowSpec<Assigner>{std::move(assigner)});
  }

 private:
  DataStream<L> left_;
  DataStream<R> right_;
  LeftKey left_key_;
  RightKey right_key_;
};

/// The left key is known.
template <JoinKind kKind, class L, class R, class LeftKey>
class JoinWhere {
 public:
  JoinWhere(DataStream<L> left, DataStream<R> right, LeftKey left_key)
      : left_(std::move(left)), right_(std::move(right)), left_key_(std::move(left_key)) {}

  /// The key of the other stream's records.
  template <class RightKey>
  auto equal_to(RightKey right_key) const {
    static_assert(std::is_invocable_v<const RightKey&, const R&>,
                  "Sluice: equal_to() takes a key selector of the second stream's records.");
    return JoinWithKeys<kKind, L, R, LeftKey, RightKey>(left_, right_, left_key_,
                                                        std::move(right_key));
  }

 private:
  DataStream<L> left_;
  DataStream<R> right_;
  LeftKey left_key_;
};

/// Two streams to be joined.
template <JoinKind kKind, class L, class R>
class JoinedStreams {
 public:
  JoinedStreams(DataStream<L> left, DataStream<R> right)
      : left_(std::move(left)), right_(std::move(right)) {}

  /// The key of this stream's records.
  template <class LeftKey>
  auto where(LeftKey left_key) const {
    static_assert(std::is_invocable_v<const LeftKey&, const L&>,
                  "Sluice: where() takes a key selector of the first stream's records.");
    return JoinWhere<kKind, L, R, LeftKey>(left_, right_, std::move(left_key));
  }

 private:
  DataStream<L> left_;
  DataStream<R> right_;
};

template <class T>
template <class R>
auto DataStream<T>::join(const DataStream<R>& other) const {
  return JoinedStreams<JoinKind::kJoin, T, R>(*this, other);
}

template <class T>
template <class R>
auto DataStream<T>::co_group(const DataStream<R>& other) const {
  return JoinedStreams<JoinKind::kCoGroup, T, R>(*this, other);
}

}  // namespace sluice
