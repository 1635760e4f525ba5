#include "actors/io_runner.h"

#include <utility>

namespace sluice {
namespace {

// Work that starts more work must not wait for itself.
thread_local bool is_io_thread = false;

}  // namespace

ThreadPoolIoRunner::~ThreadPoolIoRunner() { stop(); }

void ThreadPoolIoRunner::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPoolIoRunner::run(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (!is_io_thread) has_room_.wait(lock, [&] { return queue_.size() < kQueuedMax; });
  queue_.push_back(std::move(work));
  if (idle_threads_ < queue_.size() && threads_.size() < threads_max_) {
    threads_.emplace_back([this] { work_until_stopped(); });
  }
  lock.unlock();
  has_work_.notify_one();
}

void ThreadPoolIoRunner::work_until_stopped() {
  is_io_thread = true;
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_threads_;
    has_work_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    --idle_threads_;
    if (queue_.empty()) return;
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    has_room_.notify_one();
    work();
    lock.lock();
  }
}

}  // namespace sluice
