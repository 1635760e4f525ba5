#include "connectors/kafka/kafka_frame.h"

namespace sluice {

bool KafkaFrame::read(ByteReader& reader, KafkaFrame& frame) {
  if (reader.at_end() || reader.failed()) return false;
  ByteReader body(reader.text());
  if (reader.failed()) return false;
  const auto flags = body.fixed<uint8_t>();
  frame.partition = body.fixed<int32_t>();
  frame.timestamp.ms = body.fixed<int64_t>();
  frame.has_key = (flags & kHasKey) != 0;
  frame.has_value = (flags & kHasValue) != 0;
  frame.key = frame.has_key ? body.text() : std::string_view();
  frame.value = frame.has_value ? body.text() : std::string_view();
  frame.headers = (flags & kHasHeaders) != 0 ? body.bytes(body.remaining()) : std::string_view();
  if (body.failed()) {
    reader.fail();
    return false;
  }
  return true;
}

}  // namespace sluice
