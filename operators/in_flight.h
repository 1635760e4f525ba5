// Data that an unaligned barrier overtook: what a task holds between the barrier's arrival and the
// place where its rows would have met it (semantics rules 23 and 24).
//
//   sender ─ edge builder │ channel │ input queue ─ head ─ stage ─ stage ─ edge builder │ ...
//                                    └──────────── one task: recorded here ───────────┘
//
// Recording keeps references to batches, which are immutable while they are shared; the bytes are
// made on an I/O thread and stand in the snapshot as items of the head operator (docs/formats.md).
//
// Restoring: with the parallelism of before, here and at the senders, everything returns to its
// exact place, watermarks included, so the run goes on as if nothing had happened. With other
// senders alone the rows stay with their subtask. At another parallelism rows are given to the
// subtask that is responsible for them now (by key group, by the custom partitioner, or in turn).
// In both cases watermarks come again with new data. Plain values; no threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/snapshot.h"
#include "core/status.h"
#include "operators/task_spec.h"

namespace sluice {

struct InFlight {
  /// Persisted: do not renumber.
  enum class Place : uint8_t {
    kEdge = 0,     // On its way into output edge `index`.
    kStage = 1,    // Input of stage `index` of the chain.
    kChannel = 2,  // Waits in input channel `index`; marks are those of the channel.
    kWatermarks = 3,
  };
  Place place = Place::kStage;
  int index = 0;
  /// kEdge: the channel it was gathered for, -1 when its rows have no target yet. kStage of the
  /// head: the input channel it came from, -1 when it has no rows.
  int channel = -1;
  int input = 0;  // Of a stage.
  /// Rows from `first_row` on; marks that are still to be honoured.
  StreamBatch data;
  uint32_t first_row = 0;
};

/// Everything in flight in one task, and how far its event time was.
struct InFlightState {
  /// In the order in which to put them back: what is further downstream comes first.
  std::vector<InFlight> items;
  std::vector<EventTime> channel_watermarks;  // By input channel.
  std::vector<EventTime> input_watermarks;    // By input of the head.
  EventTime watermark = kMinTime;             // Of the task.

  void add(InFlight::Place place, int index, int channel, int input, const StreamBatch& data,
           Cursor from = {});
};

/// The state on its way into a snapshot, beside that of the head operator, which may be null.
std::unique_ptr<FrozenState> freeze_in_flight(InFlightState state, const TaskSpec& spec,
                                              std::unique_ptr<FrozenState> head);

/// What a subtask finds in the snapshot it starts from.
struct RestoredInFlight {
  /// Places and watermarks are as they were.
  bool is_exact = false;
  InFlightState state;
};
/// `type_of_stage(stage, input)`: what the stage reads. kFailedPrecondition when the data does not
/// fit the job.
Result<RestoredInFlight> restore_in_flight(
    const SnapshotReader& reader, const TaskSpec& spec,
    const std::function<const RecordType*(int stage, int input)>& type_of_stage);

/// Whether barriers may overtake data on this edge: never between fixed partners, where rows could
/// not be given to others later, and never to all (semantics rule 23).
bool may_overtake(const InputEdgeSpec& edge);

}  // namespace sluice
