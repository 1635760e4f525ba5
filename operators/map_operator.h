// Stages of a pipeline that give at most one row for each row: map and filter.
//
// A stage is a value: the user's functor plus its record types. It is copied into every operator
// instance and run by FusedOperator (operators/fused_pipeline.h), one stage or several in one loop.
// The functor is called on the task's thread only.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

namespace sluice {

/// How many rows a stage gives per row, which decides how the loop around it looks.
enum class StageShape {
  kOneToOne,  // map
  kSelect,    // filter: the row itself or nothing
  kMany,      // flat_map whose results of one row exist at once
  kLazy,      // flat_map whose results are made one at a time and can wait between any two
};

template <class In, class Out, class F>
struct MapStage {
  using Input = In;
  using Output = Out;
  static constexpr StageShape kShape = StageShape::kOneToOne;

  decltype(auto) operator()(const In& record) { return std::invoke(function, record); }

  F function;
};

template <class T, class F>
struct FilterStage {
  using Input = T;
  using Output = T;
  static constexpr StageShape kShape = StageShape::kSelect;

  bool operator()(const T& record) { return static_cast<bool>(std::invoke(function, record)); }

  F function;
};

}  // namespace sluice
