// The engine's values as Protobuf and back, for messages between processes. Plain functions.
#pragma once

#include <memory>
#include <string>

#include "actors/control_sequence.h"
#include "actors/task_snapshots.h"
#include "core/element.h"
#include "core/ids.h"
#include "core/inspection.h"
#include "core/source.h"
#include "core/status.h"
#include "proto/control.pb.h"

namespace sluice {

void to_proto(TaskId id, proto::TaskRef& to);
TaskId from_proto(const proto::TaskRef& from);

void to_proto(const Status& status, proto::StatusInfo& to);
/// A code that this version does not know is kInternal.
Status from_proto(const proto::StatusInfo& from);

void to_proto(const ControlStamp& sent, proto::ControlSent& to);
ControlStamp from_proto(const proto::ControlSent& from);

void to_proto(const Barrier& barrier, proto::BarrierInfo& to);
Barrier from_proto(const proto::BarrierInfo& from);

void to_proto(const SourceSplit& split, proto::SplitInfo& to);
SourceSplit from_proto(const proto::SplitInfo& from);

void to_proto(const Committable& committable, proto::CommittableInfo& to);
Committable from_proto(const proto::CommittableInfo& from);

void to_proto(const SnapshotOutcome& outcome, TaskId task, proto::CheckpointAcknowledged& to);
Result<SnapshotOutcome> from_proto(const proto::CheckpointAcknowledged& from, TaskId task);

/// Only the first kSplitsShownMax splits: a message has a limit.
void to_proto(const TaskDetails& details, proto::TaskDetails& to);
TaskDetails from_proto(const proto::TaskDetails& from);
/// A value that this version does not know is kNone.
TaskActivity activity_of(int value);

inline constexpr int kSplitsShownMax = 1000;

}  // namespace sluice
