#include "state/local_state_directory.h"

#include <sys/stat.h>

#include <doctest/doctest.h>

#include "core/file_system.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

size_t directories_in(const std::string& root) {
  return local_file_system().list(root).value().size();
}

unsigned mode_of(const std::string& path) {
  struct ::stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777U;
}

}  // namespace

TEST_CASE("directory lock: the first run closes the directory to others, and only the first") {
  const ScratchDirectory scratch;
  const std::string directory = scratch / "job";
  REQUIRE(local_file_system().make_directories(directory).is_ok());
  REQUIRE(::chmod(directory.c_str(), 0755) == 0);
  REQUIRE(DirectoryLock::acquire(directory).is_ok());
  CHECK(mode_of(directory) == 0700);
  CHECK(mode_of(join_path(directory, "_lock")) == 0600);
  // Opened to a group by its owner.
  REQUIRE(::chmod(directory.c_str(), 0750) == 0);
  REQUIRE(DirectoryLock::acquire(directory).is_ok());
  CHECK(mode_of(directory) == 0750);
}

TEST_CASE("local state: two runs never share a directory, and it goes with the run") {
  const ScratchDirectory scratch;
  const std::string root = scratch / "state";
  {
    const auto first = LocalStateDirectory::create(root).value();
    const auto second = LocalStateDirectory::create(root).value();
    CHECK(first->path() != second->path());
    CHECK(directories_in(root) == 2);
    CHECK_FALSE(DirectoryLock::acquire(first->path()).is_ok());
  }
  CHECK(directories_in(root) == 0);
}

TEST_CASE("local state: what a dead run left behind is removed, what a living one holds is not") {
  const ScratchDirectory scratch;
  const std::string root = scratch / "state";
  FileSystem& files = local_file_system();
  const std::string dead = join_path(root, "run-1-abcdef");
  REQUIRE(files.make_directories(join_path(dead, "0-task")).is_ok());
  REQUIRE(files.write_file_atomically(join_path(dead, "0-task/file"), "left").is_ok());
  const std::string foreign = join_path(root, "somebody's");
  REQUIRE(files.make_directories(foreign).is_ok());
  const auto living = LocalStateDirectory::create(root).value();
  const auto next = LocalStateDirectory::create(root).value();
  CHECK_FALSE(*files.exists(dead));
  CHECK(*files.exists(foreign));
  CHECK(*files.exists(living->path()));
}

TEST_CASE("local state: a root that cannot be made is an error that names it") {
  const ScratchDirectory scratch;
  const std::string file = scratch / "file";
  REQUIRE(local_file_system().write_file_atomically(file, "x").is_ok());
  const auto refused = LocalStateDirectory::create(join_path(file, "state"));
  CHECK(refused.status().message().find(file) != std::string::npos);
}

}  // namespace sluice
