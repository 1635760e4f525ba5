// A topic for messages that could not be read.
//
//   flights.dead_letters().sink_to(kafka_dead_letters().brokers(...).topic("flights-dead"));
//
// The value is the message's value, byte for byte. Headers tell where it came from and why it is
// here: "topic", "partition", "offset", "reason". Dead letters of other sources than Kafka have
// "place" instead of the first three.
#pragma once

#include <string>
#include <string_view>

#include "connectors/kafka/kafka_sink.h"
#include "core/source.h"

namespace sluice {

struct KafkaDeadLetterFormat {
  using Record = DeadLetter;
  class Writer {
   public:
    explicit Writer(const KafkaDeadLetterFormat& /*format*/) {}
    void append(const DeadLetter& letter, std::string& out) { out += letter.raw.view(); }
  };
};

/// Undoes "topic-partition@offset".
struct KafkaDeadLetterHeaders {
  void operator()(const DeadLetter& letter, KafkaHeaders& headers) const {
    const std::string_view place = letter.place.view();
    const size_t at = place.rfind('@');
    const size_t dash = at == std::string_view::npos ? at : place.rfind('-', at);
    if (dash == std::string_view::npos) {
      headers.add("place", place);
    } else {
      headers.add("topic", place.substr(0, dash));
      headers.add("partition", place.substr(dash + 1, at - dash - 1));
      headers.add("offset", place.substr(at + 1));
    }
    headers.add("reason", letter.reason.view());
  }
};

inline auto kafka_dead_letters() {
  return kafka_sink(KafkaDeadLetterFormat()).headers(KafkaDeadLetterHeaders());
}

}  // namespace sluice
