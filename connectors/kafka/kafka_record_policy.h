// How a record becomes a message: value by a format, key, headers and partition by functions of the
// author, all template parameters so that the code per record is inlined.
#pragma once

#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "connectors/formats/scalar_text.h"
#include "connectors/kafka/kafka_format.h"
#include "connectors/kafka/kafka_frame.h"
#include "core/batch.h"
#include "core/codec.h"

namespace sluice {

/// Stands for a function that was not given.
struct KafkaNone {};

/// Receives headers: `headers.add("trace", record.trace)`.
class KafkaHeaders {
 public:
  explicit KafkaHeaders(KafkaFrameWriter& frame) : frame_(frame) {}
  void add(std::string_view name, std::string_view value) { frame_.header(name, value); }

 private:
  KafkaFrameWriter& frame_;
};

/// Text as its bytes, numbers and times as text, anything else by its codec.
template <class K>
void append_kafka_key(const K& key, std::string& out) {
  if constexpr (std::is_convertible_v<const K&, std::string_view>) {
    out += std::string_view(key);
  } else if constexpr (kIsScalar<K>) {
    append_scalar(key, out);
  } else {
    static_assert(Encodable<K>, "a Kafka key is text, a number, or a SLUICE_RECORD");
    ByteWriter writer(out);
    encode(key, writer);
  }
}

template <class Format, class Key = KafkaNone, class Headers = KafkaNone,
          class Partition = KafkaNone>
struct KafkaRecordPolicy {
  using Record = typename Format::Record;
  using FormatType = Format;

  Format format;
  Key key;              // K key(const Record&)
  Headers headers;      // void headers(const Record&, KafkaHeaders&)
  Partition partition;  // int32_t partition(const Record&, int32_t partition_count)
  /// A deletion is a message without value, an old value (-U) is none.
  bool upsert = false;
  /// Messages carry the record's event time.
  bool with_timestamp = true;

  static constexpr bool kHasKey = !std::is_same_v<Key, KafkaNone>;
  static constexpr bool kHasHeaders = !std::is_same_v<Headers, KafkaNone>;
  static constexpr bool kHasPartition = !std::is_same_v<Partition, KafkaNone>;
};

/// Writes records as frames by a policy. One writer per subtask.
template <class Policy>
class KafkaRecordWriter {
 public:
  using Record = typename Policy::Record;
  KafkaRecordWriter(const Policy& policy, int32_t partitions)
      : policy_(policy), format_(policy.format), partitions_(partitions) {}

  /// Appends a frame; its size, or 0 when this row has no message.
  size_t append(const Record& record, EventTime time, RowKind kind, std::string& out) {
    if (policy_.upsert && kind == RowKind::kUpdateBefore) return 0;
    KafkaFrameWriter frame(out);
    frame.begin();
    // Kafka has no times before 1970.
    if (policy_.with_timestamp && time.ms >= 0) frame.set_timestamp(time);
    if constexpr (Policy::kHasPartition) {
      const int32_t partition = policy_.partition(record, partitions_);
      // Found out only when it is committed, it could never be written.
      if (partition < 0 || partition >= partitions_) {
        throw std::out_of_range("partition " + std::to_string(partition) + " of " +
                                std::to_string(partitions_));
      }
      frame.set_partition(partition);
    }
    if constexpr (Policy::kHasKey) {
      frame.key([&](std::string& bytes) { append_kafka_key(policy_.key(record), bytes); });
    }
    if (!policy_.upsert || kind != RowKind::kDelete) {
      frame.value([&](std::string& bytes) {
        if constexpr (requires { format_.append(record, kind, bytes); }) {
          format_.append(record, kind, bytes);
        } else {
          format_.append(record, bytes);
        }
      });
    }
    if constexpr (Policy::kHasHeaders) {
      KafkaHeaders headers(frame);
      policy_.headers(record, headers);
    }
    return frame.end();
  }

 private:
  Policy policy_;
  KafkaWriterOf<typename Policy::FormatType> format_;
  int32_t partitions_;
};

}  // namespace sluice
