#include "connectors/kafka/kafka_committer.h"

namespace sluice {
namespace {

// A fenced or expired transaction is written anew, at most this often per call.
constexpr int kCommitAttemptsMax = 3;

}  // namespace

Status KafkaCommitter::ensure_open(Session& session, const KafkaEpoch& epoch) {
  if (session.transaction) return Status::ok();
  SLUICE_ASSIGN_OR_RETURN(session.transaction,
                          KafkaTransaction::open(properties_, std::string(epoch.transactional_id),
                                                 std::string(epoch.topic)));
  const uint64_t claim = session.transaction->marker().newest_claim();
  if (!session.claim_seen) {
    session.claim = claim;
    session.claim_seen = true;
  }
  return Status::ok();
}

CommitOutcome KafkaCommitter::commit(const Committable& committable, std::string& error) {
  const auto epoch = KafkaEpoch::decode(committable.data);
  if (!epoch.is_ok()) {
    error = epoch.status().to_string();
    return CommitOutcome::kFailedKnown;
  }
  Session& session = sessions_[std::string(epoch->transactional_id)];
  CommitOutcome outcome = CommitOutcome::kRetry;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    const Status opened = ensure_open(session, *epoch);
    if (!opened.is_ok()) {
      error = opened.to_string();
      return opened.retry() == Retry::kWithBackoff ? CommitOutcome::kRetry
                                                   : CommitOutcome::kFailedKnown;
    }
    const KafkaMarker& marker = session.transaction->marker();
    const bool committed = marker.covers(epoch->incarnation, committable.checkpoint);
    if (!committed && marker.newest_claim() != session.claim) {
      // We were frozen or cut off, and a newer run of the job has taken this id: its word counts.
      error = "kafka transaction " + std::string(epoch->transactional_id) +
              ": another run of this job has taken over";
      sessions_.erase(std::string(epoch->transactional_id));
      return CommitOutcome::kFailedKnown;
    }
    outcome = session.transaction->commit(*epoch, committable.checkpoint, error);
    session.claim = session.transaction->marker().newest_claim();
    if (!session.transaction->is_broken()) return outcome;
    session.transaction.reset();
    if (outcome == CommitOutcome::kFailedKnown) return outcome;
  }
  return outcome;
}

Status KafkaCommitter::abort_unknown(const std::vector<Committable>& /*known*/) {
  // The writer that opens next claims its id; a session opened later sees that claim.
  sessions_.clear();
  return Status::ok();
}

}  // namespace sluice
