// Commits the committables of one sink subtask beside its task, in order, on a thread of its own.
//
// A commit that waits for others would keep the subtask from taking rows. Invariants: the order of
// add() is the order of the commits; after the first failure nothing more is committed. One owner
// calls everything; `wake` comes from the thread, after each commit. The destructor waits for the
// commit under way and drops what has not begun.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/operator.h"
#include "core/sink.h"
#include "core/status.h"

namespace sluice {

/// What an outcome means to the task. OK when the committable is visible now.
Status commit_status(CommitOutcome outcome, const std::string& error);
/// Commits one; what a failure means to the task. An exception of the committer ends here.
Status commit_one(Committer& committer, const Committable& committable);

class CommitThread {
 public:
  /// The committer is used by this object alone from now on, and outlives it.
  CommitThread(Committer& committer, std::function<void()> wake);
  ~CommitThread();
  CommitThread(const CommitThread&) = delete;
  CommitThread& operator=(const CommitThread&) = delete;

  void add(std::shared_ptr<const Committable> committable);
  /// How many of the oldest were committed since the last call.
  size_t take_committed();
  /// What ended the committing, if anything did.
  Status status() const;
  /// Until nothing waits any more, or after a failure.
  void wait();

 private:
  void run();

  Committer& committer_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_. The front is the one under way.
  std::deque<std::shared_ptr<const Committable>> waiting_;
  size_t committed_ = 0;
  Status status_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace sluice
