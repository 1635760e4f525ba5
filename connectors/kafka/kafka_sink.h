// A Kafka sink: a stream into a topic.
//
//   results.sink_to(kafka_sink(JsonLinesFormat<Result>())
//                       .brokers("127.0.0.1:9092")
//                       .topic("results")
//                       .exactly_once()
//                       .key([](const Result& row) { return row.origin; }))
//       .uid("results");
//
// Exactly once: what a checkpoint covers becomes visible to read_committed readers when the
// checkpoint is complete, each record once, whatever fails (docs/decisions/ and docs/kafka.md). It
// needs checkpoints and a uid that stays. At least once: rows are visible as soon as they are
// written, and may be written again after a failure. A copyable description.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "connectors/kafka/kafka_committer.h"
#include "connectors/kafka/kafka_record_policy.h"
#include "connectors/kafka/kafka_sink_settings.h"
#include "connectors/kafka/kafka_writer.h"
#include "core/sink.h"
#include "core/stable_hash.h"

namespace sluice {

template <class Policy>
class KafkaSink final : public Sink<typename Policy::Record> {
 public:
  using T = typename Policy::Record;
  explicit KafkaSink(Policy policy, KafkaSinkSettings settings = {})
      : policy_(std::move(policy)), settings_(std::move(settings)) {}

  KafkaSink& brokers(std::string_view list) { return property("bootstrap.servers", list); }
  KafkaSink& topic(std::string name) {
    settings_.topic = std::move(name);
    return *this;
  }
  KafkaSink& exactly_once() {
    settings_.delivery = KafkaDelivery::kExactlyOnce;
    return *this;
  }
  KafkaSink& at_least_once() {
    settings_.delivery = KafkaDelivery::kAtLeastOnce;
    return *this;
  }
  /// Deletions become messages without value, old values of updates are left out. Needs a key.
  KafkaSink& upsert() {
    static_assert(Policy::kHasKey, "an upsert sink needs a key: call key() before upsert()");
    policy_.upsert = true;
    return *this;
  }
  /// Messages get the broker's or producer's time instead of the record's event time.
  KafkaSink& without_timestamps() {
    policy_.with_timestamp = false;
    return *this;
  }
  /// Two jobs that write with the same prefix shut each other out.
  KafkaSink& transactional_id_prefix(std::string prefix) {
    settings_.transactional_id_prefix = std::move(prefix);
    return *this;
  }
  /// Exactly once: with so many bytes of rows a subtask asks for a checkpoint without waiting for
  /// the interval (`execution.checkpointing.min-pause` still holds).
  KafkaSink& epoch_bytes(size_t bytes) {
    settings_.epoch_bytes = bytes;
    return *this;
  }
  /// Most bytes of records between two checkpoints (exactly once).
  KafkaSink& epoch_bytes_max(size_t bytes) {
    settings_.epoch_bytes_max = bytes;
    return *this;
  }
  /// Exactly once: a start that would, or might, write rows again which are in the topic already is
  /// an error, e.g. from an older savepoint. With this it goes ahead.
  KafkaSink& allow_repeats(bool allow = true) {
    settings_.allow_repeats = allow;
    return *this;
  }
  /// Makes the topic when it does not exist; replication 0 = the broker's default.
  KafkaSink& create_topic(int32_t partitions, int32_t replication = 0) {
    settings_.create_partitions = partitions;
    settings_.create_replication = replication;
    return *this;
  }
  /// Any setting of librdkafka, e.g. "compression.codec".
  KafkaSink& property(std::string_view name, std::string_view value) {
    settings_.properties.set(name, value);
    return *this;
  }
  KafkaSink& properties(const KafkaProperties& all) {
    settings_.properties.set_all(all);
    return *this;
  }

  /// The message's key: text, a number or a record. Equal keys go to one partition, the same that
  /// Java's producers choose.
  template <class Key>
  auto key(Key key) const {
    return with<typename Policy::FormatType>(std::move(key), policy_.headers, policy_.partition);
  }
  /// `void(const T&, KafkaHeaders&)`.
  template <class Headers>
  auto headers(Headers headers) const {
    return with<typename Policy::FormatType>(policy_.key, std::move(headers), policy_.partition);
  }
  /// `int32_t(const T&, int32_t partition_count)`: the partition.
  template <class Partition>
  auto partition(Partition partition) const {
    return with<typename Policy::FormatType>(policy_.key, policy_.headers, std::move(partition));
  }
  /// By the stable hash of a field or any other value of the record.
  template <class Field>
  auto partition_by(Field field) const {
    return partition([field](const T& record, int32_t partitions) {
      return static_cast<int32_t>(stable_hash(field(record)) % static_cast<uint64_t>(partitions));
    });
  }

  std::string name() const override { return settings_.name(); }
  Status validate(bool /*fresh_start*/) const override { return settings_.validate(); }
  std::unique_ptr<SinkWriter<T>> create_writer() const override {
    if (settings_.delivery == KafkaDelivery::kExactlyOnce) {
      return std::make_unique<KafkaEpochWriter<Policy>>(settings_, policy_);
    }
    return std::make_unique<KafkaPlainWriter<Policy>>(settings_, policy_);
  }
  std::unique_ptr<Committer> create_committer() const override {
    if (settings_.delivery != KafkaDelivery::kExactlyOnce) return nullptr;
    return std::make_unique<KafkaCommitter>(producer_properties(settings_.properties),
                                            settings_.allow_repeats);
  }
  bool may_block() const override { return true; }

 private:
  template <class Format, class Key, class Headers, class Partition>
  auto with(Key key, Headers headers, Partition partition) const {
    using Other = KafkaRecordPolicy<Format, Key, Headers, Partition>;
    return KafkaSink<Other>(Other{policy_.format, std::move(key), std::move(headers),
                                  std::move(partition), policy_.upsert, policy_.with_timestamp},
                            settings_);
  }

  Policy policy_;
  KafkaSinkSettings settings_;
};

template <class Format>
auto kafka_sink(Format format) {
  return KafkaSink<KafkaRecordPolicy<Format>>(KafkaRecordPolicy<Format>{std::move(format)});
}

}  // namespace sluice
