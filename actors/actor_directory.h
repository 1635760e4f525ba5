// All actors of one actor system, for inspection: who they are and how much mail waits for them.
//
// An actor publishes its numbers when it is given a thread, not per message, with relaxed stores.
// The directory holds gauges only as long as their actors live. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/inspection.h"

namespace sluice {

/// Numbers of one actor; written by the actor, except that its name is set under the directory's
/// lock.
struct ActorGauge {
  int64_t id = 0;
  std::string kind;
  std::string job;
  std::string label;
  /// Messages that waited at its last turn; 0 after it has handled them all.
  std::atomic<int64_t> mailbox{0};
  std::atomic<int64_t> turns{0};
  std::atomic<int64_t> active_ns{0};  // Steady.
  std::atomic<bool> running{false};
};

class ActorDirectory {
 public:
  explicit ActorDirectory(const Clock& clock) : clock_(clock) {}

  std::shared_ptr<ActorGauge> add(int64_t id);
  void describe(ActorGauge& gauge, std::string kind, std::string job, std::string label);
  /// Living actors by id; their node is the caller's.
  std::vector<ActorInspection> actors() const;
  int64_t steady_ns() const { return clock_.steady_ns(); }

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  mutable std::vector<std::weak_ptr<ActorGauge>> gauges_;
};

}  // namespace sluice
