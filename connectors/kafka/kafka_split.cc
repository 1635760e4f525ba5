#include "connectors/kafka/kafka_split.h"

#include "core/codec.h"

namespace sluice {
namespace {

constexpr uint8_t kSplitVersion = 1;

}  // namespace

SourceSplit KafkaSplit::encode() const {
  SourceSplit split;
  split.id = to_text(partition);
  ByteWriter writer(split.data);
  writer.fixed(kSplitVersion);
  writer.text(partition.topic);
  writer.fixed(partition.id);
  writer.fixed(next);
  writer.fixed(end);
  return split;
}

Result<KafkaSplit> KafkaSplit::decode(const SourceSplit& split) {
  ByteReader reader(split.data);
  KafkaSplit result;
  const auto version = reader.fixed<uint8_t>();
  result.partition.topic = std::string(reader.text());
  result.partition.id = reader.fixed<int32_t>();
  result.next = reader.fixed<int64_t>();
  result.end = reader.fixed<int64_t>();
  if (reader.failed() || version != kSplitVersion) {
    return Status::corruption("kafka: the stored position of split '" + split.id +
                              "' cannot be read");
  }
  return result;
}

}  // namespace sluice
