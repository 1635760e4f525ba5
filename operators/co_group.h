// co_group: the elements of two streams with the same key in the same window, handed to a function
// together. Either side may be empty, so outer joins can be written with it.
//
//   f(std::span<const L> left, std::span<const R> right, Collector<Out>& out), or with
//   (key, window, left, right, out).
//
// It is the general window operator with a second input and contents of two lists: assigners,
// triggers, lateness, merging sessions and snapshots are the same. Late elements are dropped and
// counted.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "operators/window_operator.h"

namespace sluice {

/// Contents of one window: the elements of both inputs in order of arrival.
template <class L, class R>
class WindowSides {
 public:
  static constexpr bool kCanAbsorb = true;

  bool is_empty() const { return left_.is_empty() && right_.is_empty(); }
  std::span<const L> left() const { return left_.values(); }
  std::span<const R> right() const { return right_.values(); }

  template <int kInput, class Record>
  void add(const Record& record) {
    NoAggregate none;
    if constexpr (kInput == 0) {
      left_.add(none, record, kNoTimestamp);
    } else {
      right_.add(none, record, kNoTimestamp);
    }
  }
  template <class Agg>
  void absorb(Agg& agg, const WindowSides& other) {
    left_.absorb(agg, other.left_);
    right_.absorb(agg, other.right_);
  }
  void clear() {
    left_.clear();
    right_.clear();
  }
  int64_t heap_bytes() const { return left_.heap_bytes() + right_.heap_bytes(); }

  void encode(ByteWriter& writer) const {
    left_.encode(writer);
    right_.encode(writer);
  }
  void decode(ByteReader& reader) {
    left_.decode(reader);
    right_.decode(reader);
  }
  static TypeSchema schema() { return schema_of<std::tuple<std::vector<L>, std::vector<R>>>(); }
  void decode_as(ByteReader& reader, const TypeSchema& stored) {
    left_.decode_as(reader, stored.children[0]);
    right_.decode_as(reader, stored.children[1]);
  }

 private:
  WindowList<L, false> left_;
  WindowList<R, false> right_;
};

template <class K, class L, class R, class Out, class Assigner, class LeftKey, class RightKey,
          class Trigger, class Fn>
struct CoGroupTypes
    : WindowOperatorTypes<K, L, Out, Assigner, LeftKey, Trigger, NoEvictor, NoAggregate, Fn> {
  using Right = R;
  using RightKeySelector = RightKey;
  using Contents = WindowSides<L, R>;
};

/// Calls the author's co_group function; all results of a window and key at once.
template <class F>
class CoGroupFunction {
 public:
  explicit CoGroupFunction(F function) : function_(std::move(function)) {}

  void open(RuntimeContext& context) { open_function(function_, context); }
  void close() { close_function(function_); }
  template <class K, class Context, class L, class R, class Out, class MustStop>
  bool process_sides(const K& key, const Context& context, std::span<const L> left,
                     std::span<const R> right, Collector<Out>& out, size_t& /*position*/,
                     MustStop&& /*must_stop*/) {
    if constexpr (std::is_invocable_v<F&, std::span<const L>, std::span<const R>,
                                      Collector<Out>&>) {
      std::invoke(function_, left, right, out);
    } else {
      static_assert(std::is_invocable_v<F&, const K&, decltype(context.window()),
                                        std::span<const L>, std::span<const R>, Collector<Out>&>,
                    "a co_group function takes (left, right, out) or (key, window, left, right, "
                    "out), where left and right are std::span<const T>");
      std::invoke(function_, key, context.window(), left, right, out);
    }
    return true;
  }

 private:
  F function_;
};

namespace detail {

template <class K, class L, class R, class Out, class Fn, class Assigner, class LeftKey,
          class RightKey, class Trigger>
OperatorFactory make_two_sided_window_operator(WindowSpec<Assigner> spec, LeftKey select_left,
                                               RightKey select_right, Trigger trigger,
                                               Fn function) {
  using Types = CoGroupTypes<K, L, R, Out, Assigner, LeftKey, RightKey, Trigger, Fn>;
  return [=]() -> std::unique_ptr<Operator> {
    return std::make_unique<WindowOperator<Types>>(spec, select_left, trigger, NoEvictor{},
                                                   NoAggregate{}, function, select_right);
  };
}

}  // namespace detail

/// Input 0 is the left stream, input 1 the right one; both hash partitioned by key.
template <class K, class L, class R, class Out, class Assigner, class LeftKey, class RightKey,
          class Trigger, class F>
OperatorFactory make_co_group_operator(WindowSpec<Assigner> spec, LeftKey select_left,
                                       RightKey select_right, Trigger trigger, F function) {
  return detail::make_two_sided_window_operator<K, L, R, Out, CoGroupFunction<F>>(
      std::move(spec), std::move(select_left), std::move(select_right), std::move(trigger),
      CoGroupFunction<F>(std::move(function)));
}

}  // namespace sluice
