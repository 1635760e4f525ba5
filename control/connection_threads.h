// The threads that answer an HTTP server's connections: one each, made when it is needed.
//
// Whoever connects and says nothing holds one until the server's time for it is over. With few
// threads a handful of such strangers would keep everybody waiting, so there may be hundreds, and
// none before somebody connects. Beyond the limit connections wait. Thread-safe; `shutdown` waits
// for all.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

#include <httplib.h>

namespace sluice {

class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t threads_max) : threads_max_(threads_max) {}
  ConnectionThreads(const ConnectionThreads&) = delete;
  ConnectionThreads& operator=(const ConnectionThreads&) = delete;
  ~ConnectionThreads() override { wait_for_all(); }

  void enqueue(std::function<void()> connection) override;
  void shutdown() override { wait_for_all(); }

 private:
  void answer_all();
  void wait_for_all();

  const size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> waiting_;
  size_t threads_ = 0;
};

}  // namespace sluice
