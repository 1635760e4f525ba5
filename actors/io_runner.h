// Runs blocking work (files, commits, checks of inputs) away from the threads that run tasks.
//
// ThreadPoolIoRunner: a fixed number of threads and a bounded queue; run() waits while the queue is
// full, except on the pool's own threads. Threads start with the first work, so a job that never
// blocks pays nothing. stop(), also called by the destructor, finishes queued work and joins.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/operator.h"

namespace sluice {

class ThreadPoolIoRunner final : public IoRunner {
 public:
  static constexpr size_t kQueuedMax = 1024;

  explicit ThreadPoolIoRunner(size_t threads_max) : threads_max_(threads_max) {}
  ~ThreadPoolIoRunner() override;

  void run(std::function<void()> work) override;
  /// Finishes queued work and joins; nothing may be run afterwards.
  void stop();

 private:
  void work_until_stopped();

  const size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_room_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  size_t idle_threads_ = 0;
  bool stopping_ = false;
};

/// Runs the work at once on the caller's thread; for tests and simulation.
class InlineIoRunner final : public IoRunner {
 public:
  void run(std::function<void()> work) override { work(); }
};

}  // namespace sluice
