// One librdkafka client, owned, with its errors turned into Status.
//
// Used only inside connectors/kafka, because it shows librdkafka's types. Errors that librdkafka
// reports in the background are kept here; everything else is called by the owner's thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <librdkafka/rdkafka.h>

#include "connectors/kafka/kafka_properties.h"
#include "core/status.h"

namespace sluice {

/// Deleters for what librdkafka gives away.
struct KafkaDelete {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_AdminOptions_t* options) const {
    rd_kafka_AdminOptions_destroy(options);
  }
  void operator()(rd_kafka_consumer_group_metadata_t* metadata) const {
    rd_kafka_consumer_group_metadata_destroy(metadata);
  }
};
template <class T>
using KafkaOwned = std::unique_ptr<T, KafkaDelete>;

class KafkaClient {
 public:
  /// Called for each delivered or failed message of a producer, by the thread that polls.
  using DeliveryListener = std::function<void(const rd_kafka_message_t&)>;

  /// A wrong property name or value is an invalid argument that names it. No connection is made
  /// yet.
  static Result<std::unique_ptr<KafkaClient>> open(rd_kafka_type_t type,
                                                   const KafkaProperties& properties,
                                                   DeliveryListener on_delivery = nullptr);
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  rd_kafka_t* get() const { return client_; }

  /// The last error reported in the background, e.g. why no broker answers; empty when none.
  std::string last_error() const;
  /// An error that will not go away: refused authentication, a fenced or broken client.
  Status lasting_error() const;
  /// librdkafka's code as a Status: `what` names the action.
  Status failure(rd_kafka_resp_err_t code, const std::string& what) const;

 private:
  KafkaClient() = default;
  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque);
  static void on_log(const rd_kafka_t* client, int level, const char* facility, const char* text);
  static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);
  void note_error(rd_kafka_resp_err_t code, const char* reason);

  rd_kafka_t* client_ = nullptr;
  std::string brokers_;
  DeliveryListener on_delivery_;
  mutable std::mutex mutex_;
  std::string last_error_;     // Guarded by mutex_.
  std::string lasting_error_;  // Guarded by mutex_.
};

}  // namespace sluice
