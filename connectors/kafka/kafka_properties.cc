#include "connectors/kafka/kafka_properties.h"

#include <algorithm>
#include <fstream>

namespace sluice {
namespace {

// librdkafka knows two names for the list of brokers.
std::string_view properties_canonical(std::string_view name) {
  return name == "metadata.broker.list" ? "bootstrap.servers" : name;
}

std::string_view properties_trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
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

void KafkaProperties::set_all(const KafkaProperties& others) {
  for (const auto& [name, value] : others.entries()) set(name, value);
}

KafkaProperties KafkaProperties::connection() const {
  KafkaProperties result;
  // "s": security, sasl, ssl and socket settings.
  for (const auto& [name, value] : entries_) {
    if (name == "bootstrap.servers" || name == "client.id" || name.starts_with("s") ||
        name.starts_with("broker.") || name.starts_with("enable.ssl")) {
      result.set(name, value);
    }
  }
  result.erase("sticky.partitioning.linger.ms");
  return result;
}

std::string KafkaProperties::brokers() const {
  const std::string* brokers = find("bootstrap.servers");
  return brokers == nullptr ? std::string("(none)") : *brokers;
}

Result<KafkaProperties> read_kafka_properties(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Status::not_found("kafka properties: cannot open '" + path + "'");
  KafkaProperties properties;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string_view text = properties_trim(line);
    if (text.empty() || text.front() == '#') continue;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      // The line may hold a password, so it is not shown.
      return Status::invalid_argument(path + ":" + std::to_string(number) +
                                      ": expected name = value");
    }
    properties.set(properties_trim(text.substr(0, equals)),
                   properties_trim(text.substr(equals + 1)));
  }
  return properties;
}

}  // namespace sluice
