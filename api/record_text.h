// A record as a person reads it, for print() and error texts:
//
//   {origin: ORD, flights: 12, window_start: 2001-01-01T01:00:00Z, tags: [a, b], gate: none}
//
// Not a format to parse: use CSV or JSON lines for that.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/codec.h"
#include "core/decimal.h"
#include "core/record.h"
#include "core/time.h"

namespace sluice {

namespace detail {

void append_real_text(double value, std::string& out);
void append_bytes_text(std::string_view bytes, std::string& out);

}  // namespace detail

/// Appends the text of `value`; no other allocation than that of `out`.
template <class T>
void append_record_text(const T& value, std::string& out) {
  const auto append_list = [&](const auto& items) {
    out += '[';
    bool first = true;
    for (const auto& item : items) {
      if (!first) out += ", ";
      first = false;
      append_record_text<std::remove_cvref_t<decltype(item)>>(item, out);
    }
    out += ']';
  };
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    append_record_text(static_cast<int64_t>(value), out);
  } else if constexpr (std::is_integral_v<T>) {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  } else if constexpr (std::is_floating_point_v<T>) {
    detail::append_real_text(static_cast<double>(value), out);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    out += std::string_view(value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    detail::append_bytes_text(value.data, out);
  } else if constexpr (std::is_same_v<T, Decimal>) {
    out += value.to_text();
  } else if constexpr (std::is_same_v<T, EventTime>) {
    append_iso8601(value, out);
  } else if constexpr (std::is_same_v<T, Duration>) {
    out += to_text(value);
  } else if constexpr (kIsOptional<T>) {
    if (value) {
      append_record_text(*value, out);
    } else {
      out += "none";
    }
  } else if constexpr (kIsVector<T> || kIsArray<T> || kIsMap<T>) {
    append_list(value);
  } else if constexpr (kIsTuple<T>) {
    out += '(';
    bool first = true;
    const auto append_item = [&](const auto& item) {
      if (!first) out += ", ";
      first = false;
      append_record_text(item, out);
    };
    std::apply([&](const auto&... item) { (append_item(item), ...); }, value);
    out += ')';
  } else if constexpr (DescribedRecord<T>) {
    out += '{';
    bool first = true;
    for_each_field(value, [&](const char* name, const auto& field) {
      if (!first) out += ", ";
      first = false;
      out += name;
      out += ": ";
      append_record_text(field, out);
    });
    out += '}';
  } else {
    // A type with a codec of its own.
    detail::append_bytes_text(encode_to_string(value), out);
  }
}

template <class T>
std::string record_text(const T& value) {
  std::string out;
  append_record_text(value, out);
  return out;
}

}  // namespace sluice
