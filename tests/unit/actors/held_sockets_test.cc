// CAF knows connections by their number: see actors/held_sockets.cc.
#include <array>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/detail/socket_guard.hpp>
#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE(
    "held_sockets: a connection that CAF closes ends, and its number is not given out again") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  caf::detail::socket_guard(ends[0]).close();
  char byte = 0;
  CHECK(read(ends[1], &byte, 1) == 0);
  const int next = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(next >= 0);
  CHECK(next != ends[0]);
  close(next);
  close(ends[1]);
}

TEST_CASE("held_sockets: only so many numbers are kept, and pipes are closed at once") {
  constexpr int kConnections = 5000;  // More than a process may have open.
  for (int i = 0; i < kConnections; ++i) {
    const int next = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(next >= 0);
    caf::detail::socket_guard(next).close();
  }
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  caf::detail::socket_guard(ends[1]).close();
  char byte = 0;
  CHECK(read(ends[0], &byte, 1) == 0);
  close(ends[0]);
}

}  // namespace
}  // namespace sluice
