#include "connectors/kafka/kafka_cluster.h"

#include <algorithm>
#include <array>

#include "connectors/kafka/kafka_client.h"

namespace sluice {
namespace {

// How long a partition may be without a leader.
constexpr int kLeaderAttemptsMax = 50;
constexpr int kLeaderWaitMs = 100;

bool has_no_leader_yet(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
         error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

using Partitions = KafkaOwned<rd_kafka_topic_partition_list_t>;

Partitions make_list(const std::vector<KafkaPartition>& partitions, int64_t offset) {
  Partitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const KafkaPartition& partition : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.id)->offset =
        offset;
  }
  return list;
}

// The outcome of an administrative request about topics.
Status topic_outcome(const KafkaClient& client, rd_kafka_event_t* event, const std::string& what,
                     const rd_kafka_topic_result_t** results, size_t count) {
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return client.failure(rd_kafka_event_error(event), what);
  }
  for (size_t i = 0; i < count; ++i) {
    const auto error = rd_kafka_topic_result_error(results[i]);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      return Status::already_exists("kafka: " + what + ": the topic exists");
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return client.failure(error, what);
  }
  return Status::ok();
}

}  // namespace

std::string to_text(const KafkaPartition& partition) {
  return partition.topic + "-" + std::to_string(partition.id);
}

Result<std::unique_ptr<KafkaCluster>> KafkaCluster::open(KafkaProperties properties,
                                                         Duration timeout) {
  properties.set("allow.auto.create.topics", "false");
  properties.set_default("isolation.level", "read_committed");
  std::unique_ptr<KafkaCluster> cluster(new KafkaCluster);
  SLUICE_ASSIGN_OR_RETURN(cluster->client_, KafkaClient::open(RD_KAFKA_CONSUMER, properties));
  cluster->timeout_ = timeout;
  // Background errors are told only to those who serve this queue.
  rd_kafka_poll_set_consumer(cluster->client_->get());
  return cluster;
}

KafkaCluster::~KafkaCluster() = default;

Result<std::vector<KafkaTopic>> KafkaCluster::topics() {
  const struct rd_kafka_metadata* metadata = nullptr;
  const auto error =
      rd_kafka_metadata(client_->get(), /*all_topics=*/1, nullptr, &metadata, timeout_ms());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_message_t* served = rd_kafka_consumer_poll(client_->get(), 0);
    if (served != nullptr) rd_kafka_message_destroy(served);
    const Status lasting = client_->lasting_error();
    return lasting.is_ok() ? client_->failure(error, "list topics") : lasting;
  }
  std::vector<KafkaTopic> topics;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const auto& topic = metadata->topics[i];
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      topics.push_back({topic.topic, topic.partition_cnt});
    }
  }
  rd_kafka_metadata_destroy(metadata);
  std::sort(topics.begin(), topics.end(),
            [](const KafkaTopic& a, const KafkaTopic& b) { return a.name < b.name; });
  return topics;
}

Result<KafkaTopic> KafkaCluster::topic(const std::string& name) {
  SLUICE_ASSIGN_OR_RETURN(const std::vector<KafkaTopic> all, topics());
  for (const KafkaTopic& topic : all) {
    if (topic.name == name) return topic;
  }
  return Status::not_found("kafka: topic '" + name + "' does not exist");
}

Result<std::vector<KafkaCluster::Place>> KafkaCluster::list_offsets(
    const std::vector<KafkaPartition>& partitions, int64_t timestamp, const char* what) {
  std::vector<Place> places;
  if (partitions.empty()) return places;
  Status failed;
  for (int attempt = 0; attempt < kLeaderAttemptsMax; ++attempt) {
    places.clear();
    failed = Status::ok();
    // The request's special times -1 and -2 mean the end and the beginning.
    const Partitions list = make_list(partitions, timestamp);
    const auto error = rd_kafka_offsets_for_times(client_->get(), list.get(), timeout_ms());
    bool moves = has_no_leader_yet(error);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) failed = client_->failure(error, what);
    for (int i = 0; failed.is_ok() && i < list->cnt; ++i) {
      const auto& element = list->elems[i];
      const KafkaPartition& partition = partitions[static_cast<size_t>(i)];
      places.push_back({partition, element.offset});
      if (element.err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      moves = has_no_leader_yet(element.err);
      failed = client_->failure(element.err, std::string(what) + " of " + to_text(partition));
    }
    if (failed.is_ok()) return places;
    if (!moves) return failed;
    // A topic just made, or a broker that went away: its leader is known in a moment.
    rd_kafka_message_t* event = rd_kafka_consumer_poll(client_->get(), kLeaderWaitMs);
    if (event != nullptr) rd_kafka_message_destroy(event);
  }
  return failed;
}

Result<std::vector<KafkaCluster::Place>> KafkaCluster::begin_offsets(
    const std::vector<KafkaPartition>& partitions) {
  return list_offsets(partitions, RD_KAFKA_OFFSET_BEGINNING, "first offsets");
}

Result<std::vector<KafkaCluster::Place>> KafkaCluster::end_offsets(
    const std::vector<KafkaPartition>& partitions) {
  return list_offsets(partitions, RD_KAFKA_OFFSET_END, "end offsets");
}

Result<std::vector<KafkaCluster::Place>> KafkaCluster::offsets_for_time(
    const std::vector<KafkaPartition>& partitions, EventTime time) {
  auto places = list_offsets(partitions, time.ms, "offsets by time");
  if (!places.is_ok()) return places;
  for (Place& place : *places) place.offset = std::max<int64_t>(place.offset, -1);
  return places;
}

Result<std::vector<KafkaCluster::Place>> KafkaCluster::committed(
    const std::vector<KafkaPartition>& partitions) {
  std::vector<Place> places;
  const Partitions list = make_list(partitions, RD_KAFKA_OFFSET_INVALID);
  const auto error = rd_kafka_committed(client_->get(), list.get(), timeout_ms());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return client_->failure(error, "committed offsets");
  places.reserve(partitions.size());
  for (int i = 0; i < list->cnt; ++i) {
    places.push_back(
        {partitions[static_cast<size_t>(i)], std::max<int64_t>(list->elems[i].offset, -1)});
  }
  return places;
}

Status KafkaCluster::create_topic(const std::string& name, int32_t partitions,
                                  int32_t replication) {
  std::array<char, 512> text{};
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(
      name.c_str(), partitions, replication == 0 ? -1 : replication, text.data(), text.size());
  if (topic == nullptr)
    return Status::invalid_argument("kafka topic '" + name + "': " + text.data());
  const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_CreateTopics(client_->get(), &topic, 1, nullptr, queue.get());
  rd_kafka_NewTopic_destroy(topic);
  const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms()));
  if (!event) return Status::unavailable("kafka: no answer to 'create topic " + name + "'");
  size_t count = 0;
  const rd_kafka_topic_result_t** results = nullptr;
  if (const auto* result = rd_kafka_event_CreateTopics_result(event.get())) {
    results = rd_kafka_CreateTopics_result_topics(result, &count);
  }
  return topic_outcome(*client_, event.get(), "create topic " + name, results, count);
}

Status KafkaCluster::delete_topic(const std::string& name) {
  rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
  const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_DeleteTopics(client_->get(), &topic, 1, nullptr, queue.get());
  rd_kafka_DeleteTopic_destroy(topic);
  const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms()));
  if (!event) return Status::unavailable("kafka: no answer to 'delete topic " + name + "'");
  size_t count = 0;
  const rd_kafka_topic_result_t** results = nullptr;
  if (const auto* result = rd_kafka_event_DeleteTopics_result(event.get())) {
    results = rd_kafka_DeleteTopics_result_topics(result, &count);
  }
  return topic_outcome(*client_, event.get(), "delete topic " + name, results, count);
}

Status KafkaCluster::grow_topic(const std::string& name, int32_t partitions) {
  std::array<char, 512> text{};
  rd_kafka_NewPartitions_t* request = rd_kafka_NewPartitions_new(
      name.c_str(), static_cast<size_t>(partitions), text.data(), text.size());
  if (request == nullptr) {
    return Status::invalid_argument("kafka topic '" + name + "': " + text.data());
  }
  const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_CreatePartitions(client_->get(), &request, 1, nullptr, queue.get());
  rd_kafka_NewPartitions_destroy(request);
  const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms()));
  if (!event) return Status::unavailable("kafka: no answer to 'grow topic " + name + "'");
  size_t count = 0;
  const rd_kafka_topic_result_t** results = nullptr;
  if (const auto* result = rd_kafka_event_CreatePartitions_result(event.get())) {
    results = rd_kafka_CreatePartitions_result_topics(result, &count);
  }
  return topic_outcome(*client_, event.get(), "grow topic " + name, results, count);
}

Result<std::vector<std::string>> KafkaCluster::groups(std::string_view prefix) {
  const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_ListConsumerGroups(client_->get(), nullptr, queue.get());
  const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms()));
  const std::string what = "list consumer groups";
  if (!event) return Status::unavailable("kafka: no answer to '" + what + "'");
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return client_->failure(rd_kafka_event_error(event.get()), what);
  }
  const auto* result = rd_kafka_event_ListConsumerGroups_result(event.get());
  size_t count = 0;
  // Each broker answers for its own groups.
  const rd_kafka_error_t** errors = rd_kafka_ListConsumerGroups_result_errors(result, &count);
  if (count > 0) return client_->failure(rd_kafka_error_code(errors[0]), what);
  const auto* listings = rd_kafka_ListConsumerGroups_result_valid(result, &count);
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    const std::string name = rd_kafka_ConsumerGroupListing_group_id(listings[i]);
    if (name.starts_with(prefix)) names.push_back(name);
  }
  return names;
}

Result<std::string> KafkaCluster::topic_setting(const std::string& topic, const std::string& name) {
  const std::string what = "settings of topic " + topic;
  rd_kafka_ConfigResource_t* resource =
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
  const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_DescribeConfigs(client_->get(), &resource, 1, nullptr, queue.get());
  rd_kafka_ConfigResource_destroy(resource);
  const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), timeout_ms()));
  if (!event) return Status::unavailable("kafka: no answer to '" + what + "'");
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return client_->failure(rd_kafka_event_error(event.get()), what);
  }
  size_t count = 0;
  const auto* result = rd_kafka_event_DescribeConfigs_result(event.get());
  const auto* resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
  for (size_t i = 0; i < count; ++i) {
    const auto error = rd_kafka_ConfigResource_error(resources[i]);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return client_->failure(error, what);
    size_t entries_count = 0;
    const auto* entries = rd_kafka_ConfigResource_configs(resources[i], &entries_count);
    for (size_t k = 0; k < entries_count; ++k) {
      const char* value = rd_kafka_ConfigEntry_value(entries[k]);
      if (name == rd_kafka_ConfigEntry_name(entries[k]) && value != nullptr) {
        return std::string(value);
      }
    }
  }
  return Status::not_found("kafka: " + what + ": there is no '" + name + "'");
}

}  // namespace sluice
