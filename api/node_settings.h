// The settings that follow an operator in a job: `stream.map(f).name("parse").uid("parse-v1")`.
//
// A mixin: Self says which node is meant by node() and plan(). Each call changes the operator made
// last and gives the same kind of stream back, so calls chain.
#pragma once

#include <string>
#include <utility>

#include "api/job_draft.h"

namespace sluice {

template <class Self>
class NodeSettings {
 public:
  /// The name shown in plans, metrics and errors.
  Self name(std::string name) const {
    return change([&](LogicalNode& node) { node.name = std::move(name); });
  }
  /// A stable identity of the operator's state: with it a job may be changed and still restored.
  Self uid(std::string uid) const {
    return change([&](LogicalNode& node) { node.uid = std::move(uid); });
  }
  /// Number of parallel instances; without it the job's default holds.
  Self set_parallelism(int parallelism) const {
    return change([&](LogicalNode& node) {
      if (check("parallelism", node, parallelism)) node.parallelism = parallelism;
    });
  }
  /// Number of key groups, the upper bound of all future parallelism. Frozen with the first
  /// snapshot.
  Self set_max_parallelism(int max_parallelism) const {
    return change([&](LogicalNode& node) {
      if (check("max parallelism", node, max_parallelism)) node.max_parallelism = max_parallelism;
    });
  }
  /// The operator runs in a task of its own.
  Self disable_chaining() const {
    return change([](LogicalNode& node) {
      node.chain_with_inputs = false;
      node.chain_with_outputs = false;
    });
  }
  /// A new task begins with this operator.
  Self start_new_chain() const {
    return change([](LogicalNode& node) { node.chain_with_inputs = false; });
  }
  /// Operators of different groups do not share slots.
  Self slot_sharing_group(std::string group) const {
    return change([&](LogicalNode& node) { node.slot_sharing_group = std::move(group); });
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }

  bool check(const char* what, const LogicalNode& node, int value) const {
    if (value >= 1 && value <= kMaxParallelismLimit) return true;
    self().plan().fail(Status::invalid_argument(
        "operator '" + node.name + "': " + what + " must lie between 1 and " +
        std::to_string(kMaxParallelismLimit) + ", not " + std::to_string(value)));
    return false;
  }
  template <class Change>
  Self change(Change&& apply) const {
    if (self().node().value < 0) {
      self().plan().fail(
          Status::invalid_argument("a name, uid or parallelism was set on a union of streams, "
                                   "which is no operator; set it on "
                                   "the operators before or after it"));
    } else {
      apply(self().plan().graph().node(self().node()));
    }
    return self();
  }
};

}  // namespace sluice
