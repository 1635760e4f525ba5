// Who may still be taken for alive: the two sides of a heartbeat.
//
// A TaskManager holds a Lease: while its heartbeats are answered it may run tasks. The JobManager
// holds a HeartbeatWatch over all TaskManagers and gives one up when it has been silent for the
// timeout. The lease is shorter than the timeout and counts from when the answered heartbeat was
// sent, so a process that is cut off has ended its tasks before they are started elsewhere.
//
// A process that was frozen must not judge others by its own gap: both look at how late they are
// themselves. Times are steady ns given by the caller; plain, one thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/time.h"

namespace sluice {

class Lease {
 public:
  /// Heartbeats without answer that are remembered.
  static constexpr size_t kUnansweredMax = 64;

  explicit Lease(Duration length) : length_ns_(length.count() * 1'000'000) {}

  enum class Verdict {
    kNone,     // Never held, or given back.
    kHeld,     // Tasks may run.
    kExpired,  // Has just run out: tasks must end.
    kFrozen,   // This process stood still for longer than its lease: it must end.
  };

  /// Begins a lease that was asked for at `asked_ns`.
  void begin(int64_t asked_ns);
  void give_back();
  /// The sequence number of the heartbeat to be sent now.
  int64_t sent(int64_t now_ns);
  void answered(int64_t sequence);
  /// To be called several times per lease. kExpired is said once.
  Verdict look(int64_t now_ns);

 private:
  struct Unanswered {
    int64_t sequence;
    int64_t sent_ns;
  };
  int64_t length_ns_;
  bool held_ = false;
  int64_t renewed_ns_ = 0;
  int64_t looked_ns_ = -1;
  int64_t next_sequence_ = 1;
  std::deque<Unanswered> unanswered_;
};

class HeartbeatWatch {
 public:
  explicit HeartbeatWatch(Duration timeout) : timeout_ns_(timeout.count() * 1'000'000) {}

  void add(const std::string& who, int64_t now_ns) { last_ns_[who] = now_ns; }
  void remove(const std::string& who) { last_ns_.erase(who); }
  /// False: not watched.
  bool beat(const std::string& who, int64_t now_ns);
  /// Those that were silent for too long; they are watched no more. When the watcher itself comes
  /// late by more than half the timeout, everybody gets a new chance instead.
  std::vector<std::string> overdue(int64_t now_ns);

 private:
  const int64_t timeout_ns_;
  int64_t looked_ns_ = -1;
  std::map<std::string, int64_t> last_ns_;
};

/// The lease that goes with a timeout.
inline Duration lease_of(Duration heartbeat_timeout) { return heartbeat_timeout * 3 / 4; }

}  // namespace sluice
