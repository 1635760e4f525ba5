#include "control/connection_threads.h"

#include <system_error>
#include <thread>
#include <utility>

namespace sluice {

void ConnectionThreads::enqueue(std::function<void()> connection) {
  std::unique_lock lock(mutex_);
  waiting_.push_back(std::move(connection));
  if (threads_ >= threads_max_) return;
  ++threads_;
  try {
    std::thread([this] { answer_all(); }).detach();
  } catch (const std::system_error&) {
    // No thread to be had: those there are come to it, and without any the listener does it itself.
    if (threads_ == 1) {
      lock.unlock();
      answer_all();
    } else {
      --threads_;
    }
  }
}

void ConnectionThreads::answer_all() {
  std::unique_lock lock(mutex_);
  while (!waiting_.empty()) {
    const std::function<void()> connection = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    connection();
    lock.lock();
  }
  --threads_;
  // Under the lock: after it the owner may be gone.
  ended_.notify_all();
}

void ConnectionThreads::wait_for_all() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return threads_ == 0; });
}

}  // namespace sluice
