#include "actors/sink_commit.h"

#include <exception>
#include <utility>

namespace sluice {
namespace {

/// A committer is a connector's code: its exceptions end here.
CommitOutcome sink_commit_one(Committer& committer, const Committable& committable,
                              std::string& error) {
  try {
    return committer.commit(committable, error);
  } catch (const std::exception& thrown) {
    error = thrown.what();
  } catch (...) {
    error = "an exception that is no std::exception";
  }
  return CommitOutcome::kFailedKnown;
}

}  // namespace

SinkCommit::SinkCommit(std::shared_ptr<const JobPlan> plan) : plan_(std::move(plan)) {
  for (const LogicalNode* node : plan_->nodes()) {
    if (node->kind == NodeKind::kSink && node->committer_factory) sinks_.push_back({node, {}, {}});
  }
}

void SinkCommit::add(NodeId node, std::vector<Committable> committables) {
  for (auto& sink : sinks_) {
    if (sink.node->id != node) continue;
    for (auto& committable : committables) sink.pending.push_back(std::move(committable));
  }
}

Committer* SinkCommit::committer_of(SinkEntry& sink) {
  if (!sink.committer) sink.committer = sink.node->committer_factory();
  return sink.committer.get();
}

SinkCommit::Round SinkCommit::run_round() {
  Round round;
  for (auto& sink : sinks_) {
    if (sink.pending.empty()) continue;
    Committer* committer = committer_of(sink);
    if (committer == nullptr) {
      sink.pending.clear();
      continue;
    }
    std::vector<Committable> unsettled;
    for (auto& committable : sink.pending) {
      std::string error;
      switch (sink_commit_one(*committer, committable, error)) {
        case CommitOutcome::kCommitted:
        case CommitOutcome::kAlreadyCommitted:
          break;
        case CommitOutcome::kRetry:
        case CommitOutcome::kFailedUnknown:
          round.last_error = "operator " + sink.node->name + ": commit: " + error;
          unsettled.push_back(std::move(committable));
          break;
        case CommitOutcome::kFailedKnown:
          if (round.status.is_ok()) {
            round.status = Status::io_error("operator " + sink.node->name + ": commit: " + error);
          }
          break;
      }
    }
    sink.pending = std::move(unsettled);
    round.unsettled += sink.pending.size();
  }
  return round;
}

Status SinkCommit::discard() {
  Status first;
  for (auto& sink : sinks_) {
    Committer* committer = committer_of(sink);
    if (committer == nullptr) continue;
    try {
      const Status status = committer->abort_unknown({});
      if (first.is_ok() && !status.is_ok()) {
        first = status.with_prefix("operator " + sink.node->name + ": ");
      }
    } catch (const std::exception& thrown) {
      if (first.is_ok()) {
        first = Status::io_error("operator " + sink.node->name + ": " + thrown.what());
      }
    }
  }
  return first;
}

}  // namespace sluice
