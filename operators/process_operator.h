// The operators that run process functions (operators/process_function.h).
//
// The function's type is a template parameter and its members are called by their qualified names,
// so the calls are inlined although the functions are declared virtual. Input 0 is the first (or
// keyed) stream, input 1 the second (or broadcast) one. Everything the function emits is copied,
// because it may come from state.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "operators/keyed_operator.h"
#include "operators/process_function.h"

namespace sluice {

// ---- without key --------------------------------------------------------------------------------

/// The frame of process operators without key: rows, marks, life of the function.
template <class F, class Out>
class UnkeyedFunctionOperator : public OperatorWithOutput<Out> {
 public:
  Status open(OperatorContext& context) override {
    scope_.clock = context.clock;
    scope_.watermark = &watermark_;
    scope_.sides = &side_lookup_;
    RuntimeContext runtime(context);
    return status_of([&] {
      function_.F::open(runtime);
      return Status::ok();
    });
  }
  void close() override { function_.F::close(); }

 protected:
  explicit UnkeyedFunctionOperator(F function)
      : function_(std::move(function)), side_lookup_(this->sides_), collector_(this->out_) {}

  template <class In, class OnRow>
  Progress drive(const StreamBatch& in, Cursor& cursor, OnRow&& on_row) {
    const ArenaScope scope(&this->out_.arena());
    const auto* batch = in.batch ? &batch_cast<In>(*in.batch) : nullptr;
    for (;;) {
      const uint32_t end = cursor.mark < in.marks.size() ? in.marks[cursor.mark].row : in.rows();
      for (; cursor.row < end; ++cursor.row) {
        if (this->outputs_full()) return Progress::kOutputFull;
        scope_.timestamp = batch->time(cursor.row);
        collector_.set_time(scope_.timestamp);
        on_row((*batch)[cursor.row]);
      }
      if (cursor.mark == in.marks.size()) return Progress::kDone;
      const EventTime watermark = in.marks[cursor.mark++].watermark;
      if (watermark <= watermark_) continue;
      watermark_ = watermark;
      this->mark_outputs(watermark);
    }
  }

  F function_;
  FunctionScope scope_;
  SideOutputLookup side_lookup_;
  Collector<Out> collector_;

 private:
  EventTime watermark_ = kMinTime;
};

template <class In, class Out, class F>
class ProcessOperator final : public UnkeyedFunctionOperator<F, Out> {
 public:
  explicit ProcessOperator(F function) : UnkeyedFunctionOperator<F, Out>(std::move(function)) {}

  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    typename F::Context context(this->scope_);
    return this->template drive<In>(in, cursor, [&](const In& record) {
      this->function_.F::process_element(record, context, this->collector_);
    });
  }
};

template <class A, class B, class Out, class F>
class CoProcessOperator final : public UnkeyedFunctionOperator<F, Out> {
 public:
  explicit CoProcessOperator(F function) : UnkeyedFunctionOperator<F, Out>(std::move(function)) {}

  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    typename F::Context context(this->scope_);
    if (input == 0) {
      return this->template drive<A>(in, cursor, [&](const A& record) {
        this->function_.F::process_element1(record, context, this->collector_);
      });
    }
    return this->template drive<B>(in, cursor, [&](const B& record) {
      this->function_.F::process_element2(record, context, this->collector_);
    });
  }
};

template <class In, class B, class Out, class F>
class BroadcastProcessOperator final : public UnkeyedFunctionOperator<F, Out> {
  using Base = UnkeyedFunctionOperator<F, Out>;

 public:
  BroadcastProcessOperator(F function, const std::vector<BroadcastStateSpec>& states)
      : Base(std::move(function)), broadcast_(states) {}

  Status open(OperatorContext& context) override {
    this->scope_.broadcast = &broadcast_;
    if (context.restored != nullptr) {
      SLUICE_RETURN_IF_ERROR(broadcast_.restore(*context.restored));
    }
    return Base::open(context);
  }
  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    if (input == 0) {
      typename F::ReadOnlyContext context(this->scope_);
      return this->template drive<In>(in, cursor, [&](const In& record) {
        this->function_.F::process_element(record, context, this->collector_);
      });
    }
    typename F::Context context(this->scope_);
    return this->template drive<B>(in, cursor, [&](const B& record) {
      this->function_.F::process_broadcast_element(record, context, this->collector_);
    });
  }
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId /*checkpoint*/) override {
    return broadcast_.freeze();
  }

 private:
  BroadcastStates broadcast_;
};

// ---- keyed --------------------------------------------------------------------------------------

/// The frame of keyed process operators: life of the function, its timers, its scope.
template <class Derived, class K, class Out, class F>
class KeyedFunctionOperator : public KeyedOperator<Derived, K, Out> {
 public:
  Status open_keyed(OperatorContext& context) {
    scope_.clock = context.clock;
    scope_.watermark = &this->watermark();
    scope_.sides = &side_lookup_;
    scope_.timers = &this->timers();
    scope_.rows = &this->rows();
    RuntimeContext runtime(context, &this->rows());
    function_.F::open(runtime);
    return Status::ok();
  }
  void close() override { function_.F::close(); }

  void on_event_timer(EventTime time, int64_t /*name_space*/) {
    run_timer(time, time, TimerDomain::kEvent);
  }
  void on_processing_timer(int64_t time_ms, int64_t /*name_space*/) {
    run_timer({time_ms}, kNoTimestamp, TimerDomain::kProcessing);
  }

 protected:
  explicit KeyedFunctionOperator(F function)
      : function_(std::move(function)), side_lookup_(this->sides_), collector_(this->out_) {}

  void begin_record(EventTime time) {
    scope_.timestamp = time;
    collector_.set_time(time);
  }

  F function_;
  FunctionScope scope_;
  SideOutputLookup side_lookup_;
  Collector<Out> collector_;

 private:
  void run_timer(EventTime time, EventTime output_time, TimerDomain domain) {
    scope_.timestamp = output_time;
    scope_.domain = domain;
    collector_.set_time(output_time);
    typename F::OnTimerContext context(scope_);
    function_.F::on_timer(time, context, collector_);
  }
};

template <class K, class In, class Out, class F, class KeyFn>
class KeyedProcessOperator final
    : public KeyedFunctionOperator<KeyedProcessOperator<K, In, Out, F, KeyFn>, K, Out, F> {
 public:
  KeyedProcessOperator(F function, KeyFn key)
      : KeyedFunctionOperator<KeyedProcessOperator, K, Out, F>(std::move(function)),
        key_(std::move(key)) {}

  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    typename F::Context context(this->scope_);
    return this->template drive_keyed<In>(
        input, in, cursor, key_, [&](const In& record, EventTime time, RowKind) {
          this->begin_record(time);
          this->function_.F::process_element(record, context, this->collector_);
        });
  }

 private:
  KeyFn key_;
};

template <class K, class A, class B, class Out, class F, class KeyFn1, class KeyFn2>
class KeyedCoProcessOperator final
    : public KeyedFunctionOperator<KeyedCoProcessOperator<K, A, B, Out, F, KeyFn1, KeyFn2>, K, Out,
                                   F> {
 public:
  KeyedCoProcessOperator(F function, KeyFn1 key1, KeyFn2 key2)
      : KeyedFunctionOperator<KeyedCoProcessOperator, K, Out, F>(std::move(function)),
        key1_(std::move(key1)),
        key2_(std::move(key2)) {}

  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    typename F::Context context(this->scope_);
    if (input == 0) {
      return this->template drive_keyed<A>(
          input, in, cursor, key1_, [&](const A& record, EventTime time, RowKind) {
            this->begin_record(time);
            this->function_.F::process_element1(record, context, this->collector_);
          });
    }
    return this->template drive_keyed<B>(
        input, in, cursor, key2_, [&](const B& record, EventTime time, RowKind) {
          this->begin_record(time);
          this->function_.F::process_element2(record, context, this->collector_);
        });
  }

 private:
  KeyFn1 key1_;
  KeyFn2 key2_;
};

template <class K, class In, class B, class Out, class F, class KeyFn>
class KeyedBroadcastProcessOperator final
    : public KeyedFunctionOperator<KeyedBroadcastProcessOperator<K, In, B, Out, F, KeyFn>, K, Out,
                                   F> {
  using Base =
      KeyedFunctionOperator<KeyedBroadcastProcessOperator<K, In, B, Out, F, KeyFn>, K, Out, F>;

 public:
  KeyedBroadcastProcessOperator(F function, KeyFn key,
                                const std::vector<BroadcastStateSpec>& states)
      : Base(std::move(function)), key_(std::move(key)), broadcast_(states) {}

  Status open_keyed(OperatorContext& context) {
    this->scope_.broadcast = &broadcast_;
    return Base::open_keyed(context);
  }
  Status restore_more(SnapshotReader& reader) { return broadcast_.restore(reader); }
  std::unique_ptr<FrozenState> freeze_more() { return broadcast_.freeze(); }

  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    if (input == 0) {
      typename F::ReadOnlyContext context(this->scope_);
      return this->template drive_keyed<In>(
          input, in, cursor, key_, [&](const In& record, EventTime time, RowKind) {
            this->begin_record(time);
            this->function_.F::process_element(record, context, this->collector_);
          });
    }
    typename F::Context context(this->scope_);
    return this->template drive_unkeyed<B>(
        in, cursor, [&](const B& record, EventTime time, RowKind) {
          this->begin_record(time);
          this->function_.F::process_broadcast_element(record, context, this->collector_);
        });
  }

 private:
  KeyFn key_;
  BroadcastStates broadcast_;
};

// ---- factories ----------------------------------------------------------------------------------

/// Each instance gets a copy of the function and of the key selectors (callables or member
/// pointers).
template <class In, class Out, class F>
OperatorFactory make_process_operator(F function) {
  return [function] { return std::make_unique<ProcessOperator<In, Out, F>>(function); };
}
template <class A, class B, class Out, class F>
OperatorFactory make_co_process_operator(F function) {
  return [function] { return std::make_unique<CoProcessOperator<A, B, Out, F>>(function); };
}
template <class In, class B, class Out, class F>
OperatorFactory make_broadcast_process_operator(F function,
                                                std::vector<BroadcastStateSpec> states) {
  return [function, states] {
    return std::make_unique<BroadcastProcessOperator<In, B, Out, F>>(function, states);
  };
}
template <class K, class In, class Out, class F, class KeyFn>
OperatorFactory make_keyed_process_operator(F function, KeyFn key) {
  return [function, key] {
    return std::make_unique<KeyedProcessOperator<K, In, Out, F, KeyFn>>(function, key);
  };
}
template <class K, class A, class B, class Out, class F, class KeyFn1, class KeyFn2>
OperatorFactory make_keyed_co_process_operator(F function, KeyFn1 key1, KeyFn2 key2) {
  return [function, key1, key2] {
    return std::make_unique<KeyedCoProcessOperator<K, A, B, Out, F, KeyFn1, KeyFn2>>(function, key1,
                                                                                     key2);
  };
}
template <class K, class In, class B, class Out, class F, class KeyFn>
OperatorFactory make_keyed_broadcast_process_operator(F function, KeyFn key,
                                                      std::vector<BroadcastStateSpec> states) {
  return [function, key, states] {
    return std::make_unique<KeyedBroadcastProcessOperator<K, In, B, Out, F, KeyFn>>(function, key,
                                                                                    states);
  };
}

}  // namespace sluice
