#include "control/http_access.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("http access: the token decides the role") {
  const AccessTokens tokens{"look", "steer"};
  CHECK(role_of(tokens, "Bearer look") == AccessRole::kRead);
  CHECK(role_of(tokens, "Bearer steer") == AccessRole::kOperate);
  for (const char* wrong : {"", "look", "Bearer", "Bearer ", "Bearer  look", "bearer look",
                            "Bearer looks", "Bearer loo", "Basic look", "Bearer look steer"}) {
    CAPTURE(wrong);
    CHECK(role_of(tokens, wrong) == AccessRole::kNone);
  }
  // A token that was never set opens nothing.
  CHECK(role_of({}, "Bearer ") == AccessRole::kNone);
}

TEST_CASE("http access: only our own names are taken as host") {
  for (const char* host : {"127.0.0.1:4711", "localhost:4711", "[::1]:4711", "localhost"}) {
    CAPTURE(host);
    CHECK(is_own_host(host, 4711));
  }
  for (const char* host : {"", "evil.example:4711", "127.0.0.1:4712", "127.0.0.1.evil.example",
                           "localhost:4711.evil.example", "127.0.0.1:4711@evil.example"}) {
    CAPTURE(host);
    CHECK_FALSE(is_own_host(host, 4711));
  }
}

TEST_CASE("http access: equality of texts of all lengths") {
  CHECK(equals_in_constant_time("", ""));
  CHECK(equals_in_constant_time("abc", "abc"));
  CHECK_FALSE(equals_in_constant_time("abc", "abd"));
  CHECK_FALSE(equals_in_constant_time("abcabc", "abc"));
  CHECK_FALSE(equals_in_constant_time("abc", "abcabc"));
  CHECK_FALSE(equals_in_constant_time("a", ""));
  CHECK_FALSE(equals_in_constant_time("", "a"));
}

TEST_CASE("http access: tokens are long and never the same") {
  const std::string token = make_token();
  CHECK(token.size() == 64);
  CHECK(token.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(make_token() != token);
}

}  // namespace
}  // namespace sluice
