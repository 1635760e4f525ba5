#include "connectors/kafka/kafka_producer.h"

#include <array>

namespace sluice {
namespace {

constexpr int kServeAll = 0;  // rd_kafka_poll() without waiting.

}  // namespace

KafkaProperties producer_properties(const KafkaProperties& given) {
  KafkaProperties result = given;
  result.set_default("enable.idempotence", "true");
  result.set_default("partitioner", "murmur2_random");
  result.set_default("linger.ms", "5");
  result.set_default("queue.buffering.max.kbytes", "65536");
  result.set_default("queue.buffering.max.messages", "200000");
  return result;
}

Status KafkaProducer::open(const KafkaProperties& properties, const std::string& topic,
                           std::function<void()> wake, Memory memory) {
  topic_ = topic;
  message_flags_ = memory == Memory::kCopied ? RD_KAFKA_MSG_F_COPY : 0;
  wake_ = std::move(wake);
  SLUICE_ASSIGN_OR_RETURN(client_, KafkaClient::open(RD_KAFKA_PRODUCER, properties,
                                                     [this](const rd_kafka_message_t& message) {
                                                       on_delivery(message);
                                                     }));
  handle_.reset(rd_kafka_topic_new(client_->get(), topic.c_str(), nullptr));
  if (!handle_) return client_->failure(rd_kafka_last_error(), "topic " + topic);
  events_.reset(rd_kafka_queue_get_main(client_->get()));
  rd_kafka_queue_cb_event_enable(
      events_.get(),
      [](rd_kafka_t* /*client*/, void* opaque) {
        auto* self = static_cast<KafkaProducer*>(opaque);
        if (self->waiting_.exchange(false) && self->wake_) self->wake_();
      },
      this);
  return Status::ok();
}

void KafkaProducer::close() {
  if (!client_) return;
  if (events_) rd_kafka_queue_cb_event_enable(events_.get(), nullptr, nullptr);
  events_.reset();
  handle_.reset();
  client_.reset();
}

void KafkaProducer::on_delivery(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR || !failure_.is_ok()) return;
  failure_ = client_->failure(message.err, "deliver a message of " + std::to_string(message.len) +
                                               " bytes to topic " + topic_);
}

rd_kafka_resp_err_t KafkaProducer::produce_plain(const KafkaFrame& frame) {
  // librdkafka takes a null pointer for "no value"; an empty value needs some pointer.
  void* value = frame.has_value ? const_cast<char*>(frame.value.data()) : nullptr;  // NOLINT
  if (rd_kafka_produce(handle_.get(), frame.partition, message_flags_, value, frame.value.size(),
                       frame.has_key ? frame.key.data() : nullptr, frame.key.size(),
                       nullptr) == 0) {
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  return rd_kafka_last_error();
}

rd_kafka_resp_err_t KafkaProducer::produce_full(const KafkaFrame& frame) {
  std::array<rd_kafka_vu_t, 7> parts{};
  size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    parts[count].vtype = type;
    return parts[count++];
  };
  add(RD_KAFKA_VTYPE_RKT).u.rkt = handle_.get();
  add(RD_KAFKA_VTYPE_PARTITION).u.i32 = frame.partition;
  add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = message_flags_;
  if (frame.timestamp != kNoTimestamp) {
    add(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = frame.timestamp.ms;
  }
  if (frame.has_value) {
    auto& part = add(RD_KAFKA_VTYPE_VALUE);
    part.u.mem.ptr = const_cast<char*>(frame.value.data());  // NOLINT: only read.
    part.u.mem.size = frame.value.size();
  }
  if (frame.has_key) {
    auto& part = add(RD_KAFKA_VTYPE_KEY);
    part.u.mem.ptr = const_cast<char*>(frame.key.data());  // NOLINT: only read.
    part.u.mem.size = frame.key.size();
  }
  rd_kafka_headers_t* headers = nullptr;
  if (!frame.headers.empty()) {
    ByteReader reader(frame.headers);
    const auto headers_count = reader.fixed<uint16_t>();
    headers = rd_kafka_headers_new(headers_count);
    for (uint16_t i = 0; i < headers_count && !reader.failed(); ++i) {
      const std::string_view name = reader.text();
      const std::string_view value = reader.text();
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    }
    add(RD_KAFKA_VTYPE_HEADERS).u.headers = headers;
  }
  const KafkaOwned<rd_kafka_error_t> error(rd_kafka_produceva(client_->get(), parts.data(), count));
  if (!error) return RD_KAFKA_RESP_ERR_NO_ERROR;
  // Headers become librdkafka's only when the message was taken.
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  return rd_kafka_error_code(error.get());
}

Result<KafkaProducer::Outcome> KafkaProducer::produce(const KafkaFrame& frame) {
  const bool plain = frame.timestamp == kNoTimestamp && frame.headers.empty();
  for (int attempt = 0;; ++attempt) {
    const auto code = plain ? produce_plain(frame) : produce_full(frame);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      waiting_ = false;
      return Outcome::kTaken;
    }
    if (code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR__STATE) {
      SLUICE_RETURN_IF_ERROR(poll());
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      return client_->failure(code, "message of " +
                                        std::to_string(frame.key.size() + frame.value.size()) +
                                        " bytes for topic " + topic_);
    }
    // An event is only told when the queue was empty: empty it after saying that we wait.
    if (attempt == 2) return Outcome::kFull;
    waiting_ = true;
    SLUICE_RETURN_IF_ERROR(poll());
  }
}

Status KafkaProducer::poll() {
  rd_kafka_poll(client_->get(), kServeAll);
  if (!failure_.is_ok()) return failure_;
  return client_->lasting_error();
}

Status KafkaProducer::flush(Duration timeout) {
  const auto code = rd_kafka_flush(client_->get(), static_cast<int>(timeout.count()));
  SLUICE_RETURN_IF_ERROR(poll());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return client_->failure(code, "flush " + std::to_string(rd_kafka_outq_len(client_->get())) +
                                      " messages to topic " + topic_);
  }
  return Status::ok();
}

void KafkaProducer::purge() {
  rd_kafka_purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_poll(client_->get(), kServeAll);
}

}  // namespace sluice
