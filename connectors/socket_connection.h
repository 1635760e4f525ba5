// A thread that receives bytes from a TCP server into a bounded queue.
//
// Owned by a source reader: constructed and destroyed on the task's thread, which also calls
// take(). The destructor ends the thread within one system call, whatever the network does (except
// for a name server that does not answer).
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "connectors/socket_source.h"
#include "core/status.h"

namespace sluice {

class SocketConnection {
 public:
  /// `wake` is called from the thread when take() has something after it had nothing.
  SocketConnection(SocketOptions options, std::function<void()> wake);
  ~SocketConnection();
  SocketConnection(const SocketConnection&) = delete;
  SocketConnection& operator=(const SocketConnection&) = delete;

  enum class Event {
    kNothing,  // wake() follows.
    kBytes,
    kConnectionEnd,  // The server closed it.
    kConnectionLost,
    kEnd,  // No more connections will be made.
  };
  /// The next thing that happened, in order. An error when the server could not be reached or the
  /// last connection was lost.
  Result<Event> take(std::string& bytes);

 private:
  struct Item {
    Event event;
    std::string bytes;
  };

  void run();
  /// A connected socket, or why there is none.
  Result<int> connect_once();
  Result<int> connect_to(const void* address, size_t address_bytes, int family);
  /// Until the server closes (ok), the connection fails or the reader stops.
  Status receive(int fd);
  /// Waits for room first. False when the reader has stopped.
  bool push(Item item);
  void finish(Status status);
  bool is_stopping();
  bool wait_before_reconnect();
  /// False when the reader has stopped.
  bool wait_for(int fd, short events);

  const SocketOptions options_;
  const std::function<void()> wake_;
  int stop_event_ = -1;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::deque<Item> queue_;
  size_t queued_bytes_ = 0;
  bool finished_ = false;
  Status status_;

  std::thread thread_;
};

}  // namespace sluice
