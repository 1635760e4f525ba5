// Finds the partitions of a Kafka source, decides where each begins and ends, and hands them out.
//
// A partition belongs to one subtask, chosen by topic and number, so that every topic is spread
// over all subtasks. Invariant: a partition is handed out once per job; which ones are known is
// part of the checkpoint, positions are in the readers' state (semantics rule 34). Partitions found
// after the start are read from their beginning, since all their messages are new.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_cluster.h"
#include "connectors/kafka/kafka_source_settings.h"
#include "connectors/kafka/kafka_split.h"
#include "core/source.h"

namespace sluice {

class KafkaEnumerator final : public SplitEnumerator {
 public:
  explicit KafkaEnumerator(KafkaSourceSettings settings) : settings_(std::move(settings)) {}

  Status open(int source_parallelism) override;
  Assignment next(int subtask) override;
  void add_back(std::vector<SourceSplit> splits) override;
  std::optional<Duration> discovery_interval() const override {
    return settings_.bounded ? std::nullopt : settings_.discovery;
  }
  Status discover() override;
  std::string snapshot() const override;
  Status restore(std::string_view state) override;

 private:
  Result<std::vector<KafkaPartition>> list_partitions();
  /// Partitions that match and are not known yet.
  Result<std::vector<KafkaPartition>> find_new();
  Status add_first(const std::vector<KafkaPartition>& partitions);
  Result<std::vector<KafkaCluster::Place>> start_places(
      const std::vector<KafkaPartition>& partitions);
  int owner_of(const KafkaPartition& partition) const;

  KafkaSourceSettings settings_;
  std::unique_ptr<KafkaCluster> cluster_;
  int parallelism_ = 1;
  bool restored_ = false;
  // All partitions ever found; those not handed out have their split.
  std::map<KafkaPartition, std::optional<KafkaSplit>> partitions_;
};

}  // namespace sluice
