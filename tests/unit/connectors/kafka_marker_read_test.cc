#include "connectors/kafka/kafka_marker_read.h"

#include <array>
#include <string>

#include <doctest/doctest.h>
#include <librdkafka/rdkafka_mock.h>

namespace sluice {
namespace {

// librdkafka's own imitation of a broker, which answers wrongly when told to.
constexpr int16_t kOffsetFetch = 9;
class MockBrokers {
 public:
  MockBrokers() {
    std::array<char, 512> text{};
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text.data(), text.size());
    REQUIRE(client_ != nullptr);
    mock_ = rd_kafka_mock_cluster_new(client_, 1);
    REQUIRE(mock_ != nullptr);
    REQUIRE(rd_kafka_mock_topic_create(mock_, "results", 1, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  ~MockBrokers() {
    rd_kafka_mock_cluster_destroy(mock_);
    rd_kafka_destroy(client_);
  }
  void refuse_markers(rd_kafka_resp_err_t code, int times) {
    for (int i = 0; i < times; ++i) {
      rd_kafka_mock_push_request_errors(mock_, kOffsetFetch, 1, code);
    }
  }
  std::unique_ptr<KafkaClient> client() const {
    KafkaProperties properties;
    properties.set("bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock_));
    // Settings of producers must not disturb.
    properties.set("transactional.id", "id");
    auto opened = open_marker_client(properties);
    REQUIRE_MESSAGE(opened.is_ok(), opened.status().to_string());
    return std::move(opened).value();
  }

 private:
  rd_kafka_t* client_ = nullptr;
  rd_kafka_mock_cluster_t* mock_ = nullptr;
};

TEST_CASE("kafka marker: a coordinator that is on its way is waited for") {
  // After a start of the brokers the groups are looked for and read one after the other.
  for (const auto code :
       {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT}) {
    CAPTURE(std::string(rd_kafka_err2name(code)));
    MockBrokers brokers;
    brokers.refuse_markers(code, 3);
    const auto client = brokers.client();
    const auto marker = read_kafka_marker(*client, "sluice-job-sink-0", "results");
    REQUIRE_MESSAGE(marker.is_ok(), marker.status().to_string());
    CHECK(marker->is_empty());
  }
}

TEST_CASE("kafka marker: a refusal is no empty marker") {
  MockBrokers brokers;
  brokers.refuse_markers(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
  const auto client = brokers.client();
  const auto marker = read_kafka_marker(*client, "sluice-job-sink-0", "results");
  CHECK(marker.status().message().find("sluice-job-sink-0") != std::string::npos);
}

}  // namespace
}  // namespace sluice
