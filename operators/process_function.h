// The functions a job author derives from when map, reduce and windows are not enough: they see
// each record with its time and key, keep state, set timers and write side outputs. Flink's words
// in snake_case.
//
//   class Debounce : public KeyedProcessFunction<Text, Click, Click> {
//    public:
//     void open(RuntimeContext& context) override {
//       last_ = context.get_state(ValueStateDescriptor<Click>{"last"});
//     }
//     void process_element(const Click& click, Context& context, Collector<Click>& out) override {
//       last_.update(click);
//       context.timer_service().register_event_time_timer(click.time + 5s);
//     }
//     void on_timer(EventTime time, OnTimerContext& context, Collector<Click>& out) override {
//       if (auto last = last_.value(); last && last->time + 5s <= time) {
//         out.collect(*last);
//         last_.clear();
//       }
//     }
//    private:
//     ValueState<Click> last_;
//   };
//
// One copy of the function runs per subtask, on one thread at a time; it is copied before open(),
// so members set in the constructor arrive, state handles are made in open(). Records emitted by
// process_element carry the time of the record, those of on_timer the time of an event timer, and
// none after a processing timer. An exception ends the job with the operator's name and its text.
#pragma once

#include "core/output.h"
#include "operators/keyed_runtime_context.h"
#include "operators/process_context.h"

namespace sluice {

/// Functions with a life: open() before the first record, close() after the last, also on failure.
class RichFunction {
 public:
  RichFunction() = default;
  RichFunction(const RichFunction&) = default;
  RichFunction& operator=(const RichFunction&) = default;
  virtual ~RichFunction() = default;
  virtual void open(RuntimeContext& /*context*/) {}
  virtual void close() {}
};

/// For streams without key: no state, no timers.
template <class In, class Out>
class ProcessFunction : public RichFunction {
 public:
  using Input = In;
  using Output = Out;
  using Context = ProcessContext;

  virtual void process_element(const In& value, Context& context, Collector<Out>& out) = 0;
};

/// For keyed streams: state and timers of the current key.
template <class K, class In, class Out>
class KeyedProcessFunction : public RichFunction {
 public:
  using Key = K;
  using Input = In;
  using Output = Out;
  using Context = KeyedContext<K>;
  using OnTimerContext = KeyedOnTimerContext<K>;

  virtual void process_element(const In& value, Context& context, Collector<Out>& out) = 0;
  /// A timer set by this function is due; the key it was set for is current.
  virtual void on_timer(EventTime /*time*/, OnTimerContext& /*context*/, Collector<Out>& /*out*/) {}
};

/// For two connected streams without key.
template <class A, class B, class Out>
class CoProcessFunction : public RichFunction {
 public:
  using Input1 = A;
  using Input2 = B;
  using Output = Out;
  using Context = ProcessContext;

  virtual void process_element1(const A& value, Context& context, Collector<Out>& out) = 0;
  virtual void process_element2(const B& value, Context& context, Collector<Out>& out) = 0;
};

/// For two connected streams with the same key: both sides share state and timers.
template <class K, class A, class B, class Out>
class KeyedCoProcessFunction : public RichFunction {
 public:
  using Key = K;
  using Input1 = A;
  using Input2 = B;
  using Output = Out;
  using Context = KeyedContext<K>;
  using OnTimerContext = KeyedOnTimerContext<K>;

  virtual void process_element1(const A& value, Context& context, Collector<Out>& out) = 0;
  virtual void process_element2(const B& value, Context& context, Collector<Out>& out) = 0;
  virtual void on_timer(EventTime /*time*/, OnTimerContext& /*context*/, Collector<Out>& /*out*/) {}
};

/// For a stream without key connected to a broadcast stream.
template <class In, class B, class Out>
class BroadcastProcessFunction : public RichFunction {
 public:
  using Input1 = In;
  using Input2 = B;
  using Output = Out;
  using ReadOnlyContext = ReadsBroadcast<ProcessContext>;
  using Context = BroadcastContext;

  virtual void process_element(const In& value, ReadOnlyContext& context, Collector<Out>& out) = 0;
  /// Must treat every record alike on all subtasks, so that their broadcast states stay equal.
  virtual void process_broadcast_element(const B& value, Context& context, Collector<Out>& out) = 0;
};

/// For a keyed stream connected to a broadcast stream.
template <class K, class In, class B, class Out>
class KeyedBroadcastProcessFunction : public RichFunction {
 public:
  using Key = K;
  using Input1 = In;
  using Input2 = B;
  using Output = Out;
  using ReadOnlyContext = ReadsBroadcast<KeyedContext<K>>;
  using Context = KeyedBroadcastContext<K>;
  using OnTimerContext = ReadsBroadcast<KeyedOnTimerContext<K>>;

  virtual void process_element(const In& value, ReadOnlyContext& context, Collector<Out>& out) = 0;
  /// Must treat every record alike on all subtasks, so that their broadcast states stay equal.
  virtual void process_broadcast_element(const B& value, Context& context, Collector<Out>& out) = 0;
  virtual void on_timer(EventTime /*time*/, OnTimerContext& /*context*/, Collector<Out>& /*out*/) {}
};

}  // namespace sluice
