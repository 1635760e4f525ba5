// What runs when a window fires.
//
// ProcessWindowFunction is Flink's: it gets the key, the context, the elements (the one aggregated
// value when the window is pre-aggregated) and a collector. WindowState lives per key and window
// and goes with the window, GlobalState per key for ever; both are records of the author's. A
// lambda (key, context, elements, out) or (key, window, elements, out) works too. Results carry the
// window's last timestamp. Called on the task's thread.
#pragma once

#include <functional>
#include <span>
#include <type_traits>
#include <utility>

#include "core/clock.h"
#include "core/codec.h"
#include "core/operator.h"
#include "operators/output_tag.h"
#include "operators/runtime_context.h"
#include "operators/window.h"

namespace sluice {

/// "This function keeps no such state."
struct NoWindowState {
  uint8_t unused = 0;
};
SLUICE_RECORD(NoWindowState, unused);

/// What a window function may ask; lives during the call.
template <class W, class WindowState = NoWindowState, class GlobalState = NoWindowState>
class WindowContext {
 public:
  const W& window() const { return window_; }
  EventTime current_watermark() const { return watermark_; }
  EventTime current_processing_time() const { return {clock_->wall_ms()}; }
  /// State of this key and window; starts as WindowState{} and goes with the window.
  WindowState& window_state() const requires(!std::is_same_v<WindowState, NoWindowState>) {
    return *window_state_;
  }
  /// State of this key over all its windows; starts as GlobalState{}.
  GlobalState& global_state() const requires(!std::is_same_v<GlobalState, NoWindowState>) {
    return *global_state_;
  }
  /// Emits to a side output, with the window's last timestamp.
  template <class T>
  void output(const OutputTag<T>& tag, const T& value) const {
    OutputBase* output = sides_->find(tag.id());
    if (output == nullptr) return;
    static_cast<Output<T>*>(output)->emit_copy(value, window_.max_timestamp());
  }

  // -- for the operator --
  WindowContext(const Clock* clock, SideOutputs* sides) : clock_(clock), sides_(sides) {}
  void begin(const W& window, EventTime watermark) {
    window_ = window;
    watermark_ = watermark;
  }
  void set_states(WindowState* window_state, GlobalState* global_state) {
    window_state_ = window_state;
    global_state_ = global_state;
  }

 private:
  W window_{};
  EventTime watermark_ = kMinTime;
  const Clock* clock_;
  SideOutputs* sides_;
  WindowState* window_state_ = nullptr;
  GlobalState* global_state_ = nullptr;
};

/// Base of functions over the contents of a window. open() and close() may be added
/// (operators/runtime_context.h).
template <class In, class Out, class K, class W = TimeWindow, class WS = NoWindowState,
          class GS = NoWindowState>
class ProcessWindowFunction {
 public:
  using Output = Out;
  using WindowState = WS;
  using GlobalState = GS;
  using Context = WindowContext<W, WS, GS>;

  virtual ~ProcessWindowFunction() = default;
  virtual void process(const K& key, const Context& context, std::span<const In> elements,
                       Collector<Out>& out) = 0;
  /// The window goes, with its state.
  virtual void clear(const K& /*key*/, const Context& /*context*/) {}
};

/// Emits the aggregated value as it is.
struct EmitAggregate {};

namespace detail {

template <class Fn>
struct WindowStateOf {
  using Type = NoWindowState;
};
template <class Fn>
requires requires { typename Fn::WindowState; }
struct WindowStateOf<Fn> {
  using Type = typename Fn::WindowState;
};
template <class Fn>
struct GlobalStateOf {
  using Type = NoWindowState;
};
template <class Fn>
requires requires { typename Fn::GlobalState; }
struct GlobalStateOf<Fn> {
  using Type = typename Fn::GlobalState;
};

template <class Fn, class W>
using WindowContextOf =
    WindowContext<W, typename WindowStateOf<Fn>::Type, typename GlobalStateOf<Fn>::Type>;

}  // namespace detail

/// Whether the function keeps state of its own between firings.
template <class Fn>
inline constexpr bool kKeepsWindowState =
    !std::is_same_v<typename detail::WindowStateOf<Fn>::Type, NoWindowState> ||
    !std::is_same_v<typename detail::GlobalStateOf<Fn>::Type, NoWindowState>;

/// Calls the function in whichever form it was written.
template <class Fn, class K, class Context, class In, class Out>
void call_window_function(Fn& function, const K& key, const Context& context,
                          std::span<const In> elements, Collector<Out>& out) {
  if constexpr (requires { function.process(key, context, elements, out); }) {
    function.process(key, context, elements, out);
  } else if constexpr (std::is_invocable_v<Fn&, const K&, const Context&, std::span<const In>,
                                           Collector<Out>&>) {
    std::invoke(function, key, context, elements, out);
  } else {
    static_assert(std::is_invocable_v<Fn&, const K&, decltype(context.window()),
                                      std::span<const In>, Collector<Out>&>,
                  "a window function is a ProcessWindowFunction, or takes (key, context, elements, "
                  "out) or (key, window, elements, out), where elements is a std::span<const T>");
    std::invoke(function, key, context.window(), elements, out);
  }
}

}  // namespace sluice
