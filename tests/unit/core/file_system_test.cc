#include "core/file_system.h"

#include <cerrno>
#include <functional>

#include <doctest/doctest.h>

#include "core/memory_file_system.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

// Runs the same test on the disk and in memory.
void on_both(const std::function<void(FileSystem&, const std::string& root)>& body) {
  const ScratchDirectory scratch;
  SUBCASE("local") { body(local_file_system(), scratch.path()); }
  SUBCASE("memory") {
    MemoryFileSystem files;
    REQUIRE(files.make_directories("/disk").is_ok());
    body(files, "/disk");
  }
}

void write(FileSystem& files, const std::string& path, std::string_view content,
           WriteMode mode = WriteMode::kTruncate) {
  auto file = files.open_write(path, mode);
  REQUIRE(file.is_ok());
  REQUIRE((*file)->append(content).is_ok());
  REQUIRE((*file)->close().is_ok());
}

std::vector<std::string> paths_of(const Result<std::vector<FileInfo>>& found) {
  REQUIRE(found.is_ok());
  std::vector<std::string> paths;
  for (const auto& info : *found) paths.push_back(info.path);
  return paths;
}

TEST_CASE("paths are joined and taken apart") {
  CHECK(join_path("a", "b") == "a/b");
  CHECK(join_path("a/", "b") == "a/b");
  CHECK(join_path("", "b") == "b");
  CHECK(join_path("a", "/b") == "/b");
  CHECK(parent_path("a/b/c") == "a/b");
  CHECK(parent_path("a/b/") == "a");
  CHECK(parent_path("c") == ".");
  CHECK(parent_path("/c") == "/");
  CHECK(parent_path("/") == "/");
  CHECK(file_name("a/b/c") == "c");
  CHECK(file_name("a/b/") == "b");
  CHECK(file_name("c") == "c");
  CHECK(file_name("/") == "/");
}

TEST_CASE("a file is written, appended to and read at any offset") {
  on_both([](FileSystem& files, const std::string& root) {
    const std::string path = join_path(root, "f");
    write(files, path, "hello ");
    write(files, path, "world", WriteMode::kAppend);
    CHECK(files.read_file(path).value() == "hello world");
    auto file = files.open_read(path);
    REQUIRE(file.is_ok());
    char bytes[16];
    CHECK((*file)->pread(6, bytes, 3).value() == 3);
    CHECK(std::string_view(bytes, 3) == "wor");
    CHECK((*file)->pread(6, bytes, 16).value() == 5);
    CHECK((*file)->pread(11, bytes, 16).value() == 0);
    CHECK((*file)->pread(100, bytes, 16).value() == 0);
    write(files, path, "x");
    CHECK(files.stat(path)->size == 1);
  });
}

TEST_CASE("errors name the path and the system's reason") {
  on_both([](FileSystem& files, const std::string& root) {
    const std::string missing = join_path(root, "missing");
    const Status status = files.open_read(missing).status();
    CHECK(status.code() == StatusCode::kNotFound);
    CHECK(status.message() == "open " + missing + ": No such file or directory");
    CHECK(files.open_read(root).status().code() == StatusCode::kIoError);
    CHECK(files.stat(missing).status().code() == StatusCode::kNotFound);
    CHECK(files.list(missing).status().code() == StatusCode::kNotFound);
    CHECK(files.open_write(join_path(missing, "f"), WriteMode::kTruncate).status().code() ==
          StatusCode::kNotFound);
    CHECK(files.exists(missing).value() == false);
    CHECK(files.exists(root).value() == true);
  });
}

TEST_CASE("kCreateNew and rename_new never replace a file") {
  on_both([](FileSystem& files, const std::string& root) {
    const std::string a = join_path(root, "a");
    const std::string b = join_path(root, "b");
    write(files, a, "a", WriteMode::kCreateNew);
    CHECK(files.open_write(a, WriteMode::kCreateNew).status().code() == StatusCode::kAlreadyExists);
    write(files, b, "b");
    CHECK(files.rename_new(a, b).code() == StatusCode::kAlreadyExists);
    CHECK(files.read_file(b).value() == "b");
    CHECK(files.rename_new(a, join_path(root, "c")).is_ok());
    CHECK(files.rename_new(a, join_path(root, "d")).code() == StatusCode::kNotFound);
    CHECK(files.rename(join_path(root, "c"), b).is_ok());
    CHECK(files.read_file(b).value() == "a");
  });
}

TEST_CASE("listings are sorted, recursive ones give files only") {
  on_both([](FileSystem& files, const std::string& root) {
    REQUIRE(files.make_directories(join_path(root, "z/deep")).is_ok());
    REQUIRE(files.make_directories(join_path(root, "z/deep")).is_ok());
    REQUIRE(files.make_directories(join_path(root, "empty")).is_ok());
    write(files, join_path(root, "m"), "1");
    write(files, join_path(root, "b"), "22");
    write(files, join_path(root, "z/deep/f"), "333");
    CHECK(paths_of(files.list(root)) ==
          std::vector<std::string>{join_path(root, "b"), join_path(root, "empty"),
                                   join_path(root, "m"), join_path(root, "z")});
    CHECK(paths_of(files.list_recursively(root)) ==
          std::vector<std::string>{join_path(root, "b"), join_path(root, "m"),
                                   join_path(root, "z/deep/f")});
    CHECK(files.remove(join_path(root, "z")).is_ok() == false);
    CHECK(files.make_directories(join_path(root, "m/below")).is_ok() == false);
    CHECK(files.remove_recursively(join_path(root, "z")).is_ok());
    CHECK(files.remove_recursively(join_path(root, "z")).is_ok());
    CHECK(files.exists(join_path(root, "z")).value() == false);
  });
}

TEST_CASE("an atomic write replaces the content and leaves no temporary") {
  on_both([](FileSystem& files, const std::string& root) {
    const std::string path = join_path(root, "f");
    CHECK(files.write_file_atomically(path, "one").is_ok());
    CHECK(files.write_file_atomically(path, std::string(200'000, 'x')).is_ok());
    CHECK(files.read_file(path).value() == std::string(200'000, 'x'));
    CHECK(paths_of(files.list(root)).size() == 1);
  });
}

TEST_CASE("a full disk is resource exhausted and names the file") {
  auto full = local_file_system().open_write("/dev/full", WriteMode::kAppend);
  REQUIRE(full.is_ok());
  const Status status = (*full)->append("x");
  CHECK(status.code() == StatusCode::kResourceExhausted);
  CHECK(status.message() == "write /dev/full: No space left on device");
}

TEST_CASE("memory_file_system: power loss keeps synced bytes under synced names only") {
  MemoryFileSystem files;
  REQUIRE(files.make_directories("d").is_ok());
  auto file = files.open_write("d/f", WriteMode::kTruncate);
  REQUIRE((*file)->append("kept").is_ok());
  REQUIRE((*file)->sync().is_ok());
  REQUIRE((*file)->append(" lost").is_ok());
  SUBCASE("the name was not synced") {
    files.lose_unsynced();
    CHECK(files.exists("d/f").value() == false);
  }
  SUBCASE("the name was synced") {
    REQUIRE(files.sync_directory("d").is_ok());
    files.lose_unsynced();
    CHECK(files.read_file("d/f").value() == "kept");
    REQUIRE((*file)->append("by a dead process").is_ok());
    CHECK(files.read_file("d/f").value() == "kept");
  }
  SUBCASE("an unsynced rename is undone") {
    REQUIRE(files.sync_directory("d").is_ok());
    REQUIRE(files.rename("d/f", "d/g").is_ok());
    files.lose_unsynced();
    CHECK(files.exists("d/g").value() == false);
    CHECK(files.read_file("d/f").value() == "kept");
  }
  SUBCASE("an unsynced removal is undone") {
    REQUIRE(files.sync_directory("d").is_ok());
    REQUIRE(files.remove("d/f").is_ok());
    files.lose_unsynced();
    CHECK(files.read_file("d/f").value() == "kept");
  }
  SUBCASE("a synced rename stays") {
    REQUIRE(files.rename("d/f", "d/g").is_ok());
    REQUIRE(files.sync_directory("d").is_ok());
    files.lose_unsynced();
    CHECK(files.read_file("d/g").value() == "kept");
    CHECK(files.exists("d/f").value() == false);
  }
}

TEST_CASE("memory_file_system: an atomic write survives power loss whole, at any failing step") {
  for (int failing = 0; failing < 6; ++failing) {
    MemoryFileSystem files;
    REQUIRE(files.write_file_atomically("f", "old").is_ok());
    int step = 0;
    files.set_fault([&](FileOperation, const std::string&) { return step++ == failing ? EIO : 0; });
    const Status status = files.write_file_atomically("f", "new");
    files.set_fault(nullptr);
    files.lose_unsynced();
    const std::string content = files.read_file("f").value();
    if (status.is_ok()) {
      CHECK(content == "new");
    } else {
      CHECK(status.code() == StatusCode::kIoError);
      CHECK((content == "old" || content == "new"));
    }
  }
}

TEST_CASE("memory_file_system: a full disk takes what fits") {
  MemoryFileSystem files;
  files.set_capacity_bytes(10);
  auto file = files.open_write("f", WriteMode::kTruncate);
  CHECK((*file)->append("1234567").is_ok());
  const Status status = (*file)->append("89abc");
  CHECK(status.code() == StatusCode::kResourceExhausted);
  CHECK(status.message().find("f: No space left on device") != std::string::npos);
  CHECK(files.read_file("f").value() == "123456789a");
}

TEST_CASE("memory_file_system: a fault hits the chosen operation") {
  MemoryFileSystem files;
  files.put("d/f", "x");
  files.set_fault([](FileOperation operation, const std::string& path) {
    return operation == FileOperation::kRead && path == "d/f" ? EIO : 0;
  });
  const Status status = files.read_file("d/f").status();
  CHECK(status.code() == StatusCode::kIoError);
  CHECK(status.message() == "read d/f: Input/output error");
  CHECK(files.stat("d/f").is_ok());
}

}  // namespace
}  // namespace sluice
