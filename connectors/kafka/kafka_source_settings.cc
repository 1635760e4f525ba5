#include "connectors/kafka/kafka_source_settings.h"

#include <regex>

namespace sluice {

std::string KafkaSourceSettings::name() const {
  std::string text = "kafka(";
  for (size_t i = 0; i < topics.size(); ++i) text += (i == 0 ? "" : ",") + topics[i];
  return text + (topics.empty() ? "/" + pattern + "/)" : ")");
}

KafkaProperties KafkaSourceSettings::consumer_properties() const {
  KafkaProperties result = properties;
  // librdkafka assigns partitions only to members of a group; ours never joins one.
  result.set_default("group.id", "sluice");
  result.set_default("isolation.level", "read_committed");
  // An offset that is no longer stored means lost input: say so instead of jumping.
  result.set_default("auto.offset.reset", "error");
  result.set_default("fetch.wait.max.ms", "50");
  // Read ahead per partition, bounded so that many partitions stay within memory.
  result.set_default("queued.max.messages.kbytes", "16384");
  // Offsets live in checkpoints; the group's are information.
  result.set("enable.auto.commit", "false");
  result.set("enable.auto.offset.store", "false");
  result.set("enable.partition.eof", bounded ? "true" : "false");
  return result;
}

Status KafkaSourceSettings::check() const {
  if (properties.find("bootstrap.servers") == nullptr) {
    return Status::invalid_argument("kafka source: brokers are missing");
  }
  if (topics.empty() == pattern.empty()) {
    return Status::invalid_argument("kafka source: give either topics or a pattern");
  }
  if (start.kind == KafkaStart::Kind::kGroupOffsets && properties.find("group.id") == nullptr) {
    return Status::invalid_argument("kafka source: a start at group offsets needs group.id");
  }
  try {
    const std::regex parsed(pattern);
  } catch (const std::regex_error& error) {
    return Status::invalid_argument("kafka source: pattern '" + pattern + "': " + error.what());
  }
  return Status::ok();
}

}  // namespace sluice
