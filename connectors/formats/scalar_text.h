// The text of single values, the same in CSV and JSON: numbers, flags, times, enums.
//
// Numbers print so that they read back as the same bits: integers exactly, floating point as the
// shortest text (NaN, Infinity and -Infinity by name; a NaN's payload is not kept). A Decimal is
// all of its digits, in JSON a number that may stand in quotes when it is read. EventTime is ISO
// 8601 in UTC, and reads as that or as milliseconds. A Duration is its count in its own unit, and
// one in milliseconds reads as "90s" too. An enum described by BOOST_DESCRIBE_ENUM is its name and
// reads as name or number; another is its number.
//
// parse_scalar() is strict: the whole text must be the value, without spaces around it.
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>

#include <boost/describe.hpp>
#include <boost/mp11.hpp>

#include "core/decimal.h"
#include "core/record.h"
#include "core/time.h"

namespace sluice {

namespace detail {
template <class T>
inline constexpr bool kIsDurationScalar = false;
template <class Rep, class Period>
inline constexpr bool kIsDurationScalar<std::chrono::duration<Rep, Period>> = true;
}  // namespace detail

template <class T>
inline constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

/// Values that are one number, flag, time or enum.
template <class T>
inline constexpr bool kIsScalar =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, Decimal> ||
    std::is_same_v<T, EventTime> || detail::kIsDurationScalar<T>;

/// What a T is called in "... is not an integer of 32 bits".
template <class T>
constexpr const char* scalar_name() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_floating_point_v<T>) return "a number";
  if constexpr (std::is_same_v<T, Decimal>) return "a number of up to 38 digits";
  if constexpr (std::is_enum_v<T>) return "a value of the enum";
  if constexpr (std::is_same_v<T, EventTime>) return "a time (ISO 8601 or milliseconds)";
  if constexpr (detail::kIsDurationScalar<T>) return "a duration";
  if constexpr (kIsInteger<T>) {
    constexpr bool kSigned = std::is_signed_v<T>;
    if constexpr (sizeof(T) == 1)
      return kSigned ? "an integer of 8 bits" : "an unsigned integer of 8 bits";
    if constexpr (sizeof(T) == 2)
      return kSigned ? "an integer of 16 bits" : "an unsigned integer of 16 bits";
    if constexpr (sizeof(T) == 4)
      return kSigned ? "an integer of 32 bits" : "an unsigned integer of 32 bits";
    return kSigned ? "an integer of 64 bits" : "an unsigned integer of 64 bits";
  }
  return "a value";
}

template <class T>
requires std::is_arithmetic_v<T>
void append_number(T value, std::string& out) {
  std::array<char, 32> text;
  if constexpr (sizeof(T) == 1 && std::is_integral_v<T>) {
    append_number(static_cast<int>(value), out);
  } else {
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
    out.append(text.data(), static_cast<size_t>(end - text.data()));
  }
}

/// ISO 8601; outside the years 0 to 9999, for which it has no common form, the milliseconds.
void append_time(EventTime time, std::string& out);

template <class T>
requires kIsScalar<T>
void append_scalar(T value, std::string& out) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) {
      out += "NaN";
    } else if (std::isinf(value)) {
      out += value < 0 ? "-Infinity" : "Infinity";
    } else {
      append_number(value, out);
    }
  } else if constexpr (std::is_enum_v<T>) {
    if constexpr (boost::describe::has_describe_enumerators<T>::value) {
      const char* name = nullptr;
      boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto descriptor) {
        if (descriptor.value == value && name == nullptr) name = descriptor.name;
      });
      if (name != nullptr) {
        out += name;
        return;
      }
    }
    append_number(static_cast<std::underlying_type_t<T>>(value), out);
  } else if constexpr (std::is_same_v<T, Decimal>) {
    out += value.to_text();
  } else if constexpr (std::is_same_v<T, EventTime>) {
    append_time(value, out);
  } else if constexpr (detail::kIsDurationScalar<T>) {
    append_number(value.count(), out);
  } else {
    append_number(value, out);
  }
}

template <class T>
requires std::is_arithmetic_v<T>
bool parse_number(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

/// "true" and "false" in any case, "1" and "0".
bool parse_bool(std::string_view text, bool& value);
/// "2001-01-01T01:24:00Z" and the other forms of parse_iso8601(), "-inf" and "+inf", milliseconds.
bool parse_time(std::string_view text, EventTime& value);
/// parse_number() alone takes "inf" but not a magnitude that rounds to it.
bool parse_float_slow(std::string_view text, double& value);
bool parse_float_slow(std::string_view text, float& value);

template <class T>
requires kIsScalar<T>
bool parse_scalar(std::string_view text, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return parse_bool(text, value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return parse_number(text, value) || parse_float_slow(text, value);
  } else if constexpr (std::is_enum_v<T>) {
    if constexpr (boost::describe::has_describe_enumerators<T>::value) {
      bool found = false;
      boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto descriptor) {
        if (!found && text == descriptor.name) {
          value = descriptor.value;
          found = true;
        }
      });
      if (found) return true;
    }
    std::underlying_type_t<T> number{};
    if (!parse_scalar(text, number)) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_same_v<T, Decimal>) {
    const auto number = Decimal::parse(text);
    if (number) value = *number;
    return number.has_value();
  } else if constexpr (std::is_same_v<T, EventTime>) {
    return parse_time(text, value);
  } else if constexpr (std::is_same_v<T, Duration>) {
    const auto duration = parse_duration(text);
    if (duration) value = *duration;
    return duration.has_value();
  } else if constexpr (detail::kIsDurationScalar<T>) {
    typename T::rep count{};
    if (!parse_number(text, count)) return false;
    value = T(count);
    return true;
  } else {
    return parse_number(text, value);
  }
}

}  // namespace sluice
