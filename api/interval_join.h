// Records of two keyed streams whose times lie near each other.
//
//   orders.key_by(&Order::id)
//       .interval_join(payments.key_by(&Payment::order))
//       .between(-5min, 1h)                       // payment.time - order.time, both ends included
//       .upper_bound_exclusive()
//       .process([](const Order& o, const Payment& p) { return Paid{o.id, p.amount}; });
//
// Event time only. Results carry the later of both times (semantics rule 43). Records behind the
// watermark are dropped and counted, or go to a side output of each side.
#pragma once

#include <type_traits>
#include <utility>

#include "api/joined_streams.h"
#include "operators/interval_join.h"

namespace sluice {

template <class K, class L, class R, class LeftKey, class RightKey>
class IntervalJoined {
 public:
  IntervalJoined(DataStream<L> left, DataStream<R> right, LeftKey left_key, RightKey right_key,
                 IntervalJoinSpec spec)
      : left_(std::move(left)),
        right_(std::move(right)),
        left_key_(std::move(left_key)),
        right_key_(std::move(right_key)),
        spec_(spec) {}

  IntervalJoined lower_bound_exclusive() const {
    return with([](IntervalJoinSpec& spec) { spec.lower_inclusive = false; });
  }
  IntervalJoined upper_bound_exclusive() const {
    return with([](IntervalJoinSpec& spec) { spec.upper_inclusive = false; });
  }
  IntervalJoined side_output_left_late_data(const OutputTag<L>& tag) const {
    return with([&](IntervalJoinSpec& spec) { spec.late_left_tag = tag.id(); });
  }
  IntervalJoined side_output_right_late_data(const OutputTag<R>& tag) const {
    return with([&](IntervalJoinSpec& spec) { spec.late_right_tag = tag.id(); });
  }
  /// f(left, right) -> result, or f(left, right[, const IntervalJoinContext&], Collector<U>&).
  template <class U = DeducedType, class F>
  auto process(F function) const {
    SLUICE_REQUIRE_JOIN_RESULT(U, F, L, R);
    if constexpr (detail::JoinResult<U, F, L, R>::kKnown) {
      using Out = typename detail::JoinResult<U, F, L, R>::Type;
      Status valid = spec_.validate();
      if (!valid.is_ok()) left_.plan().fail(std::move(valid));
      return detail::connect_two<Out>(left_, right_, "interval_join",
                                      make_interval_join_operator<K, L, R, Out>(
                                          spec_, left_key_, right_key_, std::move(function)),
                                      true);
    }
  }

 private:
  template <class Change>
  IntervalJoined with(Change&& change) const {
    auto copy = *this;
    change(copy.spec_);
    return copy;
  }
  DataStream<L> left_;
  DataStream<R> right_;
  LeftKey left_key_;
  RightKey right_key_;
  IntervalJoinSpec spec_;
};

/// Waits for between().
template <class K, class L, class R, class LeftKey, class RightKey>
class IntervalJoin {
 public:
  IntervalJoin(DataStream<L> left, DataStream<R> right, LeftKey left_key, RightKey right_key)
      : left_(std::move(left)),
        right_(std::move(right)),
        left_key_(std::move(left_key)),
        right_key_(std::move(right_key)) {}

  /// left.time + lower <= right.time <= left.time + upper.
  auto between(Duration lower, Duration upper) const {
    return IntervalJoined<K, L, R, LeftKey, RightKey>(
        left_, right_, left_key_, right_key_, IntervalJoinSpec{.lower = lower, .upper = upper});
  }

 private:
  DataStream<L> left_;
  DataStream<R> right_;
  LeftKey left_key_;
  RightKey right_key_;
};

template <class K, class T, class KeyFn>
template <class R, class RightKey>
auto KeyedStream<K, T, KeyFn>::interval_join(const KeyedStream<K, R, RightKey>& other) const {
  return IntervalJoin<K, T, R, KeyFn, RightKey>(*this, other, key_, other.key_selector());
}

}  // namespace sluice
