// sum, min, max, min_by and max_by of a field, for keyed streams and windows.
//
//   orders.key_by(&Order::customer).sum(&Order::price)       // running sum per customer
//   numbers.key_by(...).window(...).max()                     // streams of plain numbers
//
// As in Flink: sum, min and max change the one field and keep the others of the first record;
// min_by and max_by give the whole record that has the extreme, the first one of several.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "operators/reduce_operator.h"

namespace sluice {

namespace detail {

/// The record itself as its only field.
struct WholeRecord {
  template <class T>
  T& operator()(T& record) const {
    return record;
  }
};

/// A reduction that changes its first argument, as one that returns the result.
template <class T, class F>
struct ReduceByValue {
  T operator()(const T& a, const T& b) const {
    if constexpr (std::is_void_v<std::invoke_result_t<const F&, T&, const T&>>) {
      T result = a;
      function(result, b);
      return result;
    } else {
      return function(a, b);
    }
  }
  F function;
};

}  // namespace detail

/// Mixin for streams with reduce_field(): `field` is a member pointer or a function that gives a
/// reference; without one the record is a number.
template <class Self, class T>
class FieldReductions {
 public:
  template <class Field = detail::WholeRecord>
  auto sum(Field field = {}) const {
    return self().reduce_field("sum", SumField<T, Field>{field});
  }
  template <class Field = detail::WholeRecord>
  auto min(Field field = {}) const {
    return self().reduce_field("min", MinField<T, Field>{field});
  }
  template <class Field = detail::WholeRecord>
  auto max(Field field = {}) const {
    return self().reduce_field("max", MaxField<T, Field>{field});
  }
  template <class Field = detail::WholeRecord>
  auto min_by(Field field = {}) const {
    return self().reduce_field("min_by", MinBy<T, Field>{field});
  }
  template <class Field = detail::WholeRecord>
  auto max_by(Field field = {}) const {
    return self().reduce_field("max_by", MaxBy<T, Field>{field});
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace sluice
