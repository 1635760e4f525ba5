// Two streams read by one operator: connect() and what can be done with the pair.
//
//   clicks.connect(orders).map(from_click, from_order)              one result type, two functions
//   clicks.key_by(...).connect(orders.key_by(...)).process(f)       shared keyed state and timers
//   flights.key_by(...).connect(rules.broadcast(kRules)).process(f) broadcast state
//
// The order of records of the two inputs is not defined; watermarks of both are combined.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/data_stream.h"
#include "operators/process_function.h"
#include "operators/process_operator.h"

namespace sluice {

namespace detail {

/// Adds an operator that reads `first` as input 0 and `second` as input 1.
template <class U, class A, class B>
DataStream<U> connect_two(const DataStream<A>& first, const DataStream<B>& second, std::string name,
                          OperatorFactory factory, bool keyed) {
  SLUICE_REQUIRE_RECORD(U);
  if (first.shared_plan() != second.shared_plan()) {
    first.plan().fail(
        Status::invalid_argument("streams of different environments cannot be connected"));
  }
  StreamEdges edges = first.edges();
  for (auto& edge : edges_into(second.edges(), 1)) edges.push_back(std::move(edge));
  const NodeId id =
      first.plan().add_operator(std::move(name), std::move(edges), std::move(factory), 2);
  first.plan().graph().node(id).keyed = keyed;
  return DataStream<U>(first.shared_plan(), id);
}

/// map(f1, f2) and flat_map(f1, f2) as a CoProcessFunction.
template <class A, class B, class U, class F1, class F2>
class CoMapFunction final : public CoProcessFunction<A, B, U> {
 public:
  CoMapFunction(F1 first, F2 second) : first_(std::move(first)), second_(std::move(second)) {}
  void open(RuntimeContext& context) override {
    open_function(first_, context);
    open_function(second_, context);
  }
  void close() override {
    close_function(first_);
    close_function(second_);
  }
  void process_element1(const A& value, ProcessContext& /*context*/, Collector<U>& out) override {
    call(first_, value, out);
  }
  void process_element2(const B& value, ProcessContext& /*context*/, Collector<U>& out) override {
    call(second_, value, out);
  }

 private:
  template <class F, class T>
  static void call(F& function, const T& value, Collector<U>& out) {
    if constexpr (std::is_invocable_v<F&, const T&, Collector<U>&>) {
      std::invoke(function, value, out);
    } else {
      out.collect(std::invoke(function, value));
    }
  }
  F1 first_;
  F2 second_;
};

}  // namespace detail

/// Two streams without key.
template <class A, class B>
class ConnectedStreams {
 public:
  ConnectedStreams(DataStream<A> first, DataStream<B> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  /// One function for each side; both give the same type.
  template <class F1, class F2>
  auto map(F1 first, F2 second) const {
    static_assert(std::is_invocable_v<F1&, const A&> && std::is_invocable_v<F2&, const B&>,
                  "Sluice: the first function of a connected map takes the first stream's records, "
                  "the second the other's.");
    using U = MapResult<F1, A>;
    static_assert(std::is_same_v<U, MapResult<F2, B>>,
                  "Sluice: both functions of a connected map give the same type.");
    return add<U>("co_map", std::move(first), std::move(second));
  }
  /// Functions f(record, Collector<U>&); U is found from the first or named: `flat_map<U>(f1, f2)`.
  template <class U = DeducedType, class F1, class F2>
  auto flat_map(F1 first, F2 second) const {
    using Deduced = detail::FlatMapDeduced<F1, A>;
    using Out = std::conditional_t<std::is_same_v<U, DeducedType>, typename Deduced::Type, U>;
    static_assert(std::is_invocable_v<F1&, const A&, Collector<Out>&> &&
                      std::is_invocable_v<F2&, const B&, Collector<Out>&>,
                  "Sluice: both functions of a connected flat_map are f(record, Collector<U>&).");
    return add<Out>("co_flat_map", std::move(first), std::move(second));
  }
  /// A CoProcessFunction.
  template <class F>
  auto process(F function) const {
    SLUICE_REQUIRE_PROCESS_FUNCTION(F, "CoProcessFunction<Record1, Record2, Result>",
                                    CoProcessFunction<A, B, typename F::Output>);
    using U = typename F::Output;
    return detail::connect_two<U>(first_, second_, "co_process",
                                  make_co_process_operator<A, B, U>(std::move(function)), false);
  }
  /// Both streams by keys of the same type.
  template <class KeyFn1, class KeyFn2>
  auto key_by(KeyFn1 key1, KeyFn2 key2) const {
    return first_.key_by(std::move(key1)).connect(second_.key_by(std::move(key2)));
  }

 private:
  template <class U, class F1, class F2>
  DataStream<U> add(const char* name, F1 first, F2 second) const {
    using Function = detail::CoMapFunction<A, B, U, F1, F2>;
    return detail::connect_two<U>(
        first_, second_, name,
        make_co_process_operator<A, B, U>(Function(std::move(first), std::move(second))), false);
  }

 protected:
  DataStream<A> first_;
  DataStream<B> second_;
};

/// Two streams with keys of one type; map and flat_map see the records of a key in one subtask.
template <class K, class A, class B, class KeyFn1, class KeyFn2>
class KeyedConnectedStreams : public ConnectedStreams<A, B> {
 public:
  KeyedConnectedStreams(DataStream<A> first, DataStream<B> second, KeyFn1 key1, KeyFn2 key2)
      : ConnectedStreams<A, B>(std::move(first), std::move(second)),
        key1_(std::move(key1)),
        key2_(std::move(key2)) {}

  /// A KeyedCoProcessFunction: both sides see the state and timers of the same key.
  template <class F>
  auto process(F function) const {
    SLUICE_REQUIRE_PROCESS_FUNCTION(F, "KeyedCoProcessFunction<Key, Record1, Record2, Result>",
                                    KeyedCoProcessFunction<K, A, B, typename F::Output>);
    using U = typename F::Output;
    return detail::connect_two<U>(
        this->first_, this->second_, "keyed_co_process",
        make_keyed_co_process_operator<K, A, B, U>(std::move(function), key1_, key2_), true);
  }

 private:
  KeyFn1 key1_;
  KeyFn2 key2_;
};

/// A stream that goes to every subtask of the operator that reads it, with the states kept of it.
template <class B>
class BroadcastStream {
 public:
  BroadcastStream(DataStream<B> stream, std::vector<BroadcastStateSpec> states)
      : stream_(std::move(stream)), states_(std::move(states)) {}
  const DataStream<B>& stream() const { return stream_; }
  const std::vector<BroadcastStateSpec>& states() const { return states_; }

 private:
  DataStream<B> stream_;
  std::vector<BroadcastStateSpec> states_;
};

/// A stream without key and a broadcast one.
template <class A, class B>
class BroadcastConnectedStream {
 public:
  BroadcastConnectedStream(DataStream<A> stream, BroadcastStream<B> broadcast)
      : stream_(std::move(stream)), broadcast_(std::move(broadcast)) {}

  /// A BroadcastProcessFunction.
  template <class F>
  auto process(F function) const {
    SLUICE_REQUIRE_PROCESS_FUNCTION(F, "BroadcastProcessFunction<Record, BroadcastRecord, Result>",
                                    BroadcastProcessFunction<A, B, typename F::Output>);
    using U = typename F::Output;
    return detail::connect_two<U>(
        stream_, broadcast_.stream(), "broadcast_process",
        make_broadcast_process_operator<A, B, U>(std::move(function), broadcast_.states()), false);
  }

 private:
  DataStream<A> stream_;
  BroadcastStream<B> broadcast_;
};

/// A keyed stream and a broadcast one.
template <class K, class A, class B, class KeyFn>
class KeyedBroadcastConnectedStream {
 public:
  KeyedBroadcastConnectedStream(DataStream<A> stream, BroadcastStream<B> broadcast, KeyFn key)
      : stream_(std::move(stream)), broadcast_(std::move(broadcast)), key_(std::move(key)) {}

  /// A KeyedBroadcastProcessFunction.
  template <class F>
  auto process(F function) const {
    SLUICE_REQUIRE_PROCESS_FUNCTION(
        F, "KeyedBroadcastProcessFunction<Key, Record, BroadcastRecord, Result>",
        KeyedBroadcastProcessFunction<K, A, B, typename F::Output>);
    using U = typename F::Output;
    return detail::connect_two<U>(stream_, broadcast_.stream(), "keyed_broadcast_process",
                                  make_keyed_broadcast_process_operator<K, A, B, U>(
                                      std::move(function), key_, broadcast_.states()),
                                  true);
  }

 private:
  DataStream<A> stream_;
  BroadcastStream<B> broadcast_;
  KeyFn key_;
};

// ---- DataStream ---------------------------------------------------------------------------------

template <class T>
template <class F>
auto DataStream<T>::process(F function) const {
  SLUICE_REQUIRE_PROCESS_FUNCTION(F, "ProcessFunction<Record, Result> of this stream's record type",
                                  ProcessFunction<T, typename F::Output>);
  using Out = typename F::Output;
  return transform<Out>("process", make_process_operator<T, Out>(std::move(function)));
}

template <class T>
template <class B>
auto DataStream<T>::connect(const DataStream<B>& other) const {
  return ConnectedStreams<T, B>(*this, other);
}

template <class T>
template <class B>
auto DataStream<T>::connect(const BroadcastStream<B>& broadcast) const {
  return BroadcastConnectedStream<T, B>(*this, broadcast);
}

template <class T>
template <class K, class V, class... More>
BroadcastStream<T> DataStream<T>::broadcast(const MapStateDescriptor<K, V>& state,
                                            const More&... more) const {
  return BroadcastStream<T>(broadcast(),
                            {BroadcastStateSpec::of(state), BroadcastStateSpec::of(more)...});
}

}  // namespace sluice
