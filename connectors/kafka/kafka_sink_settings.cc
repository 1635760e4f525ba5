#include "connectors/kafka/kafka_sink_settings.h"

#include <algorithm>
#include <charconv>
#include <unistd.h>

#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_producer.h"

namespace sluice {
namespace {

// librdkafka's default for message.max.bytes.
constexpr size_t kMessageBytesDefault = 1'000'000;
constexpr int kAppearQuestionsMax = 2000;

size_t settings_number(const std::string& text, size_t otherwise) {
  size_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() ? number : otherwise;
}

}  // namespace

Status KafkaSinkSettings::validate() const {
  if (properties.find("bootstrap.servers") == nullptr) {
    return Status::invalid_argument("kafka sink: brokers are missing");
  }
  if (topic.empty()) return Status::invalid_argument("kafka sink: the topic is missing");
  // Names and values of all properties; it does not connect.
  SLUICE_RETURN_IF_ERROR(
      KafkaClient::open(RD_KAFKA_PRODUCER, producer_properties(properties)).status());
  SLUICE_ASSIGN_OR_RETURN(const auto cluster, KafkaCluster::open(properties.connection()));
  const auto found = cluster->topic(topic);
  if (found.is_ok()) return Status::ok();
  if (found.status().code() != StatusCode::kNotFound || create_partitions == 0) {
    return found.status().with_prefix("kafka sink at " + properties.brokers() + ": ");
  }
  Status made = cluster->create_topic(topic, create_partitions, create_replication);
  // Somebody else may have been faster.
  if (!made.is_ok() && made.code() != StatusCode::kAlreadyExists) return made;
  // It is known everywhere a moment later; each question waits for its answer.
  Status known;
  for (int i = 0; i < kAppearQuestionsMax; ++i) {
    known = cluster->topic(topic).status();
    if (known.is_ok()) break;
  }
  return known;
}

std::string KafkaSinkSettings::transactional_ids(const TaskInfo& task) const {
  std::string prefix = transactional_id_prefix;
  if (prefix.empty()) {
    prefix = "sluice-" + task.job_name + "-" +
             (task.operator_uid.empty() ? task.operator_name : task.operator_uid);
  }
  return prefix + "-";
}

Result<KafkaSinkSettings::TopicFacts> KafkaSinkSettings::topic_facts() const {
  SLUICE_ASSIGN_OR_RETURN(const auto cluster, KafkaCluster::open(properties.connection()));
  SLUICE_ASSIGN_OR_RETURN(const KafkaTopic found, cluster->topic(topic));
  TopicFacts facts{.partitions = found.partitions, .message_bytes_max = kMessageBytesDefault};
  if (const std::string* given = properties.find("message.max.bytes")) {
    facts.message_bytes_max = settings_number(*given, kMessageBytesDefault);
    return facts;
  }
  // A client may be allowed to write but not to read settings; the brokers then judge later.
  const auto setting = cluster->topic_setting(topic, "max.message.bytes");
  if (setting.is_ok()) facts.message_bytes_max = settings_number(*setting, kMessageBytesDefault);
  return facts;
}

uint64_t draw_incarnation() {
  // Not a seed of anything that must replay: two writers must never draw the same.
  uint64_t number = 0;
  SLUICE_CHECK(getentropy(&number, sizeof(number)) == 0);
  return std::max<uint64_t>(number, 1);
}

}  // namespace sluice
