// Makes the epochs of an exactly-once sink visible, each once, whatever happened before.
//
// One transaction per epoch, under the transactional id of the subtask that wrote it, which need
// not be the one that commits it (rescaling). An outcome in doubt is settled by opening the id anew
// and reading its marker. Blocks; one owner at a time.
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
  /// `properties` as for a plain producer. Connects at the first commit.
  explicit KafkaCommitter(KafkaProperties properties) : properties_(std::move(properties)) {}

  CommitOutcome commit(const Committable& committable, std::string& error) override;
  /// Nothing to remove: a transaction is open only while commit() runs, and one that a crash left
  /// open was ended when its id was opened again. Closes the ids of the recovery.
  Status abort_unknown(const std::vector<Committable>& known) override;

 private:
  struct Session {
    std::unique_ptr<KafkaTransaction> transaction;
    /// The writer that had claimed the id when this committer first saw its marker.
    uint64_t claim = 0;
    bool claim_seen = false;
  };
  Status ensure_open(Session& session, const KafkaEpoch& epoch);

  KafkaProperties properties_;
  std::map<std::string, Session, std::less<>> sessions_;
};

}  // namespace sluice
