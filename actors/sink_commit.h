// The one commit of a job without checkpoints: after every task has finished, what each sink wrote
// is made visible.
//
// A plain object used by the JobMaster from one I/O thread at a time. run_round() tries everything
// that is not settled; outcomes "retry" and "reply lost" stay for the next round, since a committer
// recognises repeats. When a commit is refused for good the rest is still tried, so that an error
// leaves as little as possible half done, and the first refusal is reported.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/job_plan.h"
#include "core/sink.h"
#include "core/status.h"

namespace sluice {

class SinkCommit {
 public:
  explicit SinkCommit(std::shared_ptr<const JobPlan> plan);

  /// What a finished subtask of sink `node` leaves to be committed.
  void add(NodeId node, std::vector<Committable> committables);

  /// Ok with `unsettled` 0: all is visible. Ok with more: call again later. Else it failed.
  struct Round {
    size_t unsettled = 0;
    Status status;
    /// Why the last one was not settled.
    std::string last_error;
  };
  Round run_round();

  /// The job failed or was cancelled: nothing of this run becomes visible.
  Status discard();

 private:
  struct SinkEntry {
    const LogicalNode* node;
    std::vector<Committable> pending;
    std::unique_ptr<Committer> committer;
  };
  Committer* committer_of(SinkEntry& sink);

  // I/O work under way may outlive the master, so the plan is held here, too.
  std::shared_ptr<const JobPlan> plan_;
  std::vector<SinkEntry> sinks_;
};

}  // namespace sluice
