#include "connectors/kafka/kafka_transaction.h"

#include <algorithm>
#include <cstdlib>

#include "connectors/kafka/kafka_marker_read.h"
#include "core/fail_point.h"

namespace sluice {
namespace {

// How often a call that librdkafka calls retriable is made again before giving up.
constexpr int kAttemptsMax = 4;
constexpr int kFullWaitMs = 2;

int timeout_ms(Duration timeout) { return static_cast<int>(timeout.count()); }

}  // namespace

Result<std::unique_ptr<KafkaTransaction>> KafkaTransaction::open(
    KafkaProperties properties, const std::string& transactional_id, const std::string& topic) {
  std::unique_ptr<KafkaTransaction> result(new KafkaTransaction);
  result->transactional_id_ = transactional_id;
  properties.set("transactional.id", transactional_id);
  properties.set("enable.idempotence", "true");
  // The broker answers "still ending the transaction before" right after a commit; the default of
  // 100 ms would be most of a small epoch's time.
  properties.set_default("retry.backoff.ms", "10");
  properties.set_default("transaction.timeout.ms", "60000");
  // flush() waits for all; only failures are worth a call per message.
  properties.set("delivery.report.only.error", "true");
  SLUICE_RETURN_IF_ERROR(
      result->producer_.open(properties, topic, nullptr, KafkaProducer::Memory::kBorrowed));
  rd_kafka_t* client = result->producer_.client().get();
  Status status;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    rd_kafka_error_t* error = rd_kafka_init_transactions(client, timeout_ms(kTimeout));
    // Whoever opens may try again later: an outage is not waited for here.
    const bool again = error != nullptr && rd_kafka_error_is_retriable(error) != 0 &&
                       rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT;
    status = result->check(error, "start transactions");
    if (!again) break;
  }
  if (!status.is_ok()) {
    rd_kafka_poll(client, 0);
    const Status lasting = result->producer_.client().lasting_error();
    return lasting.is_ok() ? status : lasting;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto asking, open_marker_client(properties));
  SLUICE_ASSIGN_OR_RETURN(result->marker_, read_kafka_marker(*asking, transactional_id, topic));
  return result;
}

Status KafkaTransaction::check(rd_kafka_error_t* raw, const char* what) {
  const KafkaOwned<rd_kafka_error_t> error(raw);
  if (!error) return Status::ok();
  const auto code = rd_kafka_error_code(error.get());
  if (rd_kafka_error_is_fatal(error.get()) != 0) broken_ = true;
  const std::string text = "kafka transaction " + transactional_id_ + ": " + what + ": " +
                           rd_kafka_error_string(error.get());
  switch (code) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
      broken_ = true;
      return Status::unavailable(text);
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return Status::failed_precondition(text);
    default:
      return Status::unavailable(text);
  }
}

Status KafkaTransaction::write(const KafkaEpoch& epoch) {
  ByteReader reader(epoch.frames);
  KafkaFrame frame;
  uint64_t written = 0;
  while (KafkaFrame::read(reader, frame)) {
    for (;;) {
      SLUICE_ASSIGN_OR_RETURN(const KafkaProducer::Outcome outcome, producer_.produce(frame));
      if (outcome == KafkaProducer::Outcome::kTaken) break;
      rd_kafka_poll(producer_.client().get(), kFullWaitMs);
    }
    ++written;
  }
  if (reader.failed() || written != epoch.records) {
    return Status::corruption("kafka: the stored records of " + transactional_id_ +
                              " are damaged: " + std::to_string(written) + " of " +
                              std::to_string(epoch.records) + " can be read");
  }
  return producer_.flush(kTimeout);
}

Status KafkaTransaction::send_marker(const KafkaMarker& marker, int64_t checkpoint) {
  const std::string metadata = marker.to_text();
  const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_t* place =
      rd_kafka_topic_partition_list_add(list.get(), producer_.topic().c_str(), 0);
  place->offset = checkpoint < 0 ? 0 : checkpoint;
  // librdkafka frees it with the list.
  place->metadata = std::malloc(metadata.size());
  SLUICE_CHECK(place->metadata != nullptr);
  metadata.copy(static_cast<char*>(place->metadata), metadata.size());
  place->metadata_size = metadata.size();
  const KafkaOwned<rd_kafka_consumer_group_metadata_t> group(
      rd_kafka_consumer_group_metadata_new(transactional_id_.c_str()));
  Status status;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    rd_kafka_error_t* error = rd_kafka_send_offsets_to_transaction(
        producer_.client().get(), list.get(), group.get(), timeout_ms(kTimeout));
    const bool again = error != nullptr && rd_kafka_error_is_retriable(error) != 0;
    status = check(error, "write the marker");
    if (!again) break;
  }
  return status;
}

Status KafkaTransaction::end_commit() {
  Status status;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    rd_kafka_error_t* error =
        rd_kafka_commit_transaction(producer_.client().get(), timeout_ms(kTimeout));
    // A time-out here is resumed by calling again.
    const bool again = error != nullptr && rd_kafka_error_is_retriable(error) != 0;
    const bool aborted = error != nullptr && rd_kafka_error_txn_requires_abort(error) != 0;
    status = check(error, "commit");
    if (aborted) {
      abort();
      return status;
    }
    if (!again) break;
  }
  // Anything else leaves open whether the commit reached the broker.
  if (!status.is_ok()) broken_ = true;
  return status;
}

void KafkaTransaction::abort() {
  producer_.purge();
  const KafkaOwned<rd_kafka_error_t> error(
      rd_kafka_abort_transaction(producer_.client().get(), timeout_ms(kTimeout)));
  // What cannot be aborted here is aborted by the next one that opens the id, or by its time-out.
  if (error) broken_ = true;
  producer_.forget_failures();
}

CommitOutcome KafkaTransaction::commit(const KafkaEpoch& epoch, CheckpointId checkpoint,
                                       std::string& error) {
  if (marker_.covers(epoch.incarnation, checkpoint)) return CommitOutcome::kAlreadyCommitted;
  Status status = check(rd_kafka_begin_transaction(producer_.client().get()), "begin");
  KafkaMarker moved = marker_;
  moved.add(epoch.incarnation, checkpoint);
  if (status.is_ok()) {
    status = write(epoch);
    if (status.is_ok()) {
      fail_point("kafka_epoch_written");
      status = send_marker(moved, checkpoint.value);
    }
    if (!status.is_ok() && !broken_) abort();
  }
  if (status.is_ok()) {
    fail_point("kafka_marker_sent");
    status = end_commit();
  }
  if (status.is_ok()) {
    fail_point("kafka_committed");
    marker_ = std::move(moved);
    return CommitOutcome::kCommitted;
  }
  error = status.to_string();
  // A client that was fenced or refused stays so; only a new one can tell what is true.
  if (!producer_.client().lasting_error().is_ok()) broken_ = true;
  const bool never =
      status.code() == StatusCode::kInvalidArgument || status.code() == StatusCode::kCorruption;
  if (never) return CommitOutcome::kFailedKnown;
  return broken_ ? CommitOutcome::kFailedUnknown : CommitOutcome::kRetry;
}

Status KafkaTransaction::claim(uint64_t incarnation, std::optional<CheckpointId> restored) {
  KafkaMarker moved = marker_;
  moved.claim(incarnation, restored);
  SLUICE_RETURN_IF_ERROR(check(rd_kafka_begin_transaction(producer_.client().get()), "begin"));
  // The offset keeps telling the last checkpoint; a claim has none of its own.
  int64_t last = 0;
  for (const auto& entry : marker_.entries()) last = std::max(last, entry.committed);
  Status sent = send_marker(moved, last);
  if (!sent.is_ok()) {
    abort();
    return sent;
  }
  SLUICE_RETURN_IF_ERROR(end_commit());
  marker_ = std::move(moved);
  return Status::ok();
}

}  // namespace sluice
