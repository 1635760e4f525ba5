// Collects the records of a job in memory, for execute_and_collect() and tests.
//
// Exactly once like any two-phase sink: a writer keeps the encoded records of the open transaction,
// commit appends them to the collection, repeats are recognised, and of a job that fails without
// checkpoints nothing shows. The collection is shared by the sink's copies and thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "core/sink.h"

namespace sluice {

/// Committed records, encoded.
class CollectedRecords {
 public:
  /// False when this transaction was committed before.
  bool add(const Committable& committable) {
    const std::lock_guard lock(mutex_);
    if (!known_.insert({committable.checkpoint.value, committable.subtask}).second) return false;
    chunks_.push_back(committable.data);
    return true;
  }
  /// Texts are copied to the current arena.
  template <class T>
  Result<std::vector<T>> decode_all() const {
    const std::lock_guard lock(mutex_);
    std::vector<T> records;
    for (const std::string& chunk : chunks_) {
      ByteReader reader(chunk);
      while (!reader.at_end() && !reader.failed()) records.push_back(decode<T>(reader));
      if (reader.failed()) return Status::corruption("a collected record cannot be decoded");
    }
    return records;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<int64_t, int>> known_;
  std::vector<std::string> chunks_;
};

template <class T>
class CollectSink final : public Sink<T> {
 public:
  explicit CollectSink(std::shared_ptr<CollectedRecords> records) : records_(std::move(records)) {}

  std::string name() const override { return "collect"; }
  std::unique_ptr<SinkWriter<T>> create_writer() const override {
    return std::make_unique<Writer>();
  }
  std::unique_ptr<Committer> create_committer() const override {
    return std::make_unique<CollectCommitter>(records_);
  }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    Status open(SinkContext& /*context*/) override { return Status::ok(); }
    Result<WriteState> write(const TypedBatch<T>& batch, uint32_t& row) override {
      ByteWriter writer(open_);
      for (; row < batch.rows(); ++row) Codec<T>::encode(batch[row], writer);
      return WriteState::kDone;
    }
    Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
      std::vector<std::string> committables;
      if (!open_.empty()) committables.push_back(std::exchange(open_, {}));
      return committables;
    }

   private:
    std::string open_;
  };
  class CollectCommitter final : public Committer {
   public:
    explicit CollectCommitter(std::shared_ptr<CollectedRecords> records)
        : records_(std::move(records)) {}
    CommitOutcome commit(const Committable& committable, std::string& /*error*/) override {
      return records_->add(committable) ? CommitOutcome::kCommitted
                                        : CommitOutcome::kAlreadyCommitted;
    }

   private:
    std::shared_ptr<CollectedRecords> records_;
  };

  std::shared_ptr<CollectedRecords> records_;
};

}  // namespace sluice
