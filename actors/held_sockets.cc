// Keeps the number of a closed socket from being given out again at once.
//
// libcaf_io 0.17 knows a connection by its file descriptor and cleans up after a closed one by a
// message to itself that travels behind those which a worker still decodes. When the system gives
// the number to a new connection meanwhile, the clean-up hits that one: its node is forgotten, its
// proxies die and what it sends arrives without a sender, while both ends keep the socket open. A
// dial that follows a probe did so once in some ten starts. This function stands in front of
// libcaf_io's own of the same name (the dynamic linker asks the program first): the connection ends
// now, the number stays taken for a while. Any thread.
#include <cerrno>
#include <deque>
#include <memory>
#include <mutex>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <caf/io/network/native_socket.hpp>

#include "core/clock.h"

namespace {

/// Far longer than any message of that kind is on its way.
constexpr int64_t kHeldNs = 2'000'000'000;
constexpr size_t kHeldMax = 128;

class HeldSockets {
 public:
  void hold(int socket) {
    const int64_t now = sluice::system_clock().steady_ns();
    const std::lock_guard lock(mutex_);
    held_.emplace_back(now + kHeldNs, socket);
    while (!held_.empty() && (held_.front().first <= now || held_.size() > kHeldMax)) {
      close(held_.front().second);
      held_.pop_front();
    }
  }

 private:
  std::mutex mutex_;
  std::deque<std::pair<int64_t, int>> held_;  // When it may go, and which.
};

}  // namespace

namespace caf::io::network {

void close_socket(native_socket socket) {
  // Never destroyed: sockets are closed while the process ends.
  static auto& held = *std::make_unique<HeldSockets>().release();
  // A pipe, for one, has no connection.
  if (shutdown(socket, SHUT_RDWR) != 0 && errno != ENOTCONN) {
    close(socket);
    return;
  }
  held.hold(socket);
}

}  // namespace caf::io::network
