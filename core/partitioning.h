// How rows are spread over the subtasks of the next vertex, and the names of graph parts that tasks
// need to know.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/batch.h"
#include "core/operator.h"

namespace sluice {

/// How rows find their downstream subtask.
enum class Partitioning {
  kForward,    // Same subtask; the only one that may be chained.
  kHash,       // By key group of the key hash.
  kRebalance,  // Round-robin over all.
  kRescale,    // Round-robin within a local group.
  kShuffle,    // At random.
  kBroadcast,  // To all.
  kGlobal,     // All to subtask 0.
  kCustom,     // The user's function.
};
const char* partitioning_name(Partitioning partitioning);

/// Chooses targets for rows; one instance per sending subtask. Typed implementations are made by
/// api/ and operators/partitioner.h.
class RowSelector {
 public:
  virtual ~RowSelector() = default;
  /// Fills targets[i] for rows [from, to); `hashes` gets the key hash of each row when the selector
  /// hashes keys. `channels` = downstream parallelism.
  virtual void select(const Batch& batch, uint32_t from, uint32_t to, int channels,
                      int max_parallelism, uint16_t* targets, uint64_t* hashes) = 0;
  virtual bool hashes_keys() const { return false; }
};
using RowSelectorFactory = std::function<std::unique_ptr<RowSelector>()>;

struct NodeId {
  int value = -1;
  friend constexpr auto operator<=>(NodeId, NodeId) = default;
};

struct SideOutput {
  int tag_id = 0;
  std::string name;
  SideOutputFactory factory;
};

}  // namespace sluice
