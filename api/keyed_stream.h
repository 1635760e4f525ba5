// KeyedStream<K, T>: a stream whose records of one key are processed by the same subtask, in order.
//
//   flights.key_by(&Flight::origin).window(TumblingEventTimeWindows::of(1h)).aggregate(...)
//
// It is a DataStream too: map and the like read it hash-partitioned.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "api/data_stream.h"
#include "operators/partitioner.h"

namespace sluice {

template <class K, class T, class KeyFn>
class KeyedStream : public DataStream<T> {
 public:
  using Key = K;

  KeyedStream(std::shared_ptr<JobDraft> plan, StreamEdges edges, KeyFn key)
      : DataStream<T>(std::move(plan), std::move(edges)), key_(std::move(key)) {}

  const KeyFn& key_selector() const { return key_; }

 protected:
  /// Adds an operator with keyed state that reads this stream.
  template <class U>
  DataStream<U> transform_keyed(std::string name, OperatorFactory factory) const {
    auto result = this->template transform<U>(std::move(name), std::move(factory));
    this->plan().graph().node(result.node()).keyed = true;
    return result;
  }

  KeyFn key_;
};

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
