#include "connectors/kafka/kafka_epoch.h"

#include <cstring>

#include "core/codec.h"

namespace sluice {
namespace {

constexpr uint8_t kEpochVersion = 1;
// Version, incarnation, then the count, which is only known at the end.
constexpr size_t kRecordsAt = sizeof(uint8_t) + sizeof(uint64_t);

}  // namespace

Result<KafkaEpoch> KafkaEpoch::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  KafkaEpoch epoch;
  const auto version = reader.fixed<uint8_t>();
  epoch.incarnation = reader.fixed<uint64_t>();
  epoch.records = reader.fixed<uint64_t>();
  epoch.transactional_id = reader.text();
  epoch.topic = reader.text();
  epoch.frames = reader.bytes(reader.remaining());
  if (reader.failed() || version != kEpochVersion) {
    return Status::corruption("kafka: stored records of a sink cannot be read");
  }
  return epoch;
}

void KafkaEpochBuffer::start() {
  records_ = 0;
  ByteWriter writer(bytes_);
  writer.fixed(kEpochVersion);
  writer.fixed(incarnation_);
  writer.fixed(records_);
  writer.text(transactional_id_);
  writer.text(topic_);
}

std::string KafkaEpochBuffer::take() {
  std::memcpy(bytes_.data() + kRecordsAt, &records_, sizeof(records_));
  std::string done = std::move(bytes_);
  last_size_ = done.size();
  bytes_ = std::string();
  if (!spares_.empty()) {
    bytes_ = std::move(spares_.back());
    spares_.pop_back();
    bytes_.clear();
  } else {
    // Epochs of one job are alike; growing to their size again would copy them twice.
    bytes_.reserve(done.size() + done.size() / 8);
  }
  start();
  return done;
}

void KafkaEpochBuffer::recycle(std::string bytes) {
  // What a burst took is given back to the system.
  const bool is_much_too_large = bytes.capacity() / 4 > last_size_;
  if (is_much_too_large || spares_.size() >= kSparesMax) return;
  spares_.push_back(std::move(bytes));
}

}  // namespace sluice
