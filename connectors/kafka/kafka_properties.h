// Settings of a Kafka client under librdkafka's own names, e.g. "security.protocol".
//
// A plain value. Setting a name again replaces it; the names are checked when a client is made.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/status.h"

namespace sluice {

class KafkaProperties {
 public:
  void set(std::string_view name, std::string_view value);
  /// Sets it unless it is set already.
  void set_default(std::string_view name, std::string_view value) {
    if (find(name) == nullptr) set(name, value);
  }
  void erase(std::string_view name);
  /// Takes over all of `others`.
  void set_all(const KafkaProperties& others);
  /// Null when it is not set.
  const std::string* find(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& entries() const { return entries_; }

  /// Those that say how the brokers are reached, for a client that only asks them something.
  KafkaProperties connection() const;
  /// The brokers to begin with, for messages.
  std::string brokers() const;

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

/// `name = value` lines as in Kafka's own client files; '#' begins a comment line. The place for
/// passwords.
Result<KafkaProperties> read_kafka_properties(const std::string& path);

}  // namespace sluice
