#include "connectors/kafka/kafka_properties.h"

#include <algorithm>

namespace sluice {
namespace {

// librdkafka knows two names for the list of brokers.
std::string_view properties_canonical(std::string_view name) {
  return name == "metadata.broker.list" ? "bootstrap.servers" : name;
}

}  // namespace

void KafkaProperties::set(std::string_view name, std::string_view value) {
  name = properties_canonical(name);
  for (auto& [known, old] : entries_) {
    if (known == name) {
      old = value;
      return;
    }
  }
  entries_.emplace_back(name, value);
}

void KafkaProperties::erase(std::string_view name) {
  name = properties_canonical(name);
  std::erase_if(entries_, [&](const auto& entry) { return entry.first == name; });
}

const std::string* KafkaProperties::find(std::string_view name) const {
  name = properties_canonical(name);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == entries_.end() ? nullptr : &found->second;
}

std::string KafkaProperties::brokers() const {
  const std::string* brokers = find("bootstrap.servers");
  return brokers == nullptr ? std::string("(none)") : *brokers;
}

}  // namespace sluice
