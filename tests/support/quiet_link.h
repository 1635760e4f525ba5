// A way out of a task that swallows everything; tests and benchmarks override what they watch.
#pragma once

#include <vector>

#include "operators/task.h"

namespace sluice {

class QuietLink : public TaskLink {
 public:
  void send(int /*channel*/, StreamElement /*element*/) override {}
  void grant(int /*channel*/, uint32_t /*credits*/, BatchPtr /*recycled*/) override {}
  void request_split() override {}
  void snapshot_taken(const Barrier& /*barrier*/, std::vector<OperatorSnapshot> /*states*/,
                      int64_t /*alignment_ms*/) override {}
  void committables(NodeId /*node*/, std::vector<Committable> /*committables*/) override {}
  void snapshot_declined(CheckpointId /*checkpoint*/, const Status& /*reason*/) override {}
};

}  // namespace sluice
