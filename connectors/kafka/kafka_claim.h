// Takes over the transactional ids of a sink for a new run of its job.
//
// After a claim no earlier run can commit: it is fenced, and when it opens its id anew it sees that
// it is not the newest any more. A subtask claims its own id and, so that a run with more subtasks
// is shut out, too, its share of the ids that only earlier runs had. Blocks; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "connectors/kafka/kafka_sink_settings.h"
#include "core/ids.h"
#include "core/operator.h"
#include "core/status.h"

namespace sluice {

/// kFailedPrecondition when the topic holds results that are newer than `restored` (unless repeats
/// are allowed): either another run was faster, then a restart finds its checkpoint, or an older
/// snapshot was asked for.
Status claim_transactional_ids(const KafkaSinkSettings& settings, const TaskInfo& task,
                               std::optional<CheckpointId> restored, uint64_t incarnation);

}  // namespace sluice
