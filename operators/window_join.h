// Window join: every pair of elements of two streams with the same key in the same window (inner
// join). Elements without partner vanish; results carry the window's last timestamp.
//
//   f(const L&, const R&) -> Out, or f(const L&, const R&, Collector<Out>&).
//
// Pairs come in order of arrival on the left, then on the right. Firing stops between any two pairs
// when an output is full, so a key with a thousand elements on both sides needs no memory for its
// million results.
#pragma once

#include <functional>
#include <span>
#include <utility>

#include "operators/co_group.h"

namespace sluice {

template <class F>
class JoinPairs {
 public:
  explicit JoinPairs(F function) : function_(std::move(function)) {}

  void open(RuntimeContext& context) { open_function(function_, context); }
  void close() { close_function(function_); }
  /// `position` counts the pairs that were joined.
  template <class K, class Context, class L, class R, class Out, class MustStop>
  bool process_sides(const K& /*key*/, const Context& /*context*/, std::span<const L> left,
                     std::span<const R> right, Collector<Out>& out, size_t& position,
                     MustStop&& must_stop) {
    const size_t pairs = left.size() * right.size();
    if (position >= pairs) return true;
    size_t l = position / right.size();
    size_t r = position % right.size();
    for (; l < left.size(); ++l, r = 0) {
      for (; r < right.size(); ++r) {
        if (must_stop()) return false;
        join(left[l], right[r], out);
        ++position;
      }
    }
    return true;
  }

 private:
  template <class L, class R, class Out>
  void join(const L& left, const R& right, Collector<Out>& out) {
    if constexpr (std::is_invocable_v<F&, const L&, const R&, Collector<Out>&>) {
      std::invoke(function_, left, right, out);
    } else {
      static_assert(std::is_invocable_r_v<Out, F&, const L&, const R&>,
                    "a join function takes (left, right) and returns the result, or takes (left, "
                    "right, Collector<Out>&)");
      out.collect(std::invoke(function_, left, right));
    }
  }
  F function_;
};

/// Input 0 is the left stream, input 1 the right one; both hash partitioned by key.
template <class K, class L, class R, class Out, class Assigner, class LeftKey, class RightKey,
          class Trigger, class F>
OperatorFactory make_window_join_operator(WindowSpec<Assigner> spec, LeftKey select_left,
                                          RightKey select_right, Trigger trigger, F function) {
  return detail::make_two_sided_window_operator<K, L, R, Out, JoinPairs<F>>(
      std::move(spec), std::move(select_left), std::move(select_right), std::move(trigger),
      JoinPairs<F>(std::move(function)));
}

}  // namespace sluice
