// Equality and order of keys as state sees them: consistent with stable_hash().
//
// `==` is not enough for floating point: every NaN is one key, as all hash alike, otherwise each
// NaN record would leave a row behind that nobody finds again. Records without operator<=> are
// ordered field by field, so that any key type can be the key of a MapState. Equal keys get equal
// bytes by make_canonical(), because stores look keys up by their bytes.
#pragma once

#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>

#include "core/record.h"

namespace sluice {

/// Three-way order of two keys; total, also for NaN (largest) and signed zeros (equal).
template <class T>
int compare_keys(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool a_nan = std::isnan(a);
    const bool b_nan = std::isnan(b);
    if (a_nan || b_nan) return static_cast<int>(a_nan) - static_cast<int>(b_nan);
    return static_cast<int>(a > b) - static_cast<int>(a < b);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                       std::is_same_v<T, EventTime> || std::is_same_v<T, Duration>) {
    return static_cast<int>(a > b) - static_cast<int>(a < b);
  } else if constexpr (std::is_same_v<T, Text> || std::is_same_v<T, std::string>) {
    return std::string_view(a).compare(std::string_view(b));
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return a.data.compare(b.data);
  } else if constexpr (kIsOptional<T>) {
    if (!a || !b) return static_cast<int>(a.has_value()) - static_cast<int>(b.has_value());
    return compare_keys(*a, *b);
  } else if constexpr (kIsVector<T> || kIsArray<T>) {
    const size_t common = std::min(a.size(), b.size());
    for (size_t i = 0; i < common; ++i) {
      if (const int order = compare_keys(a[i], b[i]); order != 0) return order;
    }
    return static_cast<int>(a.size() > b.size()) - static_cast<int>(a.size() < b.size());
  } else if constexpr (kIsTuple<T>) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      int order = 0;
      (void)((order = compare_keys(std::get<I>(a), std::get<I>(b)), order != 0) || ...);
      return order;
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (DescribedRecord<T>) {
    int order = 0;
    boost::mp11::mp_for_each<FieldList<T>>([&](auto field) {
      if (order == 0) order = compare_keys(a.*field.pointer, b.*field.pointer);
    });
    return order;
  } else {
    return a == b ? 0 : (a < b ? -1 : 1);
  }
}

/// Whether a key type has values that are equal but differ in their bytes.
template <class T>
constexpr bool contains_floating() {
  if constexpr (kIsOptional<T> || kIsVector<T> || kIsArray<T>) {
    return contains_floating<typename T::value_type>();
  } else if constexpr (kIsTuple<T>) {
    return []<size_t... I>(std::index_sequence<I...>) {
      return (false || ... || contains_floating<std::tuple_element_t<I, T>>());
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (DescribedRecord<T>) {
    bool any = false;
    for_each_field_type<T>(
        [&]<class Field>(const char*) { any = any || contains_floating<Field>(); });
    return any;
  } else {
    return std::is_floating_point_v<T>;
  }
}

/// Gives all keys that are equal to `key` the same bytes: one NaN, no negative zero.
template <class T>
void make_canonical(T& key) {
  if constexpr (!contains_floating<T>()) {
    return;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(key)) key = std::numeric_limits<T>::quiet_NaN();
    if (key == 0) key = 0;
  } else if constexpr (kIsOptional<T>) {
    if (key) make_canonical(*key);
  } else if constexpr (kIsVector<T> || kIsArray<T>) {
    for (auto& item : key) make_canonical(item);
  } else if constexpr (kIsTuple<T>) {
    std::apply([](auto&... item) { (make_canonical(item), ...); }, key);
  } else {
    boost::mp11::mp_for_each<FieldList<T>>([&](auto field) { make_canonical(key.*field.pointer); });
  }
}

template <class T>
bool keys_equal(const T& a, const T& b) {
  if constexpr (std::is_integral_v<T> || std::is_enum_v<T> || std::is_same_v<T, Text> ||
                std::is_same_v<T, std::string> || std::is_same_v<T, EventTime>) {
    return a == b;
  } else {
    return compare_keys(a, b) == 0;
  }
}

}  // namespace sluice
