// The transactions of one sink subtask, under one transactional id.
//
// Opening fences whoever used the id before and ends what it left open, then reads the marker. Each
// epoch is one transaction: its frames and the moved marker, so that either both are there or none.
// Blocks; one owner at a time. After an outcome that `is_broken()` the object must be dropped; a
// new one finds out what became of the transaction.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "connectors/kafka/kafka_epoch.h"
#include "connectors/kafka/kafka_marker.h"
#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_properties.h"
#include "core/ids.h"
#include "core/sink.h"
#include "core/status.h"

namespace sluice {

class KafkaTransaction {
 public:
  /// Of one call; a broker that restarts is waited for a few times as long.
  static constexpr Duration kTimeout{10'000};

  /// `properties` as for a plain producer. The marker is kept at `topic` in the consumer group
  /// named like the transactional id.
  static Result<std::unique_ptr<KafkaTransaction>> open(KafkaProperties properties,
                                                        const std::string& transactional_id,
                                                        const std::string& topic);

  const KafkaMarker& marker() const { return marker_; }
  bool is_broken() const { return broken_; }

  /// Writes the epoch and marks it. Outcomes as for a Committer; kAlreadyCommitted without any
  /// write when the marker covers it. After another outcome than these two drop the object before
  /// the epoch's bytes: messages under way are not copied.
  CommitOutcome commit(const KafkaEpoch& epoch, CheckpointId checkpoint, std::string& error);
  /// Marks a new writer without records. Until then whoever used the id before may come back.
  Status claim(uint64_t incarnation, std::optional<CheckpointId> restored);

 private:
  KafkaTransaction() = default;
  Status write(const KafkaEpoch& epoch);
  Status send_marker(const KafkaMarker& marker, int64_t checkpoint);
  Status end_commit();
  void abort();
  Status check(rd_kafka_error_t* error, const char* what);

  KafkaProducer producer_;
  std::string transactional_id_;
  KafkaMarker marker_;
  bool broken_ = false;
};

}  // namespace sluice
