// Names, types and time to live of keyed states, as Flink's descriptors: what an author registers
// in open() to get a handle.
//
//   count_ = context.get_state(ValueStateDescriptor<int64_t>{"count", StateTtl{1h}});
//
// Names are part of snapshots: renaming a state loses it. A descriptor is a plain value.
#pragma once

#include <string>
#include <utility>

#include "core/codec.h"
#include "state/api/state_ttl.h"

namespace sluice {

template <class T>
concept StateValue =
    Encodable<T> && std::is_default_constructible_v<T> && std::is_copy_constructible_v<T>;

template <class T>
struct ValueStateDescriptor {
  static_assert(StateValue<T>,
                "the type of a state needs a codec (SLUICE_RECORD or Codec<T>), a default "
                "constructor and copies");
  std::string name;
  StateTtl ttl{};
};

template <class T>
struct ListStateDescriptor {
  static_assert(StateValue<T>,
                "the items of a ListState need a codec (SLUICE_RECORD or Codec<T>), a default "
                "constructor and copies");
  std::string name;
  StateTtl ttl{};
};

template <class K, class V>
struct MapStateDescriptor {
  static_assert(StateValue<K> && StateValue<V>,
                "keys and values of a MapState need a codec (SLUICE_RECORD or Codec<T>), a default "
                "constructor and copies");
  std::string name;
  StateTtl ttl{};
};

/// `reduce` is any callable T(const T&, const T&).
template <class T, class F>
struct ReducingStateDescriptor {
  std::string name;
  F reduce;
  StateTtl ttl{};
};

/// `aggregate` has create_accumulator, add, get_result (operators/aggregate_function.h).
template <class In, class Aggregate>
struct AggregatingStateDescriptor {
  std::string name;
  Aggregate aggregate;
  StateTtl ttl{};
};

}  // namespace sluice
