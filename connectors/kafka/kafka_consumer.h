// Fetches messages of the partitions of one source subtask, without blocking.
//
// Owned by a reader, one thread; only `wake` is called from librdkafka's threads. Messages come in
// runs of one split, in offset order, each once: the position of a split is exactly after the last
// message taken. Messages of a paused split that were fetched already are held back, not dropped.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_message.h"
#include "connectors/kafka/kafka_properties.h"
#include "connectors/kafka/kafka_split.h"
#include "core/status.h"

namespace sluice {

class KafkaConsumer {
 public:
  KafkaConsumer();
  ~KafkaConsumer();

  Status open(const KafkaProperties& properties, std::function<void()> wake);
  void close();
  /// Splits are numbered in the order of these calls.
  Status add(const KafkaSplit& split);
  void pause(const std::vector<int>& paused);

  struct Run {
    int split = -1;  // -1: nothing at present, wake() follows.
    /// Valid until the next call of next_run() or take().
    std::span<const KafkaMessage> messages;
    /// The split has been read to its end; no messages.
    bool finished = false;
  };
  /// At most `messages_max` messages. They stay first in line until taken.
  Result<Run> next_run(size_t messages_max);
  /// The first `count` messages of the run given last have been used. True when this finished its
  /// split: no run follows that says so.
  bool take(size_t count);

  const std::vector<KafkaSplit>& splits() const { return splits_; }
  bool is_finished(int split) const { return states_[static_cast<size_t>(split)].finished; }
  bool all_finished() const { return unfinished_ == 0; }

  /// Tells the group how far `positions` are, in the background. Information only.
  void commit(const std::vector<KafkaSplit>& positions);

 private:
  struct Impl;
  struct Chunk;
  struct State {
    bool paused = false;
    bool finished = false;
    std::unique_ptr<Chunk> held;  // Fetched before the pause.
  };
  Status fetch();
  Result<Run> run_of(Chunk& chunk, size_t messages_max);
  Status handle_event(Chunk& chunk, Run& run);
  int split_of(const void* topic, int32_t partition);
  void hold_back(Chunk& chunk, int split);
  void finish(int split);

  std::unique_ptr<Impl> impl_;
  std::vector<KafkaSplit> splits_;
  std::vector<State> states_;
  int unfinished_ = 0;
};

}  // namespace sluice
