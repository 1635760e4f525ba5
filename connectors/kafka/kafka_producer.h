// A librdkafka producer for one topic: takes frames without blocking, tells when it has room.
//
// One owner thread; `wake` is called from librdkafka's threads. A message that cannot be delivered
// makes every later call fail: the owner must not go on as if it had been written.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_frame.h"
#include "connectors/kafka/kafka_properties.h"
#include "core/status.h"
#include "core/time.h"

namespace sluice {

class KafkaProducer {
 public:
  KafkaProducer() = default;
  ~KafkaProducer() { close(); }

  /// kBorrowed: key and value of a message stay where they are until it is delivered, i.e. until a
  /// flush() that succeeds or close().
  enum class Memory { kCopied, kBorrowed };
  Status open(const KafkaProperties& properties, const std::string& topic,
              std::function<void()> wake, Memory memory = Memory::kCopied);
  void close();

  enum class Outcome { kTaken, kFull };
  /// kFull: nothing was taken, wake() follows when there is room.
  Result<Outcome> produce(const KafkaFrame& frame);
  /// Serves delivery reports; fails when a message was not delivered.
  Status poll();
  /// Waits until everything taken is on the brokers.
  Status flush(Duration timeout);
  /// Forgets the failures of messages of an aborted transaction.
  void forget_failures() { failure_ = Status::ok(); }
  /// Drops what is queued or under way and waits until nothing is.
  void purge();

  KafkaClient& client() { return *client_; }
  const std::string& topic() const { return topic_; }

 private:
  void on_delivery(const rd_kafka_message_t& message);
  rd_kafka_resp_err_t produce_plain(const KafkaFrame& frame);
  rd_kafka_resp_err_t produce_full(const KafkaFrame& frame);

  std::string topic_;
  std::function<void()> wake_;
  std::unique_ptr<KafkaClient> client_;
  KafkaOwned<rd_kafka_topic_t> handle_;
  KafkaOwned<rd_kafka_queue_t> events_;
  Status failure_;
  std::atomic<bool> waiting_{false};
  int message_flags_ = RD_KAFKA_MSG_F_COPY;
};

/// Settings of every producer of a sink: order and no duplicates from retries, Java's partitioner.
KafkaProperties producer_properties(const KafkaProperties& given);

}  // namespace sluice
