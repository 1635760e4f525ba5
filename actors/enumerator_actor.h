// Hosts the SplitEnumerator of one source: finds splits and hands them to the subtasks that ask.
//
// open() and discover() may block, so they run on an I/O thread; only one call into the enumerator
// is under way at any time, and requests that come meanwhile wait in order. A subtask that got
// nothing waits here until discover() finds something.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/messages.h"

namespace sluice {

class EnumeratorActor final : public ActorBase {
 public:
  struct Settings {
    NodeId node;
    std::string name;
    std::string job;
    int parallelism = 1;
    std::unique_ptr<SplitEnumerator> enumerator;
    /// State of a checkpoint to start from.
    std::optional<std::string> restore;
    IoRunner* io = nullptr;
    ActorHandle master;
  };
  EnumeratorActor(ActorConfig& config, std::shared_ptr<Settings> settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "enumerator"; }

 private:
  void discover();
  void serve_waiting();
  void take_snapshot();
  void fail(const Status& status);

  std::shared_ptr<Settings> settings_;
  // Also held by the I/O work under way, which may outlive a killed actor.
  std::shared_ptr<SplitEnumerator> enumerator_;
  bool busy_ = true;  // Until opened.
  bool opened_ = false;
  std::deque<RequestSplit> waiting_;
  std::optional<SnapshotEnumerator> wanted_snapshot_;  // While the enumerator is busy.
  ActorHandle coordinator_;
  std::set<CheckpointId> held_for_;
};

}  // namespace sluice
