#include <doctest/doctest.h>

#include "actors/cluster_client.h"

namespace sluice {
namespace {

TEST_CASE("cluster_address: host and port, a port alone, IPv6 in brackets") {
  auto address = parse_cluster_address("host7:6123");
  REQUIRE(address.is_ok());
  CHECK(address->host == "host7");
  CHECK(address->port == 6123);
  address = parse_cluster_address("6124");
  REQUIRE(address.is_ok());
  CHECK(address->host == "127.0.0.1");
  CHECK(address->port == 6124);
  address = parse_cluster_address("[::1]:0");
  REQUIRE(address.is_ok());
  CHECK(address->host == "::1");
  CHECK(address->port == 0);
}

TEST_CASE("cluster_address: what is no address is refused with the reason") {
  for (const char* text : {"", ":1", "host:", "host:70000", "host:-1", "host:6x", "::1:80"}) {
    CAPTURE(text);
    const auto address = parse_cluster_address(text);
    REQUIRE_FALSE(address.is_ok());
    CHECK(address.status().message().find("is no HOST:PORT") != std::string::npos);
  }
}

}  // namespace
}  // namespace sluice
