#include "control/endpoint_file.h"

#include <cstdlib>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

ControlEndpoint some_endpoint() {
  ControlEndpoint endpoint;
  endpoint.job = "bids";
  endpoint.host = "127.0.0.1";
  endpoint.port = 4711;
  endpoint.read_token = "look";
  endpoint.operate_token = "steer";
  return endpoint;
}

TEST_CASE("endpoint file: found while it is announced, readable by this user alone") {
  const ScratchDirectory scratch;
  {
    const auto file = EndpointFile::announce(scratch.path(), some_endpoint());
    REQUIRE_MESSAGE(file.is_ok(), file.status().to_string());
    const auto found = find_endpoints(scratch.path());
    REQUIRE(found.is_ok());
    REQUIRE(found->size() == 1);
    CHECK((*found)[0].pid == ::getpid());
    CHECK((*found)[0].job == "bids");
    CHECK((*found)[0].port == 4711);
    CHECK((*found)[0].operate_token == "steer");
    struct stat status {};
    const std::string path = scratch.path() + "/" + std::to_string(::getpid()) + ".json";
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
  CHECK(find_endpoints(scratch.path())->empty());
}

TEST_CASE("endpoint file: what a dead process left is removed, also when its id was reused") {
  const ScratchDirectory scratch;
  const auto leave = [&](int64_t pid, int64_t start) {
    std::string path = scratch.path() + "/" + std::to_string(pid) + ".json";
    std::ofstream(path) << R"({"pid":)" << pid << R"(,"process_start":)" << start
                        << R"(,"job":"j","host":"127.0.0.1","port":1,"read_token":"a",)"
                        << R"("operate_token":"b"})";
    return path;
  };
  const std::string reused = leave(::getpid(), 1);
  const std::string gone = leave(999'999'999, 1);
  std::ofstream(scratch.path() + "/half.json") << R"({"pid":)";
  CHECK(find_endpoints(scratch.path())->empty());
  CHECK(::access(reused.c_str(), F_OK) != 0);
  CHECK(::access(gone.c_str(), F_OK) != 0);
}

TEST_CASE("endpoint file: a runtime directory that others may enter is refused") {
  const ScratchDirectory scratch;
  const std::string open = scratch.path() + "/open";
  REQUIRE(::mkdir(open.c_str(), 0755) == 0);
  REQUIRE(::chmod(open.c_str(), 0755) == 0);
  ::setenv("SLUICE_RUNTIME_DIR", open.c_str(), 1);
  CHECK_FALSE(runtime_directory().is_ok());
  const std::string link = scratch.path() + "/link";
  const std::string closed = scratch.path() + "/closed";
  ::setenv("SLUICE_RUNTIME_DIR", closed.c_str(), 1);
  REQUIRE(runtime_directory().is_ok());
  CHECK(*runtime_directory() == closed);
  REQUIRE(::symlink(closed.c_str(), link.c_str()) == 0);
  ::setenv("SLUICE_RUNTIME_DIR", link.c_str(), 1);
  CHECK_FALSE(runtime_directory().is_ok());
  ::unsetenv("SLUICE_RUNTIME_DIR");
}

}  // namespace
}  // namespace sluice
