// The stage of flat_map: any number of rows for each row.
//
// Three forms of the user's function:
//   f(record, Collector<U>& out)   emits as it goes;
//   f(record) -> container of U    std::vector, std::optional, std::array, ...;
//   f(record) -> Generator<U>      or any view: the results are made when there is room for them.
// The first two have all results of a record at once, so an output may overshoot its limit by the
// results of one record. The third stops between any two results: it is what a record with a
// million results wants.
#pragma once

#include <functional>
#include <optional>
#include <ranges>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/output.h"
#include "operators/generator.h"
#include "operators/map_operator.h"

namespace sluice {

namespace detail {

template <class R>
inline constexpr bool kIsOptionalResult = false;
template <class T>
inline constexpr bool kIsOptionalResult<std::optional<T>> = true;

/// Whether all values exist when the function returns.
template <class R>
inline constexpr bool kIsEagerResult = kIsOptionalResult<std::remove_cvref_t<R>> ||
                                       (std::ranges::sized_range<R> &&
                                        !std::ranges::view<std::remove_cvref_t<R>>);

template <class R>
struct ResultValue {
  using Type = std::remove_cvref_t<std::ranges::range_reference_t<R>>;
};
template <class R>
requires kIsOptionalResult<std::remove_cvref_t<R>>
struct ResultValue<R> {
  using Type = typename std::remove_cvref_t<R>::value_type;
};

}  // namespace detail

/// A function that emits through a Collector<Out>.
template <class In, class Out, class F>
struct CollectingStage {
  using Input = In;
  using Output = Out;
  static constexpr StageShape kShape = StageShape::kMany;

  /// Emits straight to `out`, when nothing follows in the pipeline.
  void run_to(sluice::Output<Out>& out, const In& record, EventTime time) {
    Collector<Out> collector(out, false);
    collector.set_time(time);
    std::invoke(function, record, collector);
  }
  /// Calls next(value, time, kind) for each result.
  template <class Next>
  void run(const In& record, EventTime time, RowKind /*kind*/, Next&& next) {
    if (!results) results = std::make_unique<sluice::Output<Out>>();
    run_to(*results, record, time);
    if (!results->has_output()) return;
    StreamBatch taken = results->take();
    auto& rows = batch_cast<Out>(*taken.batch);
    for (uint32_t row = 0; row < rows.rows(); ++row)
      next(rows[row], rows.time(row), rows.kind(row));
    results->recycle(std::move(taken.batch));
  }

  explicit CollectingStage(F f) : function(std::move(f)) {}
  CollectingStage(const CollectingStage& other) : function(other.function) {}
  CollectingStage& operator=(const CollectingStage&) = delete;

  F function;
  // Results of the present record on their way to the next stage; keeps its memory.
  std::unique_ptr<sluice::Output<Out>> results;
};

/// A function that returns a container or optional.
template <class In, class Out, class F>
struct EagerRangeStage {
  using Input = In;
  using Output = Out;
  static constexpr StageShape kShape = StageShape::kMany;

  template <class Next>
  void run(const In& record, EventTime time, RowKind kind, Next&& next) {
    auto&& results = std::invoke(function, record);
    if constexpr (detail::kIsOptionalResult<std::remove_cvref_t<decltype(results)>>) {
      if (results) next(*results, time, kind);
    } else {
      for (auto&& value : results) next(value, time, kind);
    }
  }

  F function;
};

/// A function that returns a Generator or view.
template <class In, class Out, class F>
struct LazyRangeStage {
  using Input = In;
  using Output = Out;
  static constexpr StageShape kShape = StageShape::kLazy;

  using Range = std::remove_cvref_t<std::invoke_result_t<F&, const In&>>;

  explicit LazyRangeStage(F f) : function(std::move(f)) {}
  LazyRangeStage(const LazyRangeStage& other) : function(other.function) {}
  LazyRangeStage& operator=(const LazyRangeStage&) = delete;

  /// `stable`: the record lives until the range is used up; otherwise it is copied in, texts too.
  void start(const In& record, EventTime record_time, RowKind record_kind, bool stable) {
    const In* source = &record;
    if (!stable) {
      copy.emplace(record);
      if constexpr (kContainsText<In>) {
        if (!copy_texts) copy_texts = TextArenaRef(new TextArena());
        copy_texts->clear();
        move_texts_to(*copy, *copy_texts);
      }
      source = &*copy;
    }
    time = record_time;
    kind = record_kind;
    range.emplace(std::invoke(function, *source));
    position.emplace(std::ranges::begin(*range));
    advance_first = false;
  }
  bool is_pending() const { return range.has_value(); }
  void finish() {
    position.reset();
    range.reset();
  }

  F function;
  std::optional<In> copy;
  TextArenaRef copy_texts;
  std::optional<Range> range;
  std::optional<std::ranges::iterator_t<Range>> position;
  // The value at `position` was handed on, but a later stage had not finished with it.
  bool advance_first = false;
  EventTime time = kNoTimestamp;
  RowKind kind = RowKind::kInsert;
};

}  // namespace sluice
