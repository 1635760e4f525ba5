// Rolling results of a keyed stream: reduce, sum, min, max, min_by, max_by and aggregate. Each
// input record gives one result, the value so far of its key, with the record's time, as in Flink.
// In batch mode each key gives one result, at the end of the input and without time, also as in
// Flink.
//
// sum, min and max change one field of the key's first record; min_by and max_by keep the whole
// record that has the least or greatest value, the earlier one when values are equal. The functions
// are template parameters and are inlined into the loop over the batch.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "operators/aggregate_function.h"
#include "operators/keyed_operator.h"
#include "operators/runtime_context.h"
#include "state/api/value_cell.h"

namespace sluice {

// ---- functions ----------------------------------------------------------------------------------

/// Adds a field: a member pointer, or a function that gives a reference to a number in the record.
template <class T, class Field>
struct SumField {
  static_assert(std::is_lvalue_reference_v<std::invoke_result_t<const Field&, T&>>,
                "sum() needs a field of the record that can be written: &Record::field");
  void operator()(T& total, const T& next) const {
    std::invoke(field, total) += std::invoke(field, next);
  }
  Field field;
};

template <class T, class Field>
struct MinField {
  static_assert(std::is_lvalue_reference_v<std::invoke_result_t<const Field&, T&>>,
                "min() needs a field of the record that can be written: &Record::field");
  void operator()(T& least, const T& next) const {
    const auto& value = std::invoke(field, next);
    auto& held = std::invoke(field, least);
    if (value < held) held = value;
  }
  Field field;
};

template <class T, class Field>
struct MaxField {
  static_assert(std::is_lvalue_reference_v<std::invoke_result_t<const Field&, T&>>,
                "max() needs a field of the record that can be written: &Record::field");
  void operator()(T& greatest, const T& next) const {
    const auto& value = std::invoke(field, next);
    auto& held = std::invoke(field, greatest);
    if (held < value) held = value;
  }
  Field field;
};

/// `field` is any callable or member pointer whose results can be compared.
template <class T, class Field>
struct MinBy {
  const T& operator()(const T& least, const T& next) const {
    return std::invoke(field, next) < std::invoke(field, least) ? next : least;
  }
  Field field;
};

template <class T, class Field>
struct MaxBy {
  const T& operator()(const T& greatest, const T& next) const {
    return std::invoke(field, greatest) < std::invoke(field, next) ? next : greatest;
  }
  Field field;
};

// ---- operators ----------------------------------------------------------------------------------

/// `F` is T(const T&, const T&) like Flink's ReduceFunction, or void(T& so_far, const T& next).
template <class K, class T, class F, class KeyFn>
class KeyedReduceOperator final : public KeyedOperator<KeyedReduceOperator<K, T, F, KeyFn>, K, T> {
 public:
  static constexpr bool kUsesTimers = false;

  KeyedReduceOperator(F reduce, KeyFn key) : reduce_(std::move(reduce)), key_(std::move(key)) {}

  Status open_keyed(OperatorContext& context) {
    RuntimeContext runtime(context);
    final_only_ = context.final_results_only;
    open_function(reduce_, runtime);
    SLUICE_ASSIGN_OR_RETURN(value_, ValueSlot<T>::add_to(this->rows(), "reduce", {}));
    return Status::ok();
  }
  void close() override { close_function(reduce_); }

  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    return this->template drive_keyed<T>(
        input, in, cursor, key_,
        [this](const T& record, EventTime time, RowKind) { add(record, time); });
  }
  bool can_snapshot() const override { return next_final_.group == 0 && next_final_.row == 0; }
  bool on_watermark() {
    if (!final_only_ || this->watermark() != kMaxTime) return true;
    return this->rows().visit_rows(next_final_, [this] {
      if (this->outputs_full()) return false;
      this->out_.emit_copy(*value_.get());
      return true;
    });
  }

 private:
  static constexpr bool kInPlace = std::is_void_v<std::invoke_result_t<F&, T&, const T&>>;

  void add(const T& record, EventTime time) {
    const T* so_far = value_.get();
    if (so_far == nullptr) {
      value_.set(record);
      if (!final_only_) this->out_.emit_copy(record, time);
      return;
    }
    if constexpr (!kInPlace) {
      value_.set(std::invoke(reduce_, *so_far, record));
    } else if constexpr (StoredValue<T>::kInline && !kContainsText<T>) {
      std::invoke(reduce_, value_.present_in_place(), record);
    } else {
      value_.modify([&](T& held) { std::invoke(reduce_, held, record); });
    }
    if (!final_only_) this->out_.emit_copy(*value_.get(), time);
  }

  F reduce_;
  KeyFn key_;
  ValueSlot<T> value_;
  RowCursor next_final_;
  bool final_only_ = false;
};

template <class K, class In, class Aggregate, class KeyFn>
class KeyedAggregateOperator final
    : public KeyedOperator<KeyedAggregateOperator<K, In, Aggregate, KeyFn>, K,
                           AggregateResult<Aggregate>> {
  static_assert(AggregateFunction<Aggregate, In>,
                "an aggregate function has create_accumulator(), add(record, accumulator) and "
                "get_result(accumulator); see operators/aggregate_function.h");

 public:
  using Accumulator = AccumulatorOf<Aggregate>;
  static constexpr bool kUsesTimers = false;

  KeyedAggregateOperator(Aggregate aggregate, KeyFn key)
      : aggregate_(std::move(aggregate)), key_(std::move(key)) {}

  Status open_keyed(OperatorContext& context) {
    RuntimeContext runtime(context);
    final_only_ = context.final_results_only;
    open_function(aggregate_, runtime);
    SLUICE_ASSIGN_OR_RETURN(value_, ValueSlot<Accumulator>::add_to(this->rows(), "aggregate", {}));
    return Status::ok();
  }
  void close() override { close_function(aggregate_); }

  Progress process(int input, StreamBatch& in, Cursor& cursor) override {
    return this->template drive_keyed<In>(
        input, in, cursor, key_,
        [this](const In& record, EventTime time, RowKind) { add(record, time); });
  }
  bool can_snapshot() const override { return next_final_.group == 0 && next_final_.row == 0; }
  bool on_watermark() {
    if (!final_only_ || this->watermark() != kMaxTime) return true;
    return this->rows().visit_rows(next_final_, [this] {
      if (this->outputs_full()) return false;
      this->out_.emit_copy(aggregate_.get_result(*value_.get()));
      return true;
    });
  }

 private:
  void add(const In& record, EventTime time) {
    if (value_.get() == nullptr) value_.set(aggregate_.create_accumulator());
    value_.modify(
        [&](Accumulator& accumulator) { add_to_accumulator(aggregate_, accumulator, record); });
    if (!final_only_) this->out_.emit_copy(aggregate_.get_result(*value_.get()), time);
  }

  Aggregate aggregate_;
  KeyFn key_;
  ValueSlot<Accumulator> value_;
  RowCursor next_final_;
  bool final_only_ = false;
};

// ---- factories ----------------------------------------------------------------------------------

template <class K, class T, class F, class KeyFn>
OperatorFactory make_keyed_reduce_operator(F reduce, KeyFn key) {
  return
      [reduce, key] { return std::make_unique<KeyedReduceOperator<K, T, F, KeyFn>>(reduce, key); };
}
template <class K, class T, class Field, class KeyFn>
OperatorFactory make_sum_operator(Field field, KeyFn key) {
  return make_keyed_reduce_operator<K, T>(SumField<T, Field>{field}, key);
}
template <class K, class T, class Field, class KeyFn>
OperatorFactory make_min_operator(Field field, KeyFn key) {
  return make_keyed_reduce_operator<K, T>(MinField<T, Field>{field}, key);
}
template <class K, class T, class Field, class KeyFn>
OperatorFactory make_max_operator(Field field, KeyFn key) {
  return make_keyed_reduce_operator<K, T>(MaxField<T, Field>{field}, key);
}
template <class K, class T, class Field, class KeyFn>
OperatorFactory make_min_by_operator(Field field, KeyFn key) {
  return make_keyed_reduce_operator<K, T>(MinBy<T, Field>{field}, key);
}
template <class K, class T, class Field, class KeyFn>
OperatorFactory make_max_by_operator(Field field, KeyFn key) {
  return make_keyed_reduce_operator<K, T>(MaxBy<T, Field>{field}, key);
}
template <class K, class In, class Aggregate, class KeyFn>
OperatorFactory make_keyed_aggregate_operator(Aggregate aggregate, KeyFn key) {
  return [aggregate, key] {
    return std::make_unique<KeyedAggregateOperator<K, In, Aggregate, KeyFn>>(aggregate, key);
  };
}

}  // namespace sluice
