// What a Kafka source was told by the job's author; a plain value shared by its parts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_properties.h"
#include "connectors/kafka/kafka_start.h"
#include "core/status.h"
#include "core/time.h"

namespace sluice {

struct KafkaSourceSettings {
  static constexpr Duration kDiscoveryDefault{30'000};

  KafkaProperties properties;
  std::vector<std::string> topics;
  /// ECMAScript regular expression that must match the whole name; used when `topics` is empty.
  std::string pattern;
  KafkaStart start;
  /// Reads up to where each partition ends when the job starts.
  bool bounded = false;
  /// How often new topics and partitions are looked for; nothing = never. Not with `bounded`.
  std::optional<Duration> discovery = kDiscoveryDefault;

  /// "kafka(flights,weather)".
  std::string name() const;
  /// librdkafka settings of a consumer with this source's needs added.
  KafkaProperties consumer_properties() const;
  /// The author's mistakes that show without a broker.
  Status check() const;
};

}  // namespace sluice
