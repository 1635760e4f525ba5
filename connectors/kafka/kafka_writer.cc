#include "connectors/kafka/kafka_writer.h"

namespace sluice {

Status kafka_message_too_large(const KafkaSinkSettings& settings, size_t bytes, size_t bytes_max) {
  return Status::invalid_argument("kafka sink " + settings.name() + ": a message of " +
                                  std::to_string(bytes) + " bytes is over the limit of " +
                                  std::to_string(bytes_max) +
                                  " (max.message.bytes of the topic, message.max.bytes here)");
}

}  // namespace sluice
