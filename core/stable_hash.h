// A 64-bit hash of keys that is the same in every process and build (semantics rule 36): it decides
// key groups, so it is part of the snapshot format. Never std::hash, never an address.
//
// Integers, enums and times are mixed with splitmix64 (widened to 64 bits, so an int32 key that
// becomes int64 keeps its group); text and bytes use XXH3-64; composites combine their parts in
// order. -0.0 hashes as 0.0 and every NaN alike. A type of its own may be a key with a member
// `uint64_t stable_hash() const`, equal for values that are equal by == and have equal bytes.
#pragma once

#define XXH_INLINE_ALL
#include <bit>
#include <cmath>
#include <concepts>
#include <limits>

#include <xxhash.h>

#include "core/random.h"
#include "core/record.h"

namespace sluice {

template <class T>
uint64_t stable_hash(const T& value);

constexpr uint64_t combine_hashes(uint64_t seed, uint64_t next) {
  return splitmix64(seed ^ (next + 0x9E3779B97F4A7C15ULL + (seed << 6) + (seed >> 2)));
}

namespace detail {

template <class T>
concept HashesItself = requires(const T& value) {
  { value.stable_hash() } -> std::same_as<uint64_t>;
};

template <class T>
constexpr bool is_hashable() {
  if constexpr (HashesItself<T>) {
    return true;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                       std::is_same_v<T, EventTime> || std::is_same_v<T, Text> ||
                       std::is_same_v<T, std::string> || std::is_same_v<T, Bytes> ||
                       std::is_same_v<T, Duration>) {
    return true;
  } else if constexpr (kIsOptional<T> || kIsVector<T> || kIsArray<T>) {
    return is_hashable<typename T::value_type>();
  } else if constexpr (kIsTuple<T>) {
    return []<size_t... I>(std::index_sequence<I...>) {
      return (true && ... && is_hashable<std::tuple_element_t<I, T>>());
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (DescribedRecord<T>) {
    bool all = true;
    for_each_field_type<T>([&]<class Field>(const char*) { all = all && is_hashable<Field>(); });
    return all;
  } else {
    return false;
  }
}

}  // namespace detail

/// Types that may be a key: integers, enums, times, text, and tuples, vectors and records of them,
/// comparable with ==.
template <class T>
concept StableHashable = detail::is_hashable<T>() && std::equality_comparable<T>;

template <class T>
uint64_t stable_hash(const T& value) {
  static_assert(detail::is_hashable<T>(),
                "this type cannot be a key: use integers, enums, EventTime, Text, std::string, "
                "Bytes, or tuples, optionals, vectors and SLUICE_RECORDs of them");
  if constexpr (detail::HashesItself<T>) {
    return value.stable_hash();
  } else if constexpr (std::is_floating_point_v<T>) {
    const auto wide = static_cast<double>(value);
    if (std::isnan(wide)) return splitmix64(0x7FF8000000000000ULL);
    return splitmix64(std::bit_cast<uint64_t>(wide == 0 ? 0.0 : wide));
  } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    return splitmix64(static_cast<uint64_t>(static_cast<int64_t>(value)));
  } else if constexpr (std::is_same_v<T, EventTime>) {
    return splitmix64(static_cast<uint64_t>(value.ms));
  } else if constexpr (std::is_same_v<T, Duration>) {
    return splitmix64(static_cast<uint64_t>(value.count()));
  } else if constexpr (std::is_same_v<T, Text>) {
    return XXH3_64bits(value.data(), value.size());
  } else if constexpr (std::is_same_v<T, std::string>) {
    return XXH3_64bits(value.data(), value.size());
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return XXH3_64bits(value.data.data(), value.data.size());
  } else if constexpr (kIsOptional<T>) {
    return value ? combine_hashes(1, stable_hash(*value)) : splitmix64(0);
  } else if constexpr (kIsVector<T> || kIsArray<T>) {
    uint64_t hash = value.size();
    for (const auto& item : value) hash = combine_hashes(hash, stable_hash(item));
    return hash;
  } else if constexpr (kIsTuple<T>) {
    uint64_t hash = std::tuple_size_v<T>;
    std::apply(
        [&](const auto&... item) { ((hash = combine_hashes(hash, stable_hash(item))), ...); },
        value);
    return hash;
  } else {
    uint64_t hash = kFieldCount<T>;
    for_each_field(value, [&](const char*, const auto& field) {
      hash = combine_hashes(hash, stable_hash(field));
    });
    return hash;
  }
}

}  // namespace sluice
