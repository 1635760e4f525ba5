#include "connectors/socket_connection.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/check.h"

namespace sluice {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;

}  // namespace

SocketConnection::SocketConnection(SocketOptions options, std::function<void()> wake)
    : options_(std::move(options)), wake_(std::move(wake)), stop_event_(::eventfd(0, EFD_CLOEXEC)) {
  SLUICE_CHECK(stop_event_ >= 0);
  thread_ = std::thread([this] { run(); });
}

SocketConnection::~SocketConnection() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  const uint64_t one = 1;
  // The counter of an eventfd cannot be full here, so this never blocks or fails.
  SLUICE_CHECK(::write(stop_event_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  ::close(stop_event_);
}

Result<SocketConnection::Event> SocketConnection::take(std::string& bytes) {
  std::unique_lock lock(mutex_);
  if (queue_.empty()) {
    if (!finished_) return Event::kNothing;
    if (!status_.is_ok()) return status_;
    return Event::kEnd;
  }
  const Event event = queue_.front().event;
  bytes = std::move(queue_.front().bytes);
  queued_bytes_ -= bytes.size();
  queue_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return event;
}

void SocketConnection::run() {
  int attempts_left = options_.reconnects_max;
  while (true) {
    const auto connected = connect_once();
    Status status = connected.status();
    if (connected.is_ok()) {
      attempts_left = options_.reconnects_max;
      status = receive(*connected);
      ::close(*connected);
      const Event end = status.is_ok() ? Event::kConnectionEnd : Event::kConnectionLost;
      if (!push({end, {}})) return;
    }
    if (is_stopping()) return;
    if (attempts_left == 0) return finish(status);
    if (attempts_left > 0) --attempts_left;
    if (!wait_before_reconnect()) return;
  }
}

Result<int> SocketConnection::connect_once() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options_.port);
  const int error = ::getaddrinfo(options_.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return Status::unavailable("look up " + options_.host + ": " + ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, &::freeaddrinfo);
  Status last = Status::unavailable("look up " + options_.host + ": no address");
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    auto fd = connect_to(info->ai_addr, info->ai_addrlen, info->ai_family);
    if (fd.is_ok()) return fd;
    last = fd.status();
  }
  return last;
}

Result<int> SocketConnection::connect_to(const void* address, size_t address_bytes, int family) {
  const auto failed = [&](int error) {
    return Status::unavailable(
        Status::from_errno(error, "connect to " + options_.address()).message());
  };
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(errno);
  int error = 0;
  if (::connect(fd, static_cast<const sockaddr*>(address), static_cast<socklen_t>(address_bytes)) !=
      0) {
    error = errno;
    if (error == EINPROGRESS) {
      socklen_t size = sizeof(error);
      if (!wait_for(fd, POLLOUT))
        error = ECANCELED;
      else if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    }
  }
  if (error == 0) return fd;
  ::close(fd);
  return failed(error);
}

Status SocketConnection::receive(int fd) {
  std::string bytes(kReceiveBytes, '\0');
  while (true) {
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (got == 0) return Status::ok();
    if (got > 0) {
      if (!push({Event::kBytes, bytes.substr(0, static_cast<size_t>(got))})) return Status::ok();
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd, POLLIN)) return Status::ok();
    } else if (errno != EINTR) {
      return Status::unavailable(
          Status::from_errno(errno, "receive from " + options_.address()).message());
    }
  }
}

bool SocketConnection::push(Item item) {
  bool was_empty = false;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || queued_bytes_ < options_.queue_bytes_max; });
    if (stopping_) return false;
    was_empty = queue_.empty();
    queued_bytes_ += item.bytes.size();
    queue_.push_back(std::move(item));
  }
  if (was_empty) wake_();
  return true;
}

void SocketConnection::finish(Status status) {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    status_ = std::move(status);
  }
  wake_();
}

bool SocketConnection::is_stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool SocketConnection::wait_before_reconnect() {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, options_.reconnect_delay, [&] { return stopping_; });
}

bool SocketConnection::wait_for(int fd, short events) {
  pollfd waits[] = {{fd, events, 0}, {stop_event_, POLLIN, 0}};
  while (::poll(waits, 2, -1) < 0 && errno == EINTR) {
  }
  return waits[1].revents == 0;
}

}  // namespace sluice
