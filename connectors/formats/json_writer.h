// Values as JSON text (RFC 8259), for any type a SLUICE_RECORD may hold.
//
// Records are objects in declared order, optional is null when empty, vectors, arrays, pairs and
// tuples are arrays. A map is an object when its keys are text, numbers, times or enums, otherwise
// an array of [key, value]. Bytes are base64. int64 is written with all its digits. NaN and the
// infinities, which JSON has no numbers for, are the strings "NaN", "Infinity" and "-Infinity".
// Control characters are escaped. A byte that is not part of UTF-8 becomes the lone surrogate
// \udcXX (as Python's "surrogateescape" has it), so the output is always valid and no byte is lost.
#pragma once

#include <string>
#include <string_view>

#include "connectors/formats/base64.h"
#include "connectors/formats/scalar_text.h"
#include "core/record.h"

namespace sluice {

/// `text` with quotes around it and escapes in it.
void append_json_string(std::string_view text, std::string& out);

/// Whether a map with this key is written as an object.
template <class K>
inline constexpr bool kIsJsonKey =
    std::is_same_v<K, Text> || std::is_same_v<K, std::string> || kIsScalar<K>;

template <class T>
void append_json(const T& value, std::string& out);

namespace detail {

template <class T>
void append_json_scalar(T value, std::string& out) {
  bool quoted = std::is_same_v<T, EventTime>;
  if constexpr (std::is_floating_point_v<T>) quoted = !std::isfinite(value);
  if constexpr (std::is_enum_v<T>) quoted = boost::describe::has_describe_enumerators<T>::value;
  if (quoted) out += '"';
  append_scalar(value, out);
  if (quoted) out += '"';
}

template <class K>
void append_json_key(const K& key, std::string& out) {
  if constexpr (kIsScalar<K>) {
    out += '"';
    append_scalar(key, out);
    out += '"';
  } else {
    append_json_string(key, out);
  }
}

template <class M>
void append_json_map(const M& map, std::string& out) {
  constexpr bool kObject = kIsJsonKey<typename M::key_type>;
  out += kObject ? '{' : '[';
  bool first = true;
  for (const auto& [key, mapped] : map) {
    if (!first) out += ',';
    first = false;
    if constexpr (kObject) {
      append_json_key(key, out);
      out += ':';
      append_json(mapped, out);
    } else {
      out += '[';
      append_json(key, out);
      out += ',';
      append_json(mapped, out);
      out += ']';
    }
  }
  out += kObject ? '}' : ']';
}

}  // namespace detail

template <class T>
void append_json(const T& value, std::string& out) {
  bool first = true;
  const auto comma = [&] {
    if (!first) out += ',';
    first = false;
  };
  if constexpr (kIsScalar<T>) {
    detail::append_json_scalar(value, out);
  } else if constexpr (std::is_same_v<T, Text> || std::is_same_v<T, std::string>) {
    append_json_string(value, out);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    out += '"';
    append_base64(value.data, out);
    out += '"';
  } else if constexpr (kIsOptional<T>) {
    if (value) {
      append_json(*value, out);
    } else {
      out += "null";
    }
  } else if constexpr (kIsVector<T> || kIsArray<T>) {
    out += '[';
    for (const auto& item : value) {
      comma();
      append_json<typename T::value_type>(item, out);
    }
    out += ']';
  } else if constexpr (kIsMap<T>) {
    detail::append_json_map(value, out);
  } else if constexpr (kIsTuple<T>) {
    out += '[';
    std::apply([&](const auto&... item) { ((comma(), append_json(item, out)), ...); }, value);
    out += ']';
  } else {
    static_assert(DescribedRecord<T>, "this type has no JSON form: make it a SLUICE_RECORD");
    out += '{';
    for_each_field(value, [&](const char* name, const auto& field) {
      comma();
      out += '"';
      out += name;
      out += "\":";
      append_json(field, out);
    });
    out += '}';
  }
}

}  // namespace sluice
