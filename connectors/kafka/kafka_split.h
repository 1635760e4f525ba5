// A partition of a topic as a split of the source, with the place up to which it was read.
//
// The encoding is in checkpoints: version byte first, do not renumber.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "connectors/kafka/kafka_cluster.h"
#include "core/source.h"
#include "core/status.h"

namespace sluice {

struct KafkaSplit {
  /// "From the first stored message", whichever it is when reading begins.
  static constexpr int64_t kEarliest = -2;
  /// The partition is read for ever.
  static constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();

  KafkaPartition partition;
  /// The next offset to be read, i.e. exactly after the last message given on. Offsets have gaps
  /// (transaction markers, compaction), so it need not be that of an existing message.
  int64_t next = kEarliest;
  /// Reading stops before this offset.
  int64_t end = kNoEnd;

  SourceSplit encode() const;
  static Result<KafkaSplit> decode(const SourceSplit& split);
};

}  // namespace sluice
