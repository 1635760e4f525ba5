#include "connectors/kafka/kafka_message.h"

#include <librdkafka/rdkafka.h>

namespace sluice {
namespace {

// The list belongs to the message; a message without headers has none.
rd_kafka_headers_t* headers_of(const void* handle) {
  rd_kafka_headers_t* headers = nullptr;
  if (handle == nullptr) return nullptr;
  const auto error =
      rd_kafka_message_headers(static_cast<const rd_kafka_message_t*>(handle), &headers);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? headers : nullptr;
}

}  // namespace

std::optional<KafkaMessage::Header> KafkaMessage::header_at(size_t index) const {
  const rd_kafka_headers_t* headers = headers_of(handle);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  if (headers == nullptr ||
      rd_kafka_header_get_all(headers, index, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  return Header{
      name, {static_cast<const char*>(value), value == nullptr ? 0 : size}, value != nullptr};
}

std::optional<KafkaMessage::Header> KafkaMessage::header(std::string_view name) const {
  std::optional<Header> found;
  for (size_t i = 0;; ++i) {
    const auto header = header_at(i);
    if (!header) return found;
    if (header->name == name) found = header;
  }
}

}  // namespace sluice
