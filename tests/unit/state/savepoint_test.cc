#include "state/savepoint.h"

#include <doctest/doctest.h>

#include "core/memory_file_system.h"

namespace sluice {
namespace {

/// A checkpoint whose only subtask has a base and a delta, and a union item.
CheckpointMetadata make_checkpoint(FileSystem& files) {
  REQUIRE(files.make_directories("/c/shared").is_ok());
  CheckpointMetadata metadata;
  metadata.id = CheckpointId{2};
  SnapshotChain chain;
  for (int link = 0; link < 2; ++link) {
    const SnapshotIdentity identity{
        .checkpoint = {link + 1}, .operator_uid = "op", .is_delta = link > 0};
    SnapshotFileWriter writer(files, "/c/shared/" + std::to_string(link), identity,
                              {.inline_bytes_max = 0});
    REQUIRE(writer.begin_keyed_state("s", "(text,text)").is_ok());
    REQUIRE(writer.put(3, link == 0 ? "old" : "new", "value").is_ok());
    if (link == 1) REQUIRE(writer.erase(3, "old").is_ok());
    REQUIRE(writer.add_item("u", Redistribution::kUnion, "item " + std::to_string(link)).is_ok());
    chain.files.push_back(*writer.finish());
  }
  metadata.operators.push_back({"op", {"op", kDefaultMaxParallelism, {chain}}});
  return metadata;
}

}  // namespace

TEST_CASE("savepoint: a copy of an incremental checkpoint stands alone and can be moved") {
  MemoryFileSystem files;
  const CheckpointMetadata checkpoint = make_checkpoint(files);
  const auto copied = copy_as_savepoint(files, checkpoint, "/s/one");
  REQUIRE_MESSAGE(copied.is_ok(), copied.status().to_string());
  REQUIRE(files.remove_recursively("/c").is_ok());
  const auto written = files.list("/s/one");
  for (const FileInfo& file : *written) {
    files.put("/moved/" + std::string(file_name(file.path)), *files.read_file(file.path));
  }
  const auto metadata = load_metadata(files, "/moved");
  REQUIRE_MESSAGE(metadata.is_ok(), metadata.status().to_string());
  CHECK(metadata->purpose == SnapshotPurpose::kSavepoint);
  CHECK(validate_checkpoint(files, *metadata, Validation::kContents).is_ok());
  auto reader = ChainedSnapshotReader::open(files, metadata->operators[0].chains, 0, 1);
  REQUIRE_MESSAGE(reader.is_ok(), reader.status().to_string());
  std::vector<std::string> keys;
  REQUIRE((*reader)
              ->visit_keyed_state("s",
                                  [&](int, std::string_view key, std::string_view) {
                                    keys.emplace_back(key);
                                    return Status::ok();
                                  })
              .is_ok());
  CHECK(keys == std::vector<std::string>{"new"});
  CHECK((*reader)->items("u") == std::vector<std::string>{"item 1"});
}

TEST_CASE("savepoint: a directory with something in it is refused") {
  MemoryFileSystem files;
  files.put("/s/one/note", "mine");
  const auto copied = copy_as_savepoint(files, make_checkpoint(files), "/s/one");
  CHECK(copied.status().code() == StatusCode::kAlreadyExists);
  CHECK(copied.status().message().find("/s/one") != std::string::npos);
}

TEST_CASE("savepoint: dispose deletes what belongs to it and nothing else") {
  MemoryFileSystem files;
  const CheckpointMetadata checkpoint = make_checkpoint(files);
  REQUIRE(copy_as_savepoint(files, checkpoint, "/s/one").is_ok());
  REQUIRE(copy_as_savepoint(files, checkpoint, "/s/two").is_ok());
  files.put("/s/two/note", "mine");
  REQUIRE(dispose_savepoint(files, "/s/one").is_ok());
  CHECK_FALSE(files.exists("/s/one").value());
  REQUIRE(dispose_savepoint(files, "/s/two").is_ok());
  CHECK(files.list("/s/two")->size() == 1);
  CHECK(dispose_savepoint(files, "/s/two").code() == StatusCode::kNotFound);
  REQUIRE(publish_metadata(files, checkpoint, "/c/chk-2").is_ok());
  CHECK(dispose_savepoint(files, "/c/chk-2").code() == StatusCode::kFailedPrecondition);
  CHECK(files.exists("/c/shared/0").value());
}

}  // namespace sluice
