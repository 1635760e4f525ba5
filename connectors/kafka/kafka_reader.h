// Reads the partitions of one source subtask: messages into records.
//
// A reader asks for splits once after it has opened and, unless its input is bounded, after every
// assignment, also while it has data, so that the enumerator can give it partitions found later.
// One task's thread.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_consumer.h"
#include "connectors/kafka/kafka_format.h"
#include "connectors/kafka/kafka_source_settings.h"
#include "core/source.h"

namespace sluice {

template <class Format>
class KafkaReader final : public SourceReader<typename Format::Record> {
 public:
  using T = typename Format::Record;
  KafkaReader(const KafkaSourceSettings& settings, const Format& format)
      : settings_(settings), reader_(format) {}

  Status open(SourceContext& context) override {
    context_ = &context;
    return consumer_.open(settings_.consumer_properties(), context.wake);
  }
  void close() override { consumer_.close(); }

  Status add_split(const SourceSplit& split) override {
    SLUICE_ASSIGN_OR_RETURN(const KafkaSplit decoded, KafkaSplit::decode(split));
    // With bounded input all come at once, and asking again says that they are read.
    may_ask_ = !settings_.bounded;
    return consumer_.add(decoded);
  }
  void pause_splits(const std::vector<int>& paused) override { consumer_.pause(paused); }

  Result<PollResult> poll(TypedBatch<T>& batch, uint32_t rows_max) override;

  std::vector<SourceSplit> snapshot() const override {
    std::vector<SourceSplit> splits;
    std::vector<KafkaSplit> positions;
    for (size_t i = 0; i < consumer_.splits().size(); ++i) {
      positions.push_back(consumer_.splits()[i]);
      if (!consumer_.is_finished(static_cast<int>(i))) splits.push_back(positions.back().encode());
    }
    // Checkpoints that never complete must not pile up.
    if (snapshots_.size() == kSnapshotsMax) snapshots_.pop_front();
    snapshots_.push_back(std::move(positions));
    return splits;
  }
  Status checkpoint_complete(CheckpointId /*checkpoint*/) override {
    // The oldest snapshot not told yet: never ahead of what is complete.
    if (snapshots_.empty()) return Status::ok();
    if (settings_.properties.find("group.id") != nullptr) consumer_.commit(snapshots_.front());
    snapshots_.pop_front();
    return Status::ok();
  }

 private:
  static constexpr size_t kSnapshotsMax = 4;

  void report(const KafkaMessage& message) {
    const std::string place =
        to_text(KafkaPartition{std::string(message.topic), message.partition}) + "@" +
        std::to_string(message.offset);
    context_->bad_record(place, reader_.reason(), message.value);
  }

  KafkaSourceSettings settings_;
  KafkaReaderOf<Format> reader_;
  KafkaConsumer consumer_;
  SourceContext* context_ = nullptr;
  T record_{};
  bool may_ask_ = true;
  mutable std::deque<std::vector<KafkaSplit>> snapshots_;
};

template <class Format>
Result<PollResult> KafkaReader<Format>::poll(TypedBatch<T>& batch, uint32_t rows_max) {
  PollResult result;
  if (may_ask_) {
    may_ask_ = false;
    result.state = PollState::kNeedSplit;
    return result;
  }
  SLUICE_ASSIGN_OR_RETURN(const KafkaConsumer::Run run, consumer_.next_run(rows_max));
  if (run.split < 0) {
    const bool at_end = settings_.bounded && consumer_.all_finished();
    result.state = at_end ? PollState::kNeedSplit : PollState::kNothingYet;
    return result;
  }
  result.state = PollState::kMore;
  result.split = run.split;
  result.split_finished = run.finished;
  TextArena& arena = batch.own_arena();
  size_t used = 0;
  for (const KafkaMessage& message : run.messages) {
    ++used;
    switch (reader_.read(message, record_, arena)) {
      case KafkaRead::kRecord:
        batch.push(record_, message.timestamp);
        break;
      case KafkaRead::kDelete:
        batch.push(record_, message.timestamp, RowKind::kDelete);
        break;
      case KafkaRead::kSkip:
        break;
      case KafkaRead::kBad:
        report(message);
        break;
    }
    if (batch.is_full()) break;
  }
  if (consumer_.take(used)) result.split_finished = true;
  return result;
}

}  // namespace sluice
