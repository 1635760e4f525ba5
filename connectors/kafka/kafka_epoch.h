// The records of one sink subtask between two checkpoints: what its committable holds.
//
// The bytes are in checkpoints: version byte first, fields at fixed places, then the frames. The
// identity of an epoch is (transactional id, incarnation, checkpoint): the id names sink and
// subtask, the incarnation is a random number drawn when the writer was opened, so that a job which
// starts again from an older savepoint never mistakes its new epochs for old ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/status.h"

namespace sluice {

struct KafkaEpoch {
  std::string_view transactional_id;
  std::string_view topic;
  uint64_t incarnation = 0;
  uint64_t records = 0;
  std::string_view frames;

  /// Views into `bytes`.
  static Result<KafkaEpoch> decode(std::string_view bytes);
};

/// Collects the frames of the epoch under way behind their header, so that nothing is copied when
/// it ends.
class KafkaEpochBuffer {
 public:
  KafkaEpochBuffer(std::string transactional_id, std::string topic, uint64_t incarnation)
      : transactional_id_(std::move(transactional_id)),
        topic_(std::move(topic)),
        incarnation_(incarnation) {
    start();
  }

  /// Where the next frame goes; count_record() for each.
  std::string& bytes() { return bytes_; }
  void count_record() { ++records_; }
  uint64_t records() const { return records_; }
  /// The epoch's bytes; the next one begins empty.
  std::string take();
  /// Takes back what take() gave, for its memory: epochs are large, and the kernel clears every
  /// page that a process gets anew.
  void recycle(std::string bytes);

 private:
  void start();

  /// Being committed, being stored, and waiting for one of both.
  static constexpr size_t kSparesMax = 3;

  std::string transactional_id_;
  std::string topic_;
  uint64_t incarnation_;
  std::string bytes_;
  uint64_t records_ = 0;
  std::vector<std::string> spares_;
  size_t last_size_ = 0;
};

}  // namespace sluice
