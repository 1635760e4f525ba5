#include "session/log_requests.h"

#include <fstream>

#include <doctest/doctest.h>

#include "session/log_tail.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("log_requests: each agent is asked until it has answered, and nothing counts twice") {
  LogRequests requests;
  const int64_t id = *requests.ask("0123456789ab", 20, {"a", "b"});
  CHECK(requests.orders_of("c").empty());
  REQUIRE(requests.orders_of("a").size() == 1);
  CHECK(requests.orders_of("a")[0].job == "0123456789ab");
  CHECK(requests.orders_of("a")[0].lines_max == 20);
  requests.take("a", {id, {"one"}});
  CHECK(requests.orders_of("a").empty());
  requests.take("a", {id, {"one"}});
  requests.take("c", {id, {"of somebody who was not asked"}});
  CHECK_FALSE(requests.is_complete(id));
  CHECK(requests.orders_of("b").size() == 1);
  requests.take("b", {id, {"two", "three"}});
  CHECK(requests.is_complete(id));
  CHECK(requests.finish(id) == Lines{"one", "two", "three"});
  requests.take("b", {id, {"late"}});
}

TEST_CASE("log_requests: who does not wait any longer takes what has come") {
  LogRequests requests;
  const int64_t id = *requests.ask("0123456789ab", 20, {"a", "b"});
  requests.take("b", {id, {"two"}});
  CHECK(requests.finish(id) == Lines{"two"});
  CHECK(requests.orders_of("a").empty());
}

TEST_CASE("log_requests: there is a limit of requests and of lines") {
  LogRequests requests;
  const int64_t id = *requests.ask("0123456789ab", 1 << 30, {"a"});
  CHECK(requests.orders_of("a")[0].lines_max == kLogLinesMax);
  for (size_t i = 1; i < LogRequests::kRequestsMax; ++i) {
    CHECK(requests.ask("0123456789ab", 1, {"a"}).is_ok());
  }
  CHECK(requests.ask("0123456789ab", 1, {"a"}).status().code() == StatusCode::kResourceExhausted);
  requests.finish(id);
  CHECK(requests.ask("0123456789ab", 1, {"a"}).is_ok());
}

TEST_CASE("log_tail: the ends of all logs of a directory, the newest lines within a limit") {
  const ScratchDirectory scratch;
  for (const char* log : {"worker-1.log", "worker-0.log", "notes.txt"}) {
    std::ofstream file(scratch.path() + "/" + log);
    for (int line = 0; line < 5; ++line) file << "line " << line << "\n";
  }
  CHECK(tail_of_logs(scratch.path(), 2, 1000) ==
        Lines{"worker-0: line 3", "worker-0: line 4", "worker-1: line 3", "worker-1: line 4"});
  CHECK(tail_of_logs(scratch.path(), 2, 20) == Lines{"worker-1: line 4"});
  CHECK(tail_of_logs(scratch.path() + "/absent", 2, 1000).empty());
}

}  // namespace
}  // namespace sluice
