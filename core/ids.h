// Strong types for identities, so that `ack(TaskId, CheckpointId)` cannot be called the wrong way
// round. All are plain values, ordered and hashable.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace sluice {

/// Checkpoint numbers grow by one and never repeat within a job, also across restarts.
struct CheckpointId {
  int64_t value = 0;
  friend constexpr auto operator<=>(CheckpointId, CheckpointId) = default;
};

/// A vertex of the execution graph (a chain).
struct VertexId {
  int value = 0;
  friend constexpr auto operator<=>(VertexId, VertexId) = default;
};

/// One parallel instance of a vertex.
struct TaskId {
  VertexId vertex;
  int subtask = 0;
  friend constexpr auto operator<=>(TaskId, TaskId) = default;
};

/// Which try of the job (or region) a task belongs to; grows with every restart.
struct AttemptId {
  int value = 0;
  friend constexpr auto operator<=>(AttemptId, AttemptId) = default;
};

}  // namespace sluice

template <>
struct std::hash<sluice::TaskId> {
  size_t operator()(const sluice::TaskId& id) const noexcept {
    return static_cast<size_t>(id.vertex.value) * 0x9E3779B97F4A7C15ULL +
           static_cast<size_t>(id.subtask);
  }
};
