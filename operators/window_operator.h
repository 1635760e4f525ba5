// The general window operator: sessions, global and count windows, processing time, custom
// triggers, evictors, whole contents, and functions with state. Aligned event-time windows with an
// aggregate have a faster one (operators/pane_window_operator.h).
//
// Per key a map: number of the window → bucket (operators/window_contents.h), in the key's row. The
// number is the start of the window when it was made; it stays when sessions merge into it (Flink's
// "state window"), and timers carry it as their name space. Every window has a cleanup timer at its
// last timestamp + allowed lateness, the trigger has timers of its own; with lateness 0 both are
// one timer: it fires, then the window goes (semantics rule 6).
//
// Sessions (rule 7): an element's window merges with all that overlap or touch it; lateness is
// judged on the merged window; the timers of absorbed windows are deleted and the trigger registers
// anew. One task; see operators/keyed_operator.h for rows, timers and resuming.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "operators/keyed_operator.h"
#include "operators/keyed_runtime_context.h"
#include "operators/pane_aggregate.h"
#include "operators/trigger.h"
#include "operators/window_contents.h"
#include "operators/window_function.h"
#include "operators/window_spec.h"
#include "operators/window_watermark.h"
#include "state/api/map_state.h"
#include "state/api/value_state.h"

namespace sluice {

/// Stands for the aggregate of windows that keep their elements.
struct NoAggregate {};

/// Stands for the second input of operators that have one.
struct NoInput {};

/// The types of one instance; see make_window_operator, make_list_window_operator and
/// operators/co_group.h, which gives it a second input.
template <class KeyT, class InT, class OutT, class AssignerT, class KeySelectorT, class TriggerT,
          class EvictorT, class AggT, class FnT>
struct WindowOperatorTypes {
  using Key = KeyT;
  using In = InT;
  using Right = NoInput;
  using RightKeySelector = NoInput;
  using Out = OutT;
  using Assigner = AssignerT;
  using KeySelector = KeySelectorT;
  using Trigger = TriggerT;
  using Evictor = EvictorT;
  using Agg = AggT;
  using Fn = FnT;
  static constexpr bool kEvicts = !std::is_same_v<Evictor, NoEvictor>;
  static constexpr bool kAggregates = !std::is_same_v<Agg, NoAggregate>;

  template <bool kIsAggregate, class Dummy = void>
  struct ContentsOf {
    using Type = WindowList<In, kEvicts>;
  };
  template <class Dummy>
  struct ContentsOf<true, Dummy> {
    using Type = WindowAccumulator<In, Agg>;
  };
  using Contents = typename ContentsOf<kAggregates>::Type;
};

template <class Types>
class WindowOperator final
    : public KeyedOperator<WindowOperator<Types>, typename Types::Key, typename Types::Out> {
  using Base = KeyedOperator<WindowOperator<Types>, typename Types::Key, typename Types::Out>;
  using K = typename Types::Key;
  using In = typename Types::In;
  using Out = typename Types::Out;
  using Assigner = typename Types::Assigner;
  using W = typename Assigner::Window;
  using Trigger = typename Types::Trigger;
  using Contents = typename Types::Contents;
  using Fn = typename Types::Fn;
  using Right = typename Types::Right;
  using WindowState = typename detail::WindowStateOf<Fn>::Type;
  using GlobalState = typename detail::GlobalStateOf<Fn>::Type;
  using Bucket = WindowBucket<W, Contents, typename Trigger::State, WindowState>;
  static constexpr bool kIsEventTime = Assigner::kTimeDomain == TimeDomain::kEventTime;
  static constexpr bool kIsMerging = Assigner::kIsMerging;
  static constexpr bool kHasTwoInputs = !std::is_same_v<Right, NoInput>;
  static constexpr bool kHasGlobalState = !std::is_same_v<GlobalState, NoWindowState>;
  static_assert(!kIsMerging || Contents::kCanAbsorb,
                "session windows merge: the aggregate needs merge(accumulator, accumulator)");

 public:
  WindowOperator(WindowSpec<Assigner> spec, typename Types::KeySelector select_key, Trigger trigger,
                 typename Types::Evictor evictor, typename Types::Agg agg, Fn function,
                 typename Types::RightKeySelector select_right_key = {})
      : spec_(std::move(spec)),
        select_key_(std::move(select_key)),
        select_right_key_(std::move(select_right_key)),
        trigger_(std::move(trigger)),
        evictor_(std::move(evictor)),
        agg_(std::move(agg)),
        function_(std::move(function)) {}

  Status open_keyed(OperatorContext& context);
  void close() override { close_function(function_); }
  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    read_clock();
    if (firing_ && !resume_firing()) return Progress::kOutputFull;
    if constexpr (kHasTwoInputs) {
      if (input == 1) {
        return this->template drive_keyed<Right>(
            input, in, cursor, select_right_key_,
            [&](const Right& record, EventTime time, RowKind kind) { add<1>(record, time, kind); });
      }
    }
    return this->template drive_keyed<In>(
        input, in, cursor, select_key_,
        [&](const In& record, EventTime time, RowKind kind) { add<0>(record, time, kind); });
  }
  bool can_snapshot() const override { return !firing_; }
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId checkpoint) override {
    if (firing_) return Status::internal("snapshot while a window is being fired");
    return Base::snapshot(checkpoint);
  }
  bool on_watermark() {
    watermark_.advance(this->watermark());
    if (!this->fire_event_timers() || firing_) return false;
    watermark_.settle();
    return true;
  }
  void on_event_timer(EventTime time, int64_t number) {
    on_timer<TimeDomain::kEventTime>(time, number);
  }
  void on_processing_timer(int64_t time_ms, int64_t number) {
    read_clock();
    on_timer<TimeDomain::kProcessingTime>({time_ms}, number);
  }
  std::unique_ptr<FrozenState> freeze_more() {
    return std::make_unique<FrozenWatermark>(watermark_.freeze());
  }

 private:
  /// A window whose results did not all fit.
  struct Firing {
    RowAddress row;
    int64_t number = 0;
    size_t position = 0;
    bool purges = false;
    bool is_over = false;
  };

  template <int kInput, class Record>
  void add(const Record& record, EventTime time, RowKind kind);
  template <int kInput, class Record>
  void add_to_bucket(int64_t number, const W& window, const Record& record, EventTime time);
  /// Merges `window` with the sessions it touches; the number of the resulting window, which is
  /// returned in `window`.
  int64_t merge_sessions(W& window);
  void absorb(int64_t number, int64_t absorbed);
  template <TimeDomain kDomain>
  void on_timer(EventTime time, int64_t number);
  /// Emits all results of a window that fired, and clears the contents when it was purged.
  void act_on(TriggerResult result, Bucket& bucket);
  void purge(Bucket& bucket);
  /// Emits from `position` on, which moves; false when must_stop() said so before the end.
  template <class MustStop>
  bool emit(Bucket& bucket, size_t& position, MustStop&& must_stop);
  bool run_firing();
  bool resume_firing();
  /// Removes the window with everything that belongs to it.
  void clear_window(int64_t number);
  template <class Record>
  void take_late(const Record& record, EventTime time, RowKind kind);

  // -- helpers --
  static int64_t number_of(const W& window) {
    if constexpr (std::is_same_v<W, GlobalWindow>) {
      return 0;
    } else {
      return window.start.ms;
    }
  }
  EventTime cleanup_time(const W& window) const {
    if constexpr (!kIsEventTime) return window.max_timestamp();
    return window_cleanup_time(window.max_timestamp(), spec_.allowed_lateness);
  }
  bool is_late(const W& window) const {
    return kIsEventTime && cleanup_time(window) <= key_watermark();
  }
  void register_cleanup(const W& window, int64_t number) {
    const EventTime time = cleanup_time(window);
    if (time == kMaxTime) return;  // Stays for ever.
    if constexpr (kIsEventTime) {
      this->timers().register_event_timer(time, number);
    } else {
      this->timers().register_processing_timer(time.ms, number);
    }
  }
  void delete_cleanup(const W& window, int64_t number) {
    const EventTime time = cleanup_time(window);
    if (time == kMaxTime) return;
    if constexpr (kIsEventTime) {
      this->timers().delete_event_timer(time, number);
    } else {
      this->timers().delete_processing_timer(time.ms, number);
    }
  }
  /// The clock as of this call to process() or this processing timer.
  EventTime now() const { return now_; }
  void read_clock() { now_ = {this->context().clock->wall_ms()}; }
  EventTime key_watermark() const {
    if (!watermark_.has_floors()) return watermark_.current();
    return watermark_.of(stable_hash(const_cast<WindowOperator*>(this)->rows().current_key()));
  }
  /// Calls f(state, context) of the trigger and carries out its timer requests.
  template <class F>
  auto ask_trigger(Bucket& bucket, int64_t number, F&& f);

  WindowSpec<Assigner> spec_;
  typename Types::KeySelector select_key_;
  [[no_unique_address]] typename Types::RightKeySelector select_right_key_;
  Trigger trigger_;
  typename Types::Evictor evictor_;
  typename Types::Agg agg_;
  Fn function_;

  MapState<int64_t, Bucket> windows_;
  std::conditional_t<kHasGlobalState, ValueState<GlobalState>, char> global_{};
  WindowWatermark watermark_;
  EventTime now_ = kMinTime;
  TriggerContext trigger_context_;
  std::optional<RuntimeContext> runtime_;
  std::optional<detail::WindowContextOf<Fn, W>> context_;
  std::optional<Firing> firing_;
  std::vector<int64_t> touched_;  // Sessions being merged, by number.
  Output<In>* late_output_ = nullptr;
  Counter* late_ = nullptr;
};

// ---- opening ------------------------------------------------------------------------------------

template <class Types>
Status WindowOperator<Types>::open_keyed(OperatorContext& context) {
  SLUICE_RETURN_IF_ERROR(spec_.validate());
  if (kIsMerging && !trigger_.can_merge()) {
    return Status::invalid_argument(
        "this trigger cannot be used with session windows: its state does not merge");
  }
  SLUICE_ASSIGN_OR_RETURN(windows_,
                          (MapState<int64_t, Bucket>::add_to(
                              this->rows(), MapStateDescriptor<int64_t, Bucket>{"_windows"})));
  if constexpr (kHasGlobalState) {
    SLUICE_ASSIGN_OR_RETURN(global_,
                            (ValueState<GlobalState>::add_to(
                                this->rows(), ValueStateDescriptor<GlobalState>{"_global_state"})));
  }
  SLUICE_RETURN_IF_ERROR(watermark_.open(context));
  late_ = &context.metrics->counter(kLateMetric);
  late_output_ = static_cast<Output<In>*>(this->sides_.find(spec_.late_tag));
  runtime_.emplace(context, &this->rows());
  context_.emplace(context.clock, &this->sides_);
  open_function(agg_, *runtime_);
  open_function(function_, *runtime_);
  return Status::ok();
}

// ---- elements -----------------------------------------------------------------------------------

template <class Types>
template <int kInput, class Record>
void WindowOperator<Types>::add(const Record& record, EventTime time, RowKind kind) {
  bool is_skipped = true;
  spec_.assigner.assign(record, time, now(), [&](W window) {
    int64_t number = number_of(window);
    if constexpr (kIsMerging) {
      number = merge_sessions(window);
    }
    // A late session touched no living one, so nothing was merged.
    if (is_late(window)) return;
    is_skipped = false;
    add_to_bucket<kInput>(number, window, record, time);
  });
  if (is_skipped) take_late(record, time, kind);
}

template <class Types>
template <int kInput, class Record>
void WindowOperator<Types>::add_to_bucket(int64_t number, const W& window, const Record& record,
                                          EventTime time) {
  bool is_done = false;
  windows_.modify(number, [&](Bucket& bucket) {
    bucket.window = window;
    if constexpr (kHasTwoInputs) {
      bucket.contents.template add<kInput>(record);
    } else {
      bucket.contents.add(agg_, record, time);
    }
    const TriggerResult result =
        ask_trigger(bucket, number, [&](auto& state, TriggerContext& context) {
          return trigger_.on_element(record, time, window, state, context);
        });
    act_on(result, bucket);
    // A window without end whose trigger remembers nothing leaves nothing behind when purged.
    if constexpr (std::equality_comparable<typename Trigger::State> &&
                  std::is_same_v<WindowState, NoWindowState>) {
      is_done = purges(result) && cleanup_time(window) == kMaxTime &&
                bucket.trigger.get() == typename Trigger::State{};
    }
  });
  if (is_done) {
    windows_.remove(number);
  } else {
    register_cleanup(window, number);
  }
}

template <class Types>
int64_t WindowOperator<Types>::merge_sessions(W& window) {
  touched_.clear();
  W merged = window;
  // One pass is enough: sessions of a key never touch each other, so what the merged window touches
  // the element's window touches too.
  for (const auto& [number, bucket] : windows_.entries()) {
    if (!bucket.window.touches(window)) continue;
    merged = merged.cover(bucket.window);
    touched_.push_back(number);
  }
  if (touched_.empty()) return number_of(window);
  window = merged;
  // The oldest survives, so that elements stay in order of the sessions.
  const int64_t number = touched_.front();
  if (touched_.size() == 1 && windows_.get(number)->window == merged) return number;
  windows_.modify(number, [&](Bucket& bucket) {
    ask_trigger(bucket, number, [&](auto& state, TriggerContext& context) {
      // The state goes on: only the timers of the old window are dropped.
      auto copy = state;
      trigger_.clear(bucket.window, copy, context);
      return 0;
    });
    delete_cleanup(bucket.window, number);
    bucket.window = merged;
  });
  for (size_t i = 1; i < touched_.size(); ++i) absorb(number, touched_[i]);
  windows_.modify(number, [&](Bucket& bucket) {
    ask_trigger(bucket, number, [&](auto& state, TriggerContext& context) {
      trigger_.on_merge(merged, state, context);
      return 0;
    });
  });
  return number;
}

template <class Types>
void WindowOperator<Types>::absorb(int64_t number, int64_t absorbed) {
  Bucket gone = *windows_.get(absorbed);
  windows_.modify(number, [&](Bucket& bucket) {
    bucket.contents.absorb(agg_, gone.contents);
    bucket.trigger.update([&](auto& state) { trigger_.merge_state(state, gone.trigger.get()); });
  });
  ask_trigger(gone, absorbed, [&](auto& state, TriggerContext& context) {
    trigger_.clear(gone.window, state, context);
    return 0;
  });
  delete_cleanup(gone.window, absorbed);
  windows_.remove(absorbed);
}

// Semantics rule 4: side output only for what every window skipped and is late itself.
template <class Types>
template <class Record>
void WindowOperator<Types>::take_late(const Record& record, EventTime time, RowKind kind) {
  if (!kIsEventTime) return;
  if (saturating_add(time, spec_.allowed_lateness) > key_watermark()) return;
  late_->add();
  if constexpr (!kHasTwoInputs) {
    if (late_output_ != nullptr) late_output_->emit_copy(record, time, kind);
  } else {
    (void)record;
    (void)kind;
  }
}

// ---- timers and firing --------------------------------------------------------------------------

template <class Types>
template <TimeDomain kDomain>
void WindowOperator<Types>::on_timer(EventTime time, int64_t number) {
  if (!windows_.contains(number)) return;
  Firing firing{.row = this->rows().current_address(), .number = number};
  bool fires_now = false;
  windows_.modify(number, [&](Bucket& bucket) {
    const W window = bucket.window;
    const TriggerResult result =
        ask_trigger(bucket, number, [&](auto& state, TriggerContext& context) {
          if constexpr (kDomain == TimeDomain::kEventTime) {
            return trigger_.on_event_time(time, window, state, context);
          } else {
            return trigger_.on_processing_time(time, window, state, context);
          }
        });
    firing.is_over = kDomain == Assigner::kTimeDomain && time == cleanup_time(window);
    firing.purges = purges(result);
    // Event-time firing of joins can stop between any two results; everything else emits at once.
    fires_now = fires(result) && !bucket.contents.is_empty();
    if (fires_now && (!kHasTwoInputs || kDomain != TimeDomain::kEventTime)) {
      emit(bucket, firing.position, [] { return false; });
      fires_now = false;
    }
    if (!fires_now && firing.purges) purge(bucket);
  });
  if (fires_now) {
    firing_ = firing;
    this->rows().keep_rows(!run_firing());
  } else if (firing.is_over) {
    clear_window(number);
  }
}

// The key of the window is current. False: it stopped because an output is full.
template <class Types>
bool WindowOperator<Types>::run_firing() {
  bool is_done = false;
  windows_.modify(firing_->number, [&](Bucket& bucket) {
    is_done = emit(bucket, firing_->position, [this] { return this->outputs_full(); });
    if (is_done && firing_->purges) purge(bucket);
  });
  if (!is_done) return false;
  const Firing done = *firing_;
  firing_.reset();
  if (done.is_over) clear_window(done.number);
  return true;
}

template <class Types>
bool WindowOperator<Types>::resume_firing() {
  const ArenaScope scope(&this->out_.arena());
  // A processing timer in between may have cleared the window.
  if (!this->rows().set_current_row(firing_->row) || !windows_.contains(firing_->number)) {
    this->rows().clear_current_key();
    this->rows().keep_rows(false);
    firing_.reset();
    return true;
  }
  const bool is_done = run_firing();
  this->rows().clear_current_key();
  this->rows().keep_rows(!is_done);
  return is_done;
}

template <class Types>
void WindowOperator<Types>::act_on(TriggerResult result, Bucket& bucket) {
  size_t position = 0;
  if (fires(result) && !bucket.contents.is_empty()) {
    emit(bucket, position, [] { return false; });
  }
  if (purges(result)) purge(bucket);
}

template <class Types>
void WindowOperator<Types>::purge(Bucket& bucket) {
  bucket.contents.clear();
}

template <class Types>
template <class MustStop>
bool WindowOperator<Types>::emit(Bucket& bucket, size_t& position, MustStop&& must_stop) {
  Collector<Out> collector(this->out_);
  collector.set_time(bucket.window.max_timestamp());
  context_->begin(bucket.window, key_watermark());
  const K& key = this->rows().current_key();
  bool is_done = true;
  const auto call = [&](WindowState& window_state, GlobalState& global_state) {
    context_->set_states(&window_state, &global_state);
    if constexpr (kHasTwoInputs) {
      is_done = function_.process_sides(key, *context_, bucket.contents.left(),
                                        bucket.contents.right(), collector, position, must_stop);
    } else {
      (void)position;
      (void)must_stop;
      bucket.contents.with_elements(agg_, [&](auto elements) {
        if constexpr (std::is_same_v<Fn, EmitAggregate>) {
          collector.collect(elements.front());
        } else {
          call_window_function(function_, key, *context_, elements, collector);
        }
      });
    }
  };
  const auto call_with_global = [&](WindowState& window_state) {
    if constexpr (kHasGlobalState) {
      global_.modify([&](GlobalState& global_state) { call(window_state, global_state); });
    } else {
      GlobalState none;
      call(window_state, none);
    }
  };
  if constexpr (Types::kEvicts) {
    bucket.contents.change_elements([&](auto& elements) {
      evictor_.evict_before(elements, bucket.window, now());
      bucket.state.update(call_with_global);
      evictor_.evict_after(elements, bucket.window, now());
    });
  } else {
    bucket.state.update(call_with_global);
  }
  return is_done;
}

template <class Types>
void WindowOperator<Types>::clear_window(int64_t number) {
  windows_.modify(number, [&](Bucket& bucket) {
    ask_trigger(bucket, number, [&](auto& state, TriggerContext& context) {
      trigger_.clear(bucket.window, state, context);
      return 0;
    });
    delete_cleanup(bucket.window, number);
    if constexpr (requires(const K& key) { function_.clear(key, *context_); }) {
      context_->begin(bucket.window, key_watermark());
      bucket.state.update([&](WindowState& window_state) {
        if constexpr (kHasGlobalState) {
          global_.modify([&](GlobalState& global_state) {
            context_->set_states(&window_state, &global_state);
            function_.clear(this->rows().current_key(), *context_);
          });
        } else {
          context_->set_states(&window_state, nullptr);
          function_.clear(this->rows().current_key(), *context_);
        }
      });
    }
  });
  windows_.remove(number);
}

template <class Types>
template <class F>
auto WindowOperator<Types>::ask_trigger(Bucket& bucket, int64_t number, F&& f) {
  trigger_context_.begin(key_watermark(), now());
  decltype(f(std::declval<typename Trigger::State&>(), trigger_context_)) result{};
  bucket.trigger.update([&](auto& state) { result = f(state, trigger_context_); });
  using Kind = TriggerContext::Request::Kind;
  for (const auto& request : trigger_context_.requests()) {
    switch (request.kind) {
      case Kind::kAddEvent:
        this->timers().register_event_timer(request.time, number);
        break;
      case Kind::kDeleteEvent:
        this->timers().delete_event_timer(request.time, number);
        break;
      case Kind::kAddProcessing:
        this->timers().register_processing_timer(request.time.ms, number);
        break;
      case Kind::kDeleteProcessing:
        this->timers().delete_processing_timer(request.time.ms, number);
        break;
    }
  }
  return result;
}

// ---- factories ----------------------------------------------------------------------------------

/// The trigger a kind of windows has when the job names none.
template <class Assigner>
struct DefaultTrigger {
  using Type =
      std::conditional_t<std::is_same_v<typename Assigner::Window, GlobalWindow>, NeverTrigger,
                         std::conditional_t<Assigner::kTimeDomain == TimeDomain::kEventTime,
                                            EventTimeTrigger, ProcessingTimeTrigger>>;
};
template <class Assigner>
using DefaultTriggerOf = typename DefaultTrigger<Assigner>::Type;

/// Windows with one accumulator: `make_window_operator<K, In, Out>(spec, select_key, trigger,
/// aggregate, function)`.
template <class K, class In, class Out, class Assigner, class KeySelector, class Trigger, class Agg,
          class Fn = EmitAggregate>
OperatorFactory make_window_operator(WindowSpec<Assigner> spec, KeySelector select_key,
                                     Trigger trigger, Agg agg, Fn function = {}) {
  using Types = WindowOperatorTypes<K, In, Out, Assigner, KeySelector, Trigger, NoEvictor, Agg, Fn>;
  return [=]() -> std::unique_ptr<Operator> {
    return std::make_unique<WindowOperator<Types>>(spec, select_key, trigger, NoEvictor{}, agg,
                                                   function);
  };
}

/// Windows that keep their elements, for process(), apply() and evictors (NoEvictor{} for none).
template <class K, class In, class Out, class Assigner, class KeySelector, class Trigger,
          class Evictor, class Fn>
OperatorFactory make_list_window_operator(WindowSpec<Assigner> spec, KeySelector select_key,
                                          Trigger trigger, Evictor evictor, Fn function) {
  using Types =
      WindowOperatorTypes<K, In, Out, Assigner, KeySelector, Trigger, Evictor, NoAggregate, Fn>;
  return [=]() -> std::unique_ptr<Operator> {
    return std::make_unique<WindowOperator<Types>>(spec, select_key, trigger, evictor,
                                                   NoAggregate{}, function);
  };
}

}  // namespace sluice
