#include "connectors/kafka/kafka_marker_read.h"

namespace sluice {
namespace {

constexpr int kAttemptsMax = 4;
constexpr int kReadTimeoutMs = 10'000;

}  // namespace

Result<KafkaMarker> read_kafka_marker(KafkaClient& kafka, const std::string& id,
                                      const std::string& topic, KafkaMarkerView view) {
  rd_kafka_t* client = kafka.get();
  const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), 0);
  Status last;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client));
    const KafkaOwned<rd_kafka_AdminOptions_t> options(
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS));
    const KafkaOwned<rd_kafka_error_t> option_error(
        rd_kafka_AdminOptions_set_require_stable_offsets(
            options.get(), view == KafkaMarkerView::kSettled ? 1 : 0));
    SLUICE_CHECK(option_error == nullptr);
    rd_kafka_ListConsumerGroupOffsets_t* request =
        rd_kafka_ListConsumerGroupOffsets_new(id.c_str(), list.get());
    rd_kafka_ListConsumerGroupOffsets(client, &request, 1, options.get(), queue.get());
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), kReadTimeoutMs));
    const auto failed = [&](rd_kafka_resp_err_t code) {
      return kafka.failure(code, "read the marker of " + id);
    };
    if (!event) return failed(RD_KAFKA_RESP_ERR__TIMED_OUT);
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      last = failed(rd_kafka_event_error(event.get()));
      continue;
    }
    size_t count = 0;
    const auto* groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
    const rd_kafka_error_t* error = count == 1 ? rd_kafka_group_result_error(groups[0]) : nullptr;
    if (error != nullptr) {
      last = failed(rd_kafka_error_code(error));
      continue;
    }
    const auto* partitions = count == 1 ? rd_kafka_group_result_partitions(groups[0]) : nullptr;
    if (partitions == nullptr || partitions->cnt != 1) return failed(RD_KAFKA_RESP_ERR__FAIL);
    const auto& place = partitions->elems[0];
    if (place.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      last = failed(place.err);
      continue;
    }
    return KafkaMarker::parse({static_cast<const char*>(place.metadata),
                               place.metadata == nullptr ? 0 : place.metadata_size});
  }
  return last;
}

}  // namespace sluice
