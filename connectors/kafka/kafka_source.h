// A Kafka source: topics as a stream, partitions as splits.
//
//   auto flights = env.from_source(kafka_source(JsonLinesFormat<Flight>())
//                                      .brokers("127.0.0.1:9092")
//                                      .topics({"flights"})
//                                      .start(KafkaStart::earliest()),
//                                  strategy);
//
// Offsets live in checkpoints: after a failure reading goes on exactly after the last record that
// the checkpoint has seen. With `group_id` they are also committed to the group when a checkpoint
// completes, for others to see. Messages that cannot be read become dead letters with
// "topic-partition@offset". Rows carry the message's timestamp until a watermark strategy sets
// another. A copyable description; docs/kafka.md tells the whole story.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_enumerator.h"
#include "connectors/kafka/kafka_reader.h"

namespace sluice {

template <class Format>
class KafkaSource final : public Source<typename Format::Record> {
 public:
  using T = typename Format::Record;
  explicit KafkaSource(Format format = Format()) : format_(std::move(format)) {}

  KafkaSource& brokers(std::string_view list) { return property("bootstrap.servers", list); }
  KafkaSource& topics(std::vector<std::string> names) {
    settings_.topics = std::move(names);
    return *this;
  }
  /// Every topic whose whole name matches; Kafka's own are left out.
  KafkaSource& topic_pattern(std::string regex) {
    settings_.pattern = std::move(regex);
    return *this;
  }
  KafkaSource& start(KafkaStart start) {
    settings_.start = std::move(start);
    return *this;
  }
  /// Ends where each partition ends when the job starts.
  KafkaSource& bounded() {
    settings_.bounded = true;
    return *this;
  }
  /// How often new topics and partitions are looked for; zero = never.
  KafkaSource& discovery(Duration interval) {
    settings_.discovery = interval.count() > 0 ? std::optional(interval) : std::nullopt;
    return *this;
  }
  KafkaSource& group_id(std::string_view group) { return property("group.id", group); }
  /// Any setting of librdkafka, e.g. "security.protocol".
  KafkaSource& property(std::string_view name, std::string_view value) {
    settings_.properties.set(name, value);
    return *this;
  }
  KafkaSource& properties(const KafkaProperties& all) {
    settings_.properties.set_all(all);
    return *this;
  }

  bool is_bounded() const override { return settings_.bounded; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    return std::make_unique<KafkaEnumerator>(settings_);
  }
  std::unique_ptr<SourceReader<T>> create_reader() const override {
    return std::make_unique<KafkaReader<Format>>(settings_, format_);
  }
  std::string name() const override { return settings_.name(); }

 private:
  Format format_;
  KafkaSourceSettings settings_;
};

template <class Format>
KafkaSource<Format> kafka_source(Format format) {
  return KafkaSource<Format>(std::move(format));
}

}  // namespace sluice
