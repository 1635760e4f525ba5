// Makes the epochs of an exactly-once sink visible, each once, whatever happened before.
//
// One transaction per epoch, under the transactional id of the subtask that wrote it, which need
// not be the one that commits it (rescaling). An outcome in doubt is settled by opening the id anew
// and reading its marker. An epoch is not committed when a run that started without it has claimed
// the id since: that one makes its results anew. Blocks; one owner at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_properties.h"
#include "connectors/kafka/kafka_transaction.h"
#include "core/sink.h"

namespace sluice {

class KafkaCommitter final : public Committer {
 public:
  /// `properties` as for a plain producer. Connects at the first commit. `allow_repeats`: an epoch
  /// of an earlier run is written even if its marker is lost.
  explicit KafkaCommitter(KafkaProperties properties, bool allow_repeats = false)
      : properties_(std::move(properties)), allow_repeats_(allow_repeats) {}

  CommitOutcome commit(const Committable& committable, std::string& error) override;
  CommitOutcome recommit(const Committable& committable, std::string& error) override;
  /// Nothing to remove: a transaction is open only while commit() runs, and one that a crash left
  /// open was ended when its id was opened again. Closes the ids of the recovery.
  Status abort_unknown(const std::vector<Committable>& known) override;

 private:
  /// Whose epoch it is.
  enum class Origin { kThisRun, kEarlierRun };
  CommitOutcome commit_from(Origin origin, const Committable& committable, std::string& error);
  /// Why an epoch that the marker does not cover must not be written; empty when it may.
  std::string objection(Origin origin, const KafkaMarker& marker, const KafkaEpoch& epoch,
                        CheckpointId checkpoint) const;

  KafkaProperties properties_;
  bool allow_repeats_;
  std::map<std::string, std::unique_ptr<KafkaTransaction>, std::less<>> transactions_;
};

}  // namespace sluice
