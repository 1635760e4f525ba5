// KeyedStream<K, T>: a stream whose records of one key are processed by the same subtask, in order.
//
//   flights.key_by(&Flight::origin).window(TumblingEventTimeWindows::of(1h)).aggregate(...)
//
// It is a DataStream too: map and the like read it hash-partitioned.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "api/connected_streams.h"
#include "api/data_stream.h"
#include "api/windowed_stream.h"
#include "operators/partitioner.h"
#include "operators/process_operator.h"
#include "operators/reduce_operator.h"

namespace sluice {

template <class K, class T, class KeyFn>
class KeyedStream : public DataStream<T>, public FieldReductions<KeyedStream<K, T, KeyFn>, T> {
 public:
  using Key = K;

  KeyedStream(std::shared_ptr<JobDraft> plan, StreamEdges edges, KeyFn key)
      : DataStream<T>(std::move(plan), std::move(edges)), key_(std::move(key)) {}

  // -- one result for each record --

  /// The reduction so far of the record's key: `reduce([](const T& a, const T& b) { return ...;
  /// })`.
  template <class F>
  DataStream<T> reduce(F function) const {
    return reduce_field("reduce", std::move(function));
  }
  /// For sum, min and the like.
  template <class F>
  DataStream<T> reduce_field(const char* name, F function) const {
    static_assert(std::is_invocable_v<F&, T&, const T&>,
                  "Sluice: a reduce function is called with two records and gives one.");
    return transform_keyed<T>(name, make_keyed_reduce_operator<K, T>(std::move(function), key_));
  }
  /// The result so far of the record's key of an AggregateFunction.
  template <class Agg>
  auto aggregate(Agg function) const {
    SLUICE_REQUIRE_AGGREGATE(Agg, T);
    if constexpr (AggregateFunction<Agg, T>) {
      return transform_keyed<AggregateResult<Agg>>(
          "aggregate", make_keyed_aggregate_operator<K, T>(std::move(function), key_));
    }
  }
  /// A KeyedProcessFunction: state and timers per key.
  template <class F>
  auto process(F function) const {
    SLUICE_REQUIRE_PROCESS_FUNCTION(
        F, "KeyedProcessFunction<Key, Record, Result> of this stream's key and record type",
        KeyedProcessFunction<K, T, typename F::Output>);
    using Out = typename F::Output;
    return transform_keyed<Out>("process",
                                make_keyed_process_operator<K, T, Out>(std::move(function), key_));
  }

  // -- with another stream --

  /// Two streams with the same type of key, for a KeyedCoProcessFunction.
  template <class T2, class KeyFn2>
  auto connect(const KeyedStream<K, T2, KeyFn2>& other) const {
    return KeyedConnectedStreams<K, T, T2, KeyFn, KeyFn2>(*this, other, key_, other.key_selector());
  }
  /// Pairs of records of one key whose times are near each other (api/interval_join.h).
  template <class R, class RightKey>
  auto interval_join(const KeyedStream<K, R, RightKey>& other) const;
  /// This keyed stream and a broadcast one, for a KeyedBroadcastProcessFunction.
  template <class B>
  auto connect(const BroadcastStream<B>& broadcast) const {
    return KeyedBroadcastConnectedStream<K, T, B, KeyFn>(*this, broadcast, key_);
  }

  // -- windows --

  /// Cuts the records of each key into windows (operators/window_assigner.h).
  template <WindowAssigner Assigner>
  WindowedStream<K, T, KeyFn, Assigner> window(Assigner assigner) const {
    return WindowedStream<K, T, KeyFn, Assigner>(*this, key_,
                                                 WindowSpec<Assigner>{std::move(assigner)});
  }
  /// Windows of `size` records of a key; what is left at the end of the input is dropped.
  auto count_window(int64_t size) const {
    check_count("size", size);
    return window(GlobalWindows::create()).trigger(purging(CountTrigger::of(size)));
  }
  /// The last `size` records of a key after every `slide` records; the first results have fewer.
  auto count_window(int64_t size, int64_t slide) const {
    check_count("size", size);
    check_count("slide", slide);
    return window(GlobalWindows::create())
        .evictor(CountEvictor::of(size))
        .trigger(CountTrigger::of(slide));
  }

  const KeyFn& key_selector() const { return key_; }

 protected:
  /// Adds an operator with keyed state that reads this stream.
  template <class U>
  DataStream<U> transform_keyed(std::string name, OperatorFactory factory) const {
    auto result = this->template transform<U>(std::move(name), std::move(factory));
    this->plan().graph().node(result.node()).keyed = true;
    return result;
  }

  void check_count(const char* what, int64_t count) const {
    if (count >= 1) return;
    this->plan().fail(Status::invalid_argument("count window: the " + std::string(what) +
                                               " must be at least 1, not " +
                                               std::to_string(count)));
  }

  KeyFn key_;
};

namespace detail {

/// The key of windows over all records.
struct OneKey {
  template <class T>
  uint8_t operator()(const T&) const {
    return 0;
  }
};

}  // namespace detail

template <class T>
template <class Assigner>
auto DataStream<T>::window_all(Assigner assigner) const {
  static_assert(WindowAssigner<Assigner>, "Sluice: window_all() takes a window assigner.");
  auto all = repartition(Partitioning::kHash, make_key_selector_partitioner<T>(detail::OneKey{}));
  return WindowedStream<uint8_t, T, detail::OneKey, Assigner>(
      all, detail::OneKey{}, WindowSpec<Assigner>{std::move(assigner)}, {}, {}, 1);
}

template <class T>
template <class KeyFn>
auto DataStream<T>::key_by(KeyFn key) const {
  static_assert(std::is_invocable_v<const KeyFn&, const T&>,
                "Sluice: the key selector cannot be called with this stream's record type; it is a "
                "member pointer (&Record::field) or a function of (const T&).");
  if constexpr (std::is_invocable_v<const KeyFn&, const T&>) {
    using K = KeyOf<KeyFn, T>;
    SLUICE_REQUIRE_KEY(K);
    if constexpr (kIsKey<K>) {
      auto partitioned = repartition(Partitioning::kHash, make_key_selector_partitioner<T>(key));
      return KeyedStream<K, T, KeyFn>(plan_, partitioned.edges(), std::move(key));
    }
  }
}

}  // namespace sluice
