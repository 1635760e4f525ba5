// Records: plain structs whose fields Sluice can see.
//
//   struct Flight { EventTime scheduled; int32_t delay_min; Text origin; };
//   SLUICE_RECORD(Flight, scheduled, delay_min, origin);
//
// The macro stands in the struct's namespace and gives the type a codec, CSV and JSON forms, a
// stable hash and a schema (all built on Boost.Describe). Field order on the wire is the order in
// the macro. Allowed field types: bool, int8..64, uint8..64, float, double, Decimal, enum, Text,
// std::string, Bytes, EventTime, Duration, std::optional, std::vector, std::map, std::pair,
// std::tuple, std::array and nested records.
#pragma once

#include <array>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/describe.hpp>
#include <boost/mp11.hpp>

#include "core/text.h"
#include "core/time.h"

#define SLUICE_RECORD(Type, ...) BOOST_DESCRIBE_STRUCT(Type, (), (__VA_ARGS__))

namespace sluice {

/// Opaque bytes (as opposed to text): encoded with a length, base64 in JSON and CSV.
struct Bytes {
  std::string data;
  friend auto operator<=>(const Bytes&, const Bytes&) = default;
};

template <class T>
concept DescribedRecord = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

template <class T>
using FieldList = boost::describe::describe_members<T, boost::describe::mod_public>;

template <DescribedRecord T>
inline constexpr size_t kFieldCount = boost::mp11::mp_size<FieldList<T>>::value;

/// Calls f(name, field) for each field in order.
template <class T, class F>
requires DescribedRecord<std::remove_const_t<T>>
constexpr void for_each_field(T& record, F&& f) {
  boost::mp11::mp_for_each<FieldList<std::remove_const_t<T>>>(
      [&](auto descriptor) { f(descriptor.name, record.*descriptor.pointer); });
}

/// Calls f.template operator()<FieldType>(name) for each field in order.
template <DescribedRecord T, class F>
constexpr void for_each_field_type(F&& f) {
  boost::mp11::mp_for_each<FieldList<T>>([&](auto descriptor) {
    using Field = std::remove_cvref_t<decltype(std::declval<T&>().*descriptor.pointer)>;
    f.template operator()<Field>(descriptor.name);
  });
}

template <DescribedRecord T>
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  for_each_field_type<T>([&]<class Field>(const char* name) { names.emplace_back(name); });
  return names;
}

// ---- shapes of container fields -----------------------------------------------------------------

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class T, class A>
inline constexpr bool kIsVector<std::vector<T, A>> = true;
template <class T>
inline constexpr bool kIsMap = false;
template <class K, class V, class C, class A>
inline constexpr bool kIsMap<std::map<K, V, C, A>> = true;
template <class K, class V, class H, class E, class A>
inline constexpr bool kIsMap<std::unordered_map<K, V, H, E, A>> = true;
template <class T>
inline constexpr bool kIsTuple = false;
template <class A, class B>
inline constexpr bool kIsTuple<std::pair<A, B>> = true;
template <class... T>
inline constexpr bool kIsTuple<std::tuple<T...>> = true;
template <class T>
inline constexpr bool kIsArray = false;
template <class T, size_t N>
inline constexpr bool kIsArray<std::array<T, N>> = true;

/// A type with a Codec of its own that may hold Texts (such as a union of records) says so:
///
///   static constexpr bool kHoldsText = true;
///   template <class Self, class F> static void visit_texts(Self& self, F&& f);  // f(each record)
///
/// visit_texts() calls f with every part of `self` that contains Texts.
template <class T>
concept HoldsTextItself = requires {
  { T::kHoldsText } -> std::convertible_to<bool>;
};

namespace detail {

template <class T>
constexpr bool contains_text() {
  if constexpr (std::is_same_v<T, Text>) {
    return true;
  } else if constexpr (HoldsTextItself<T>) {
    return T::kHoldsText;
  } else if constexpr (kIsOptional<T> || kIsVector<T> || kIsArray<T>) {
    return contains_text<typename T::value_type>();
  } else if constexpr (kIsMap<T>) {
    return contains_text<typename T::key_type>() || contains_text<typename T::mapped_type>();
  } else if constexpr (kIsTuple<T>) {
    return []<size_t... I>(std::index_sequence<I...>) {
      return (false || ... || contains_text<std::tuple_element_t<I, T>>());
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (DescribedRecord<T>) {
    bool found = false;
    for_each_field_type<T>(
        [&]<class Field>(const char*) { found = found || contains_text<Field>(); });
    return found;
  } else {
    return false;
  }
}

}  // namespace detail

/// Whether a Text is somewhere inside T, i.e. whether its bytes depend on an arena.
template <class T>
inline constexpr bool kContainsText = detail::contains_text<T>();

/// Calls f(Text&) for every Text inside `value`. Map keys are visited too, as mutable, which is
/// sound because f may only move the bytes, never change the characters.
template <class T, class F>
void for_each_text(T& value, F&& f) {
  using Plain = std::remove_const_t<T>;
  if constexpr (!kContainsText<Plain>) {
    return;
  } else if constexpr (std::is_same_v<Plain, Text>) {
    f(value);
  } else if constexpr (HoldsTextItself<Plain>) {
    Plain::visit_texts(value, [&](auto& part) { for_each_text(part, f); });
  } else if constexpr (kIsOptional<Plain>) {
    if (value) for_each_text(*value, f);
  } else if constexpr (kIsVector<Plain> || kIsArray<Plain>) {
    for (auto& item : value) for_each_text(item, f);
  } else if constexpr (kIsMap<Plain>) {
    for (auto& [key, mapped] : value) {
      for_each_text(const_cast<typename Plain::key_type&>(key), f);  // NOLINT
      for_each_text(mapped, f);
    }
  } else if constexpr (kIsTuple<Plain>) {
    std::apply([&](auto&... item) { (for_each_text(item, f), ...); }, value);
  } else if constexpr (DescribedRecord<Plain>) {
    for_each_field(value, [&](const char*, auto& field) { for_each_text(field, f); });
  }
}

/// Bytes of long Texts that `value` points to.
template <class T>
size_t text_bytes_of(const T& value) {
  size_t bytes = 0;
  for_each_text(value, [&](const Text& text) { bytes += text.is_inline() ? 0 : text.size(); });
  return bytes;
}

/// Copies the bytes of every long Text in `value` into `arena`, one behind the other.
template <class T>
void move_texts_to(T& value, TextArena& arena) {
  const size_t bytes = text_bytes_of(value);
  if (bytes == 0) return;
  char* next = arena.allocate(bytes);
  for_each_text(value, [&](Text& text) { next += text.move_to(next); });
}

}  // namespace sluice
