// Where somebody asks a task for its details and the task leaves them.
//
// Any number of readers, one task. The task looks at one flag per turn and fills in an answer only
// when somebody wants one, so a job that nobody looks at pays nothing. Whoever asks also has the
// task given a turn; a task that is stuck in user code does not answer, and its last answer stays.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "core/inspection.h"

namespace sluice {

class TaskDetailsCell {
 public:
  // -- readers --
  /// Returns the number of answers so far, for wait().
  uint64_t ask() {
    const std::lock_guard lock(mutex_);
    is_wanted_.store(true, std::memory_order_release);
    return answers_;
  }
  /// The newest answer; waits at most `timeout` for one after the first `seen`.
  TaskDetails wait(uint64_t seen, Duration timeout) {
    std::unique_lock lock(mutex_);
    answered_.wait_for(lock, timeout, [&] { return answers_ > seen || closed_; });
    return details_;
  }
  /// The newest answer after the first `seen`, if there is one by now.
  std::optional<TaskDetails> answer_after(uint64_t seen) {
    const std::lock_guard lock(mutex_);
    if (answers_ <= seen) return std::nullopt;
    return details_;
  }

  // -- the task --
  bool is_wanted() const { return is_wanted_.load(std::memory_order_relaxed); }
  void answer(TaskDetails details) {
    const std::lock_guard lock(mutex_);
    is_wanted_.store(false, std::memory_order_relaxed);
    details_ = std::move(details);
    ++answers_;
    answered_.notify_all();
  }
  /// There will be no more answers.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    answered_.notify_all();
  }

 private:
  std::atomic<bool> is_wanted_{false};
  std::mutex mutex_;
  std::condition_variable answered_;
  TaskDetails details_;
  uint64_t answers_ = 0;
  bool closed_ = false;
};

}  // namespace sluice
