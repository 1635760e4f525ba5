// The two writers of a Kafka sink.
//
// At least once: every row goes to the producer at once; the barrier waits until the brokers have
// all. Exactly once: rows become frames in memory; at the barrier they are the committable, and the
// committer writes them when the checkpoint is complete. One task's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_claim.h"
#include "connectors/kafka/kafka_epoch.h"
#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_record_policy.h"
#include "connectors/kafka/kafka_sink_settings.h"
#include "core/sink.h"

namespace sluice {

/// A message that is over the topic's limit, named before anything of it is written.
Status kafka_message_too_large(const KafkaSinkSettings& settings, size_t bytes, size_t bytes_max);

template <class Policy>
class KafkaPlainWriter final : public SinkWriter<typename Policy::Record> {
 public:
  using T = typename Policy::Record;
  KafkaPlainWriter(const KafkaSinkSettings& settings, const Policy& policy)
      : settings_(settings), policy_(policy) {}

  Status open(SinkContext& context) override {
    SLUICE_ASSIGN_OR_RETURN(facts_, settings_.topic_facts());
    records_ = std::make_unique<KafkaRecordWriter<Policy>>(policy_, facts_.partitions);
    KafkaProperties properties = producer_properties(settings_.properties);
    properties.set_default("message.max.bytes", std::to_string(facts_.message_bytes_max));
    return producer_.open(properties, settings_.topic, context.wake);
  }
  void close() override { producer_.close(); }

  Result<WriteState> write(const TypedBatch<T>& batch, uint32_t& row) override {
    SLUICE_RETURN_IF_ERROR(producer_.poll());
    for (; row < batch.rows(); ++row) {
      frame_bytes_.clear();
      const size_t size =
          records_->append(batch[row], batch.time(row), batch.kind(row), frame_bytes_);
      if (size == 0) continue;
      if (size > facts_.message_bytes_max) {
        return kafka_message_too_large(settings_, size, facts_.message_bytes_max);
      }
      ByteReader reader(frame_bytes_);
      KafkaFrame frame;
      SLUICE_CHECK(KafkaFrame::read(reader, frame));
      SLUICE_ASSIGN_OR_RETURN(const KafkaProducer::Outcome outcome, producer_.produce(frame));
      if (outcome == KafkaProducer::Outcome::kFull) return WriteState::kFull;
    }
    return WriteState::kDone;
  }
  /// Short of input is no reason to send smaller requests: linger.ms bounds the delay.
  Status flush() override { return producer_.poll(); }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
    SLUICE_RETURN_IF_ERROR(producer_.flush(kFlushTimeout));
    return std::vector<std::string>();
  }

 private:
  static constexpr Duration kFlushTimeout{60'000};

  KafkaSinkSettings settings_;
  Policy policy_;
  KafkaSinkSettings::TopicFacts facts_;
  std::unique_ptr<KafkaRecordWriter<Policy>> records_;
  KafkaProducer producer_;
  std::string frame_bytes_;
};

template <class Policy>
class KafkaEpochWriter final : public SinkWriter<typename Policy::Record> {
 public:
  using T = typename Policy::Record;
  KafkaEpochWriter(const KafkaSinkSettings& settings, const Policy& policy)
      : settings_(settings), policy_(policy) {}

  Status open(SinkContext& context) override {
    SLUICE_ASSIGN_OR_RETURN(facts_, settings_.topic_facts());
    records_ = std::make_unique<KafkaRecordWriter<Policy>>(policy_, facts_.partitions);
    const std::string id =
        settings_.transactional_ids(context.task) + std::to_string(context.task.subtask);
    const uint64_t incarnation = draw_incarnation();
    // Shuts out an earlier run that may still be alive somewhere.
    SLUICE_RETURN_IF_ERROR(
        claim_transactional_ids(settings_, context.task, context.restored_checkpoint, incarnation));
    epoch_ = std::make_unique<KafkaEpochBuffer>(id, settings_.topic, incarnation);
    request_checkpoint_ = context.request_checkpoint;
    last_checkpoint_ = context.restored_checkpoint.value_or(CheckpointId{});
    ask_at_bytes_ = settings_.epoch_bytes;
    return Status::ok();
  }

  Result<WriteState> write(const TypedBatch<T>& batch, uint32_t& row) override {
    std::string& bytes = epoch_->bytes();
    for (; row < batch.rows(); ++row) {
      const size_t size = records_->append(batch[row], batch.time(row), batch.kind(row), bytes);
      if (size == 0) continue;
      if (size > facts_.message_bytes_max) {
        return kafka_message_too_large(settings_, size, facts_.message_bytes_max);
      }
      epoch_->count_record();
    }
    if (bytes.size() >= ask_at_bytes_ && request_checkpoint_) {
      request_checkpoint_(last_checkpoint_);
      ask_at_bytes_ += settings_.epoch_bytes;
    }
    if (bytes.size() > settings_.epoch_bytes_max) {
      return Status::resource_exhausted(
          "kafka sink " + settings_.name() + ": " + std::to_string(bytes.size()) +
              " bytes since the last checkpoint; checkpoint more often or raise epoch_bytes_max",
          Retry::kNever);
    }
    return WriteState::kDone;
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId checkpoint) override {
    last_checkpoint_ = checkpoint;
    ask_at_bytes_ = settings_.epoch_bytes;
    std::vector<std::string> committables;
    if (epoch_->records() > 0) committables.push_back(epoch_->take());
    return committables;
  }
  void recycle(std::string data) override { epoch_->recycle(std::move(data)); }

 private:
  KafkaSinkSettings settings_;
  Policy policy_;
  KafkaSinkSettings::TopicFacts facts_;
  std::unique_ptr<KafkaRecordWriter<Policy>> records_;
  std::unique_ptr<KafkaEpochBuffer> epoch_;
  std::function<void(CheckpointId after)> request_checkpoint_;
  CheckpointId last_checkpoint_;
  // Where the epoch is large enough to want a checkpoint, again.
  size_t ask_at_bytes_ = 0;
};

}  // namespace sluice
