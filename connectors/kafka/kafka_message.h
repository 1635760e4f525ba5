// What a message of a Kafka topic is to those who turn it into a record: views into librdkafka's
// memory, without copies.
//
// Valid during the call that receives it. Owner: the consumer that fetched it; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.h"

namespace sluice {

struct KafkaMessage {
  std::string_view topic;
  int32_t partition = 0;
  int64_t offset = 0;
  /// The producer's or the broker's time, as the topic is set up; kNoTimestamp when there is none.
  EventTime timestamp = kNoTimestamp;
  std::string_view key;
  std::string_view value;
  bool has_key = false;
  /// False for a null value: "delete this key" in an upsert topic.
  bool has_value = false;
  /// librdkafka's message, for the headers.
  const void* handle = nullptr;

  struct Header {
    std::string_view name;
    std::string_view value;
    bool has_value = false;
  };
  /// The header at `index` in the order in which they were written, or nothing beyond the last.
  std::optional<Header> header_at(size_t index) const;
  /// The last header of this name.
  std::optional<Header> header(std::string_view name) const;
};

}  // namespace sluice
