// Where a Kafka source begins when no checkpoint says so.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "connectors/kafka/kafka_cluster.h"
#include "core/time.h"

namespace sluice {

struct KafkaStart {
  enum class Kind { kEarliest, kLatest, kGroupOffsets, kTime, kOffsets };

  static KafkaStart earliest() { return {}; }
  /// Only what is written after the job has started.
  static KafkaStart latest() { return {.kind = Kind::kLatest}; }
  /// Where the consumer group (group.id) stands; `otherwise` for partitions it has not committed.
  static KafkaStart group_offsets(Kind otherwise = Kind::kEarliest) {
    return {.kind = Kind::kGroupOffsets, .otherwise = otherwise};
  }
  /// The first message of this time or later; the end when there is none.
  static KafkaStart time(EventTime time) { return {.kind = Kind::kTime, .from_time = time}; }
  /// Partitions not named begin as `otherwise` says.
  static KafkaStart offsets(std::map<KafkaPartition, int64_t> offsets,
                            Kind otherwise = Kind::kEarliest) {
    return {.kind = Kind::kOffsets, .otherwise = otherwise, .from_offsets = std::move(offsets)};
  }

  Kind kind = Kind::kEarliest;
  Kind otherwise = Kind::kEarliest;  // kEarliest or kLatest.
  EventTime from_time{0};
  std::map<KafkaPartition, int64_t> from_offsets;
};

}  // namespace sluice
