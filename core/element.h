// What flows through a channel from one upstream subtask to one downstream subtask, in order.
#pragma once

#include <cstdint>
#include <string>

#include "core/batch.h"
#include "core/ids.h"

namespace sluice {

enum class CheckpointKind : uint8_t {
  kAligned = 0,
  kUnaligned = 1,
  kAtLeastOnce = 2,
  kSavepoint = 3,
};

struct Barrier {
  CheckpointId checkpoint;
  CheckpointKind kind = CheckpointKind::kAligned;
  /// Wall ms at which the coordinator triggered.
  int64_t triggered_ms = 0;
  /// With kUnaligned: wall ms from which on it overtakes data; before, it is aligned. Set by the
  /// coordinator, so that the time-out counts from the trigger everywhere (rule 25).
  int64_t unaligned_from_ms = 0;
  /// The source stops after this barrier (stop with savepoint).
  bool terminal = false;
  /// With `terminal`: the MAX watermark was emitted before it (--drain).
  bool drain = false;
};

enum class ElementKind : uint8_t {
  kBatch = 0,  // batch and marks; uses one credit when batch is not null.
  kIdle = 1,   // No data for now: leave this channel out of the watermark.
  kActive = 2,
  kBarrier = 3,
  kCancelBarrier = 4,  // The checkpoint will not come on this channel.
  kLatencyMarker = 5,  // Steady ns at the source; sinks record the difference.
  kEndOfData = 6,      // After the MAX watermark (or a terminal barrier).
};

struct StreamElement {
  ElementKind kind = ElementKind::kBatch;
  StreamBatch data;
  Barrier barrier;
  int64_t marker_ns = 0;

  static StreamElement of_batch(StreamBatch batch) {
    StreamElement element;
    element.data = std::move(batch);
    return element;
  }
  static StreamElement of_kind(ElementKind kind) {
    StreamElement element;
    element.kind = kind;
    return element;
  }
  static StreamElement of_barrier(const Barrier& barrier) {
    StreamElement element;
    element.kind = ElementKind::kBarrier;
    element.barrier = barrier;
    return element;
  }
};

}  // namespace sluice
