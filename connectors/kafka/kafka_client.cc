#include "connectors/kafka/kafka_client.h"

#include <array>

namespace sluice {

Result<std::unique_ptr<KafkaClient>> KafkaClient::open(rd_kafka_type_t type,
                                                       const KafkaProperties& properties,
                                                       DeliveryListener on_delivery) {
  std::unique_ptr<KafkaClient> result(new KafkaClient);
  result->brokers_ = properties.brokers();
  result->on_delivery_ = std::move(on_delivery);
  std::array<char, 512> error{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : properties.entries()) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return Status::invalid_argument("kafka property " + name + ": " + error.data());
    }
  }
  rd_kafka_conf_set_opaque(conf, result.get());
  rd_kafka_conf_set_error_cb(conf, &KafkaClient::on_error);
  rd_kafka_conf_set_log_cb(conf, &KafkaClient::on_log);
  if (result->on_delivery_) rd_kafka_conf_set_dr_msg_cb(conf, &KafkaClient::on_delivery);
  result->client_ = rd_kafka_new(type, conf, error.data(), error.size());
  if (result->client_ == nullptr) {
    rd_kafka_conf_destroy(conf);
    return Status::invalid_argument(std::string("kafka client: ") + error.data());
  }
  return result;
}

KafkaClient::~KafkaClient() {
  if (client_ == nullptr) return;
  if (rd_kafka_type(client_) == RD_KAFKA_CONSUMER) {
    // Nothing to leave: partitions are assigned by us, and offsets are committed on checkpoints.
    rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  } else {
    rd_kafka_purge(client_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy(client_);
  }
}

void KafkaClient::on_error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
  auto error = static_cast<rd_kafka_resp_err_t>(code);
  std::array<char, 512> fatal_text{};
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    error = rd_kafka_fatal_error(client, fatal_text.data(), fatal_text.size());
    reason = fatal_text.data();
    static_cast<KafkaClient*>(opaque)->note_error(RD_KAFKA_RESP_ERR__FATAL, reason);
    return;
  }
  static_cast<KafkaClient*>(opaque)->note_error(error, reason);
}

void KafkaClient::on_log(const rd_kafka_t* client, int level, const char* /*facility*/,
                         const char* text) {
  constexpr int kSyslogError = 3;
  if (level > kSyslogError) return;
  auto* self = static_cast<KafkaClient*>(rd_kafka_opaque(client));
  if (self != nullptr) self->note_error(RD_KAFKA_RESP_ERR_NO_ERROR, text);
}

void KafkaClient::on_delivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message,
                              void* opaque) {
  static_cast<KafkaClient*>(opaque)->on_delivery_(*message);
}

void KafkaClient::note_error(rd_kafka_resp_err_t code, const char* reason) {
  const std::lock_guard lock(mutex_);
  // "All brokers are down" follows the error that says why.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !last_error_.empty()) return;
  last_error_ = reason;
  switch (code) {
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      if (lasting_error_.empty()) lasting_error_ = reason;
      break;
    default:
      break;
  }
}

std::string KafkaClient::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

Status KafkaClient::lasting_error() const {
  const std::lock_guard lock(mutex_);
  if (lasting_error_.empty()) return Status::ok();
  return Status::failed_precondition("kafka " + brokers_ + ": " + lasting_error_);
}

Status KafkaClient::failure(rd_kafka_resp_err_t code, const std::string& what) const {
  std::string text = "kafka " + brokers_ + ": " + what + ": " + rd_kafka_err2str(code);
  switch (code) {
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT: {
      // The code alone does not say which broker refused what.
      const std::string last = last_error();
      if (!last.empty()) text += " (" + last + ")";
      return Status::unavailable(std::move(text));
    }
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return Status::not_found(std::move(text));
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
      return Status::invalid_argument(std::move(text));
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return Status::resource_exhausted(std::move(text));
    default:
      return Status::io_error(std::move(text));
  }
}

}  // namespace sluice
