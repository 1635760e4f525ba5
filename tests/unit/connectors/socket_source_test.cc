#include "connectors/socket_source.h"

#include <arpa/inet.h>
#include <condition_variable>
#include <mutex>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

namespace sluice {
namespace {

using Strings = std::vector<std::string>;

// A server on the loopback interface with a port of its own.
class Server {
 public:
  Server() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_, 4) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Server() { stop(); }
  void stop() {
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
  }
  int port() const { return port_; }
  int accept() { return ::accept(listener_, nullptr, nullptr); }

 private:
  int listener_;
  int port_ = 0;
};

void send_all(int client, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    REQUIRE(sent > 0);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

// Closes so that the other side sees a failure instead of an end.
void reset_connection(int client) {
  const linger at_once{1, 0};
  ::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  ::close(client);
}

// A reader that is polled when it wakes.
class SocketReading {
 public:
  explicit SocketReading(const SocketSource& source) : reader_(source.create_reader()) {
    auto enumerator = source.create_enumerator();
    REQUIRE(enumerator->open(1).is_ok());
    context_.wake = [this] {
      const std::lock_guard lock(mutex_);
      awake_ = true;
      changed_.notify_all();
    };
    context_.bad_record = [this](auto place, auto reason, auto raw) {
      bad.push_back(std::string(place) + " | " + std::string(reason) + " | " + std::string(raw));
    };
    REQUIRE(reader_->open(context_).is_ok());
    REQUIRE(reader_->add_split(enumerator->next(0).splits.at(0)).is_ok());
  }
  ~SocketReading() { reader_->close(); }

  /// Reads until `rows` rows were seen in all, or the end.
  Status read(size_t rows) {
    while (lines.size() < rows) {
      auto batch = TypedBatch<Text>::make(1024);
      const auto result = reader_->poll(*batch, 1024);
      if (!result.is_ok()) return result.status();
      for (const Text& line : batch->values()) lines.push_back(line.str());
      if (result->state == PollState::kNeedSplit) {
        ended = true;
        return Status::ok();
      }
      if (lines.size() < rows && result->state == PollState::kNothingYet && !wait()) {
        return Status::deadline_exceeded("nobody woke the reader");
      }
    }
    return Status::ok();
  }
  SourceReader<Text>& reader() { return *reader_; }

  Strings lines;
  Strings bad;
  bool ended = false;

 private:
  bool wait() {
    std::unique_lock lock(mutex_);
    const bool woken = changed_.wait_for(lock, std::chrono::seconds(20), [&] { return awake_; });
    awake_ = false;
    return woken;
  }

  SourceContext context_;
  std::unique_ptr<SourceReader<Text>> reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool awake_ = false;
};

constexpr size_t kToTheEnd = SIZE_MAX;

TEST_CASE("socket_source: lines arrive whole however the bytes are cut, and end with the server") {
  Server server;
  std::thread sender([&] {
    const int client = server.accept();
    for (const char* piece : {"one\ntw", "o\r", "\n", "\n", "th", "re", "e\nlast"}) {
      send_all(client, piece);
    }
    ::close(client);
  });
  SocketReading reading(socket_text("127.0.0.1", server.port()));
  CHECK(reading.reader().snapshot().size() == 1);
  CHECK(reading.read(kToTheEnd).is_ok());
  sender.join();
  CHECK(reading.ended);
  CHECK(reading.lines == Strings{"one", "two", "", "three", "last"});
  CHECK(reading.reader().snapshot().empty());
}

TEST_CASE("socket_source: more than the queue holds comes through, in order") {
  Server server;
  constexpr int kLines = 100'000;
  std::thread sender([&] {
    const int client = server.accept();
    std::string text;
    for (int i = 0; i < kLines; ++i) text += "line number " + std::to_string(i) + "\n";
    send_all(client, text);
    ::close(client);
  });
  SocketOptions options;
  options.host = "localhost";
  options.port = server.port();
  options.queue_bytes_max = 1000;
  SocketReading reading{SocketSource(options)};
  CHECK(reading.read(kToTheEnd).is_ok());
  sender.join();
  REQUIRE(reading.lines.size() == kLines);
  bool in_order = true;
  for (int i = 0; i < kLines; ++i) {
    in_order &= reading.lines[static_cast<size_t>(i)] == "line number " + std::to_string(i);
  }
  CHECK(in_order);
}

TEST_CASE("socket_source: it connects again after an end and after a loss") {
  Server server;
  std::thread sender([&] {
    int client = server.accept();
    send_all(client, "a\nb\n");
    ::close(client);
    client = server.accept();
    send_all(client, "c\nd\n");
    ::close(client);
  });
  SocketReading reading(socket_text("127.0.0.1", server.port()).reconnect(-1, Duration(1)));
  CHECK(reading.read(4).is_ok());
  sender.join();
  CHECK(reading.lines == Strings{"a", "b", "c", "d"});
  CHECK(!reading.ended);
}

TEST_CASE("socket_source: a lost connection is an error, and its half line is not a record") {
  Server server;
  std::mutex received;
  received.lock();
  std::thread sender([&] {
    const int client = server.accept();
    send_all(client, "whole\nha");
    received.lock();  // Until the reader has the whole line.
    reset_connection(client);
  });
  SocketReading reading(socket_text("127.0.0.1", server.port()));
  CHECK(reading.read(1).is_ok());
  received.unlock();
  const Status status = reading.read(kToTheEnd);
  sender.join();
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message().find("receive from 127.0.0.1:") == 0);
  CHECK(reading.lines == Strings{"whole"});
  REQUIRE(reading.bad.size() == 1);
  CHECK(reading.bad[0].ends_with(" line 2 | the connection was lost inside a line | ha"));
}

TEST_CASE("socket_source: a server that is not there is told with its address") {
  Server server;
  const int port = server.port();
  server.stop();
  SocketReading reading(socket_text("127.0.0.1", port).reconnect(2, Duration(1)));
  const Status status = reading.read(1);
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message() ==
        "connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
}

TEST_CASE("socket_source: a wrong address is told before anything runs") {
  CHECK(socket_text("", 1).create_enumerator()->open(1).code() == StatusCode::kInvalidArgument);
  CHECK(socket_text("h", 0).create_enumerator()->open(1).message() ==
        "port 0 of h is not in 1..65535");
  CHECK(socket_text("h", 65536).create_enumerator()->open(1).code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("socket_source: lines beyond the limit are bad records") {
  Server server;
  std::thread sender([&] {
    const int client = server.accept();
    send_all(client, "a\n" + std::string(300'000, 'x') + "\nb\n12345678901\n1234567890\n");
    ::close(client);
  });
  SocketOptions options;
  options.host = "127.0.0.1";
  options.port = server.port();
  options.line_bytes_max = 10;
  SocketReading reading{SocketSource(options)};
  CHECK(reading.read(kToTheEnd).is_ok());
  sender.join();
  CHECK(reading.lines == Strings{"a", "b", "1234567890"});
  REQUIRE(reading.bad.size() == 2);
  CHECK(reading.bad[0].ends_with(" line 2 | a line of more than 10 bytes | xxxxxxxxxx"));
}

TEST_CASE("socket_source: a reader stops at once, connected, connecting or waiting") {
  Server server;
  {
    SocketReading connected(socket_text("127.0.0.1", server.port()));
    const int client = server.accept();
    send_all(client, "a\n");
    CHECK(connected.read(1).is_ok());
    connected.reader().close();
    ::close(client);
  }
  const int port = server.port();
  server.stop();
  SocketReading waiting(socket_text("127.0.0.1", port).reconnect(-1, Duration(3'600'000)));
  // The destructor returns although the next attempt is an hour away.
}

}  // namespace
}  // namespace sluice
