#include "connectors/kafka/kafka_marker_read.h"

namespace sluice {
namespace {

// How long a coordinator may be on its way.
constexpr int kAttemptsMax = 100;
constexpr int kAttemptWaitMs = 100;
constexpr int kReadTimeoutMs = 10'000;

struct MarkerAnswer {
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  std::string metadata;
};

MarkerAnswer ask_for_marker(KafkaClient& kafka, rd_kafka_queue_t* queue, const std::string& id,
                            const std::string& topic, KafkaMarkerView view) {
  rd_kafka_t* client = kafka.get();
  const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), 0);
  const KafkaOwned<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS));
  const KafkaOwned<rd_kafka_error_t> option_error(rd_kafka_AdminOptions_set_require_stable_offsets(
      options.get(), view == KafkaMarkerView::kSettled ? 1 : 0));
  SLUICE_CHECK(option_error == nullptr);
  rd_kafka_ListConsumerGroupOffsets_t* request =
      rd_kafka_ListConsumerGroupOffsets_new(id.c_str(), list.get());
  rd_kafka_ListConsumerGroupOffsets(client, &request, 1, options.get(), queue);
  rd_kafka_ListConsumerGroupOffsets_destroy(request);
  const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue, kReadTimeoutMs));
  if (!event) return {RD_KAFKA_RESP_ERR__TIMED_OUT, ""};
  const auto code = rd_kafka_event_error(event.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return {code, ""};
  size_t count = 0;
  const auto* groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  if (count != 1) return {RD_KAFKA_RESP_ERR__FAIL, ""};
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) {
    return {rd_kafka_error_code(error), ""};
  }
  const auto* partitions = rd_kafka_group_result_partitions(groups[0]);
  if (partitions == nullptr || partitions->cnt != 1) return {RD_KAFKA_RESP_ERR__FAIL, ""};
  const auto& place = partitions->elems[0];
  if (place.metadata == nullptr) return {place.err, ""};
  return {place.err, std::string(static_cast<const char*>(place.metadata), place.metadata_size)};
}

}  // namespace

Result<std::unique_ptr<KafkaClient>> open_marker_client(const KafkaProperties& properties) {
  KafkaProperties asking = properties.connection();
  // It joins no group and commits nothing.
  asking.set("group.id", "sluice");
  return KafkaClient::open(RD_KAFKA_CONSUMER, asking);
}

Result<KafkaMarker> read_kafka_marker(KafkaClient& kafka, const std::string& id,
                                      const std::string& topic, KafkaMarkerView view) {
  SLUICE_CHECK(rd_kafka_type(kafka.get()) == RD_KAFKA_CONSUMER);
  const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(kafka.get()));
  Status failed;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const MarkerAnswer answer = ask_for_marker(kafka, queue.get(), id, topic, view);
    if (answer.code == RD_KAFKA_RESP_ERR_NO_ERROR) return KafkaMarker::parse(answer.metadata);
    failed = kafka.failure(answer.code, "read the marker of " + id);
    const bool is_waited_for =
        failed.retry() == Retry::kWithBackoff && answer.code != RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!is_waited_for) return failed;
    // Nothing else comes to this queue.
    rd_kafka_queue_poll(queue.get(), kAttemptWaitMs);
  }
  return failed;
}

}  // namespace sluice
