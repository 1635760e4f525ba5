// What a Kafka sink was told by the job's author; a plain value shared by its parts.
#pragma once

#include <string>

#include "connectors/kafka/kafka_cluster.h"
#include "connectors/kafka/kafka_properties.h"
#include "core/operator.h"
#include "core/status.h"

namespace sluice {

enum class KafkaDelivery {
  kAtLeastOnce,
  kExactlyOnce,
};

struct KafkaSinkSettings {
  /// Records between two checkpoints, kept in memory and in the checkpoint.
  static constexpr size_t kEpochBytesMaxDefault = size_t{1} << 30;

  KafkaProperties properties;
  std::string topic;
  KafkaDelivery delivery = KafkaDelivery::kAtLeastOnce;
  /// First part of the transactional ids; empty = job name and operator uid.
  std::string transactional_id_prefix;
  /// From here on a checkpoint is asked for before its time.
  size_t epoch_bytes = 64U << 20U;
  size_t epoch_bytes_max = kEpochBytesMaxDefault;
  /// Whether rows may be written again that are, or may be, in the topic already: on a start from a
  /// snapshot older than what was committed, and when the brokers have forgotten what was.
  bool allow_repeats = false;
  /// Makes the topic with this many partitions when it does not exist; 0 = it must exist.
  int32_t create_partitions = 0;
  int32_t create_replication = 0;

  /// "kafka(results)".
  std::string name() const { return "kafka(" + topic + ")"; }
  /// The author's mistakes, then whether the topic exists; makes it when told to.
  Status validate() const;
  /// One id per sink and subtask, the same in every run of the job: this and the subtask's number.
  std::string transactional_ids(const TaskInfo& task) const;

  struct TopicFacts {
    int32_t partitions = 0;
    size_t message_bytes_max = 0;
  };
  /// Asks the brokers; blocks.
  Result<TopicFacts> topic_facts() const;
};

/// A number that no other writer has: the identity of one run of one subtask.
uint64_t draw_incarnation();

}  // namespace sluice
