// Questions to the brokers: which topics and partitions there are, and where their offsets stand.
//
// Every call blocks up to `timeout` and belongs on a thread that may: enumerators, a sink's open
// and validate, tests. One owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/kafka/kafka_properties.h"
#include "core/status.h"
#include "core/time.h"

namespace sluice {

class KafkaClient;

struct KafkaPartition {
  std::string topic;
  int32_t id = 0;
  friend auto operator<=>(const KafkaPartition&, const KafkaPartition&) = default;
};
/// "topic-3", as messages and dead letters name it.
std::string to_text(const KafkaPartition& partition);

struct KafkaTopic {
  std::string name;
  int32_t partitions = 0;
};

class KafkaCluster {
 public:
  static constexpr Duration kTimeoutDefault{10'000};

  /// No connection is made yet. `properties` are a consumer's; isolation.level decides what "end"
  /// is.
  static Result<std::unique_ptr<KafkaCluster>> open(KafkaProperties properties,
                                                    Duration timeout = kTimeoutDefault);
  ~KafkaCluster();

  /// Every topic that this client may see, sorted by name.
  Result<std::vector<KafkaTopic>> topics();
  /// One topic; not found when it does not exist. Never creates it.
  Result<KafkaTopic> topic(const std::string& name);

  struct Place {
    KafkaPartition partition;
    int64_t offset = 0;
  };
  /// First stored offset, or offset after the last readable message (with read_committed: of
  /// finished transactions), of each partition in the same order.
  Result<std::vector<Place>> begin_offsets(const std::vector<KafkaPartition>& partitions);
  Result<std::vector<Place>> end_offsets(const std::vector<KafkaPartition>& partitions);
  /// First offset whose message is of this time or later; -1 when there is none.
  Result<std::vector<Place>> offsets_for_time(const std::vector<KafkaPartition>& partitions,
                                              EventTime time);
  /// Offsets committed by the group of the properties (group.id); -1 where there is none.
  Result<std::vector<Place>> committed(const std::vector<KafkaPartition>& partitions);

  /// Makes a topic; already exists is an error. Replication 0 = the broker's default.
  Status create_topic(const std::string& name, int32_t partitions, int32_t replication = 0);
  Status delete_topic(const std::string& name);
  /// Raises the number of partitions.
  Status grow_topic(const std::string& name, int32_t partitions);
  /// Consumer groups that this client may see whose names begin with `prefix`.
  Result<std::vector<std::string>> groups(std::string_view prefix);
  /// A setting of a topic, e.g. "max.message.bytes".
  Result<std::string> topic_setting(const std::string& topic, const std::string& name);

 private:
  KafkaCluster() = default;
  Result<std::vector<Place>> list_offsets(const std::vector<KafkaPartition>& partitions,
                                          int64_t timestamp, const char* what);
  int timeout_ms() const { return static_cast<int>(timeout_.count()); }

  std::unique_ptr<KafkaClient> client_;
  Duration timeout_{0};
};

}  // namespace sluice
