#include "connectors/kafka/kafka_committer.h"

namespace sluice {
namespace {

// A fenced or expired transaction is written anew, at most this often per call.
constexpr int kCommitAttemptsMax = 5;

bool is_settled(CommitOutcome outcome) {
  return outcome == CommitOutcome::kCommitted || outcome == CommitOutcome::kAlreadyCommitted;
}

}  // namespace

CommitOutcome KafkaCommitter::commit(const Committable& committable, std::string& error) {
  return commit_from(Origin::kThisRun, committable, error);
}

CommitOutcome KafkaCommitter::recommit(const Committable& committable, std::string& error) {
  return commit_from(Origin::kEarlierRun, committable, error);
}

std::string KafkaCommitter::objection(Origin origin, const KafkaMarker& marker,
                                      const KafkaEpoch& epoch, CheckpointId checkpoint) const {
  if (origin == Origin::kEarlierRun && allow_repeats_) return "";
  if (origin == Origin::kEarlierRun && !marker.knows(epoch.incarnation)) {
    return "the brokers have forgotten what was committed (offsets.retention.minutes), so these "
           "results may be in the topic already; allow repeats to write them";
  }
  // A marker that the brokers have forgotten while the run goes on holds no claim of anybody.
  return marker.is_superseded(epoch.incarnation, checkpoint)
             ? "another run of this job has taken over"
             : "";
}

CommitOutcome KafkaCommitter::commit_from(Origin origin, const Committable& committable,
                                          std::string& error) {
  const auto epoch = KafkaEpoch::decode(committable.data);
  if (!epoch.is_ok()) {
    error = epoch.status().to_string();
    return CommitOutcome::kFailedKnown;
  }
  const std::string id(epoch->transactional_id);
  auto& transaction = transactions_[id];
  CommitOutcome outcome = CommitOutcome::kRetry;
  for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
    if (!transaction) {
      auto opened = KafkaTransaction::open(properties_, id, std::string(epoch->topic));
      if (!opened.is_ok()) {
        error = opened.status().to_string();
        if (opened.status().retry() != Retry::kWithBackoff) return CommitOutcome::kFailedKnown;
        continue;
      }
      transaction = std::move(*opened);
    }
    if (!transaction->marker().covers(epoch->incarnation, committable.checkpoint)) {
      const std::string reason =
          objection(origin, transaction->marker(), *epoch, committable.checkpoint);
      if (!reason.empty()) {
        error = "kafka sink, checkpoint " + std::to_string(committable.checkpoint.value) + " of ";
        error.append(id).append(": ").append(reason);
        transaction.reset();
        return CommitOutcome::kFailedKnown;
      }
    }
    outcome = transaction->commit(*epoch, committable.checkpoint, error);
    if (is_settled(outcome)) return outcome;
    // Also ends the use of the epoch's bytes by messages under way.
    transaction.reset();
    if (outcome == CommitOutcome::kFailedKnown) return outcome;
  }
  return outcome;
}

Status KafkaCommitter::abort_unknown(const std::vector<Committable>& /*known*/) {
  transactions_.clear();
  return Status::ok();
}

}  // namespace sluice
