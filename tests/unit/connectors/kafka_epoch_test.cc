#include "connectors/kafka/kafka_epoch.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

// What an epoch of `bytes` bytes of frames becomes.
std::string fill(KafkaEpochBuffer& buffer, size_t bytes) {
  buffer.bytes().append(bytes, 'x');
  buffer.count_record();
  return buffer.take();
}

TEST_CASE("kafka epoch: it is read as it was taken, and the next one begins empty") {
  KafkaEpochBuffer buffer("id", "topic", 7);
  const std::string first = fill(buffer, 100);
  const std::string second = fill(buffer, 3);
  const auto read = KafkaEpoch::decode(first);
  REQUIRE(read.is_ok());
  CHECK(read->transactional_id == "id");
  CHECK(read->topic == "topic");
  CHECK(read->incarnation == 7);
  CHECK(read->records == 1);
  CHECK(read->frames == std::string(100, 'x'));
  CHECK(KafkaEpoch::decode(second)->frames == "xxx");
  CHECK(!KafkaEpoch::decode(first.substr(0, 10)).is_ok());
}

TEST_CASE("kafka epoch: the memory of a committed epoch serves the next but one") {
  KafkaEpochBuffer buffer("id", "topic", 7);
  std::string first = fill(buffer, 100'000);
  const char* const memory = first.data();
  buffer.recycle(std::move(first));
  (void)fill(buffer, 100'000);
  const std::string third = fill(buffer, 100'000);
  CHECK(third.data() == memory);
  CHECK(KafkaEpoch::decode(third)->frames.size() == 100'000);
}

TEST_CASE("kafka epoch: what a burst took is not kept") {
  KafkaEpochBuffer buffer("id", "topic", 7);
  std::string burst = fill(buffer, 1'000'000);
  const char* const memory = burst.data();
  (void)fill(buffer, 1000);
  buffer.recycle(std::move(burst));
  (void)fill(buffer, 1000);
  CHECK(fill(buffer, 1000).data() != memory);
}

}  // namespace
}  // namespace sluice
