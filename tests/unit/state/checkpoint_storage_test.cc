#include "state/checkpoint_storage.h"

#include <doctest/doctest.h>

#include "core/memory_file_system.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

constexpr const char* kDirectory = "/checkpoints/job";

/// Takes checkpoints of one operator with one subtask, each with a file of its own and optionally
/// the chain of the one before.
struct Fixture {
  MemoryFileSystem files;
  std::unique_ptr<CheckpointStorage> storage;
  CheckpointStorageOptions options{.retained = 1, .lock = false};
  CheckpointIds ids{{1}, {1}};
  SnapshotChain chain;

  void open() {
    storage.reset();
    auto opened = CheckpointStorage::open(files, kDirectory, options);
    REQUIRE_MESSAGE(opened.is_ok(), opened.status().to_string());
    storage = std::move(*opened);
    ids = {};
  }
  CheckpointId next_id() {
    if (ids.first == ids.end) {
      auto block = storage->reserve_ids();
      REQUIRE(block.is_ok());
      ids = *block;
    }
    return CheckpointId{ids.first.value++};
  }
  SnapshotFile write_state(CheckpointId id, bool is_delta) {
    const SnapshotIdentity identity{.checkpoint = id, .operator_uid = "op", .is_delta = is_delta};
    SnapshotFileWriter writer(files, storage->state_path(id, "op", 0, 0), identity,
                              {.inline_bytes_max = 0});
    REQUIRE(writer.begin_keyed_state("s", "x").is_ok());
    REQUIRE(writer.put(0, "key", "value of " + std::to_string(id.value)).is_ok());
    auto file = writer.finish();
    REQUIRE_MESSAGE(file.is_ok(), file.status().to_string());
    return *file;
  }
  CheckpointMetadata metadata_of(CheckpointId id) {
    CheckpointMetadata metadata;
    metadata.id = id;
    metadata.job_name = "job";
    metadata.operators.push_back({"op", {"op", kDefaultMaxParallelism, {chain}}});
    return metadata;
  }
  CheckpointId take(bool incremental = false) {
    const CheckpointId id = next_id();
    if (!incremental) chain.files.clear();
    chain.files.push_back(write_state(id, incremental));
    const Status published = storage->publish(metadata_of(id));
    REQUIRE_MESSAGE(published.is_ok(), published.to_string());
    REQUIRE(storage->clean({}).is_ok());
    return id;
  }
  size_t shared_files() { return files.list(std::string(kDirectory) + "/shared")->size(); }
  std::optional<CheckpointId> latest() {
    auto found = storage->find_latest();
    REQUIRE_MESSAGE(found.is_ok(), found.status().to_string());
    if (!found->checkpoint) return std::nullopt;
    return found->checkpoint->id;
  }
  /// Another process would find the same one.
  void open_again_keeps(CheckpointId id) {
    auto other = CheckpointStorage::open(files, kDirectory, options);
    REQUIRE(other.is_ok());
    const auto found = (*other)->find_latest();
    REQUIRE_MESSAGE(found.is_ok(), found.status().to_string());
    REQUIRE(found->checkpoint.has_value());
    CHECK(found->checkpoint->id == id);
  }
  std::string state_file_of(CheckpointId id) { return storage->state_path(id, "op", 0, 0); }
  void flip_bit(const std::string& path) {
    std::string bytes = *files.read_file(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    files.put(path, bytes);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "checkpoint_metadata: everything comes back, paths follow the directory") {
  open();
  const CheckpointId id = next_id();
  chain.files.push_back(write_state(id, false));
  SnapshotFile small;
  small.identity = {.checkpoint = id, .operator_uid = "op", .subtask = 1, .parallelism = 2};
  small.inline_bytes = "inline";
  small.size = 6;
  small.crc32c = 0;
  CheckpointMetadata metadata = metadata_of(id);
  metadata.sluice_version = "9.9";
  metadata.job_id = "run-1";
  metadata.purpose = SnapshotPurpose::kSavepoint;
  metadata.triggered_ms = 1234;
  metadata.duration_ms = 56;
  metadata.drained = true;
  metadata.graph_fingerprint = "f00";
  metadata.operators[0].chains.subtasks[0].finished = true;
  metadata.coordinators.push_back({"source", "enumerator", std::string("a\0b", 3)});
  metadata.options["k"] = "v";
  const std::string bytes = encode_metadata(metadata, "/checkpoints/job/chk-1");
  auto decoded = decode_metadata(bytes, "/elsewhere/job/chk-1/_metadata");
  REQUIRE_MESSAGE(decoded.is_ok(), decoded.status().to_string());
  CHECK(decoded->sluice_version == "9.9");
  CHECK(decoded->job_name == "job");
  CHECK(decoded->job_id == "run-1");
  CHECK(decoded->id == id);
  CHECK(decoded->purpose == SnapshotPurpose::kSavepoint);
  CHECK(decoded->triggered_ms == 1234);
  CHECK(decoded->duration_ms == 56);
  CHECK(decoded->drained);
  CHECK(decoded->graph_fingerprint == "f00");
  CHECK(decoded->find_coordinator("source", "enumerator")->state == std::string("a\0b", 3));
  CHECK(decoded->options.at("k") == "v");
  const OperatorState* op = decoded->find_operator("op");
  REQUIRE(op != nullptr);
  CHECK(op->is_finished());
  const SnapshotFile& file = op->chains.subtasks[0].files[0];
  CHECK(file.path.rfind("/elsewhere/job/shared/chk-1-", 0) == 0);
  CHECK(file.identity == chain.files[0].identity);
  CHECK(file.crc32c == chain.files[0].crc32c);
  CHECK(encode_metadata(*decoded, "/elsewhere/job/chk-1") == bytes);
}

TEST_CASE_FIXTURE(Fixture, "checkpoint_metadata: no damaged byte goes unnoticed") {
  open();
  chain.files.push_back(write_state(next_id(), false));
  const std::string good = encode_metadata(metadata_of({1}), "/c/chk-1");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    const auto decoded = decode_metadata(bad, "/c/chk-1/_metadata");
    REQUIRE_FALSE(decoded.is_ok());
    CHECK(decoded.status().message().find("/c/chk-1/_metadata") != std::string::npos);
    REQUIRE_FALSE(decode_metadata(good.substr(0, i), "m").is_ok());
  }
  CHECK_FALSE(decode_metadata(good + "x", "m").is_ok());
}

TEST_CASE_FIXTURE(Fixture,
                  "semantics rule 26: ids never repeat, also those of aborted checkpoints") {
  open();
  std::set<int64_t> seen;
  for (int run = 0; run < 5; ++run) {
    for (int i = 0; i < 20; ++i) {
      CHECK(seen.insert(next_id().value).second);  // Most are never published.
    }
    if (run % 2 == 0) CHECK(take() >= CheckpointId{1});
    if (run % 2 == 0) seen.insert(storage->newest_complete().value);
    files.lose_unsynced();
    open();
  }
}

TEST_CASE_FIXTURE(Fixture, "checkpoint_storage: ids given back at a clean end leave no gap") {
  open();
  CHECK(take() == CheckpointId{1});
  REQUIRE(storage->release_ids({2}).is_ok());
  open();
  CHECK(next_id() == CheckpointId{2});
}

TEST_CASE_FIXTURE(Fixture,
                  "checkpoint_storage: a published checkpoint survives the loss of power") {
  open();
  const CheckpointId id = take();
  files.lose_unsynced();
  open();
  CHECK(latest() == id);
}

TEST_CASE_FIXTURE(Fixture, "semantics rule 27: files shared with a newer checkpoint are kept") {
  open();
  take(false);
  take(true);
  take(true);
  CHECK(storage->complete().size() == 1);
  CHECK(shared_files() == 3);
  // Recovery registers everything before it deletes.
  open();
  const CheckpointId restored = *latest();
  REQUIRE(storage->begin_continued_run(restored).is_ok());
  REQUIRE(storage->clean({}).is_ok());
  CHECK(shared_files() == 3);
  CHECK(latest() == restored);
  take(false);
  CHECK(shared_files() == 1);
}

TEST_CASE_FIXTURE(
    Fixture, "checkpoint_storage: what is taken after a restart within the run is its newest") {
  open();
  REQUIRE(storage->begin_fresh_run().is_ok());
  take();
  for (int restart = 0; restart < 3; ++restart) {
    const auto restored = latest();
    REQUIRE(restored.has_value());
    REQUIRE(storage->begin_continued_run(*restored).is_ok());
    // Ids of the block that was reserved before the restart.
    const CheckpointId next = take();
    CHECK(latest() == next);
    open_again_keeps(next);
  }
}

TEST_CASE_FIXTURE(Fixture, "checkpoint_storage: as many as wanted are retained") {
  options.retained = 3;
  open();
  for (int i = 0; i < 7; ++i) take(i % 2 == 1);
  const auto complete = storage->complete();
  REQUIRE(complete.size() == 3);
  CHECK(complete[0].id == CheckpointId{5});
  CHECK(complete[2].id == CheckpointId{7});
  for (const auto& stored : complete) {
    auto metadata = load_metadata(files, stored.directory);
    REQUIRE(metadata.is_ok());
    CHECK(validate_checkpoint(files, *metadata, Validation::kContents).is_ok());
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "invariant I10: leftovers of unfinished checkpoints go, pending ones stay") {
  open();
  const CheckpointId crashed = next_id();
  write_state(crashed, false);
  open();
  REQUIRE(storage->begin_fresh_run().is_ok());
  CHECK(shared_files() == 1);
  const CheckpointId pending = next_id();
  const SnapshotFile half = write_state(pending, false);
  const CheckpointId done = next_id();
  chain.files = {write_state(done, false)};
  REQUIRE(storage->publish(metadata_of(done)).is_ok());
  REQUIRE(storage->clean({pending}).is_ok());
  CHECK(shared_files() == 2);
  CHECK(files.exists(half.path).value());
  REQUIRE(storage->discard(pending).is_ok());
  CHECK(shared_files() == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "fault F16: a damaged newest checkpoint is named and the one before is used") {
  options.retained = 2;
  const char* const kinds[] = {"flip state", "flip metadata", "truncate", "delete state",
                               "delete metadata"};
  for (const std::string kind : kinds) {
    CAPTURE(kind);
    REQUIRE(files.remove_recursively("/checkpoints").is_ok());
    open();
    const CheckpointId older = take();
    const CheckpointId newest = take();
    const std::string state = state_file_of(newest);
    const std::string metadata =
        std::string(kDirectory) + "/chk-" + std::to_string(newest.value) + "/_metadata";
    std::string damaged = state;
    if (kind == "flip state") flip_bit(state);
    if (kind == "truncate") files.put(state, files.read_file(state)->substr(0, 60));
    if (kind == "delete state") REQUIRE(files.remove(state).is_ok());
    if (kind == "flip metadata") flip_bit(damaged = metadata);
    if (kind == "delete metadata") REQUIRE(files.remove(damaged = metadata).is_ok());
    open();
    auto found = storage->find_latest();
    REQUIRE_MESSAGE(found.is_ok(), found.status().to_string());
    REQUIRE(found->checkpoint);
    CHECK(found->checkpoint->id == older);
    REQUIRE(found->damaged.size() == 1);
    CHECK(found->damaged[0].message().find(damaged) != std::string::npos);
    // The run goes on from the older one: the damaged one is never `latest` again and is removed.
    REQUIRE(storage->begin_continued_run(older).is_ok());
    open();
    CHECK(latest() == older);
    REQUIRE(storage->begin_continued_run(older).is_ok());
    const CheckpointId next = take();
    CHECK(latest() == next);
    CHECK_FALSE(files.exists(metadata).value());
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "regression R2: latest never starts from nothing where checkpoints existed") {
  open();
  CHECK_FALSE(latest());
  const CheckpointId id = take();
  SUBCASE("damaged") { flip_bit(state_file_of(id)); }
  SUBCASE("deleted whole") {
    REQUIRE(files.remove_recursively(std::string(kDirectory) + "/chk-1").is_ok());
  }
  open();
  const auto found = storage->find_latest();
  REQUIRE_FALSE(found.is_ok());
  CHECK(found.status().message().find("checkpoint 1 was completed") != std::string::npos);
  // Unless the user says so.
  REQUIRE(storage->begin_fresh_run().is_ok());
  open();
  CHECK_FALSE(latest());
}

TEST_CASE_FIXTURE(Fixture,
                  "checkpoint_storage: a crash before the first complete checkpoint starts over") {
  open();
  REQUIRE(storage->begin_fresh_run().is_ok());
  const CheckpointId id = next_id();
  chain.files = {write_state(id, false)};
  const std::string directory = std::string(kDirectory) + "/chk-" + std::to_string(id.value);
  REQUIRE(files.make_directories(directory).is_ok());
  files.put(directory + "/_metadata.tmp", "half of it");
  open();
  CHECK_FALSE(latest());
}

TEST_CASE_FIXTURE(Fixture,
                  "checkpoint_storage: a fresh run neither continues nor deletes an earlier run") {
  open();
  const CheckpointId old = take();
  open();
  REQUIRE(storage->begin_fresh_run().is_ok());
  CHECK_FALSE(latest());
  open();
  CHECK_FALSE(latest());
  const CheckpointId mine = take();
  CHECK(mine > old);
  take();
  CHECK(storage->complete().size() == 2);
  CHECK(load_metadata(files, std::string(kDirectory) + "/chk-1").is_ok());
  CHECK(latest() > mine);
}

TEST_CASE_FIXTURE(Fixture, "checkpoint_storage: checkpoints after the one restored are abandoned") {
  options.retained = 3;
  open();
  const CheckpointId first = take();
  take();
  take();
  open();
  REQUIRE(storage->begin_continued_run(first).is_ok());
  open();
  CHECK(latest() == first);
  REQUIRE(storage->begin_continued_run(first).is_ok());
  const CheckpointId next = take();
  CHECK(latest() == next);
  CHECK(storage->complete().size() == 2);
}

TEST_CASE_FIXTURE(
    Fixture,
    "faults F13 and F14: a checkpoint that cannot be written is refused, the old one stays") {
  open();
  const CheckpointId good = take();
  for (const int error : {ENOSPC, EIO}) {
    for (const auto operation : {FileOperation::kAppend, FileOperation::kSync,
                                 FileOperation::kRename, FileOperation::kSyncDirectory,
                                 FileOperation::kMakeDirectory, FileOperation::kOpenWrite}) {
      const CheckpointId id = next_id();
      chain.files = {write_state(id, false)};
      files.set_fault(
          [&](FileOperation op, const std::string&) { return op == operation ? error : 0; });
      const Status published = storage->publish(metadata_of(id));
      files.set_fault(nullptr);
      CHECK(published.code() ==
            (error == ENOSPC ? StatusCode::kResourceExhausted : StatusCode::kIoError));
      CHECK(published.message().find(kDirectory) != std::string::npos);
      REQUIRE(storage->discard(id).is_ok());
      CHECK(shared_files() == 1);
      CHECK(storage->newest_complete() == good);
    }
  }
  files.lose_unsynced();
  open();
  CHECK(latest() == good);
}

TEST_CASE_FIXTURE(Fixture,
                  "checkpoint_storage: a run that is deleted leaves nothing to go on from") {
  options.retained = 2;
  open();
  REQUIRE(storage->begin_fresh_run().is_ok());
  take();
  take(true);
  const CheckpointId newest = take(true);
  const CheckpointId unfinished = next_id();
  write_state(unfinished, false);
  const std::string directory = std::string(kDirectory) + "/chk-" + std::to_string(newest.value);
  REQUIRE(files.make_directories(directory + "1").is_ok());
  files.put(directory + "1/_metadata.tmp", "half of it");
  REQUIRE(storage->delete_run().is_ok());
  CHECK(shared_files() == 0);
  CHECK_FALSE(files.exists(directory).value());
  CHECK_FALSE(files.exists(directory + "1").value());
  files.lose_unsynced();
  open();
  CHECK(storage->complete().empty());
  CHECK_FALSE(latest());
  CHECK_FALSE(storage->was_used());
  // The next run is one as any other, with new numbers.
  REQUIRE(storage->begin_fresh_run().is_ok());
  const CheckpointId next = take();
  CHECK(next > unfinished);
  open();
  CHECK(storage->was_used());
  CHECK(latest() == next);
}

TEST_CASE_FIXTURE(Fixture,
                  "checkpoint_storage: deleting a run spares earlier runs and files elsewhere") {
  open();
  const CheckpointId earlier = take();
  open();
  REQUIRE(storage->begin_fresh_run().is_ok());
  const CheckpointId adopted = next_id();
  SnapshotFile saved = write_state(adopted, false);
  REQUIRE(files.make_directories("/savepoint").is_ok());
  files.put("/savepoint/state-0", *files.read_file(saved.path));
  REQUIRE(files.remove(saved.path).is_ok());
  saved.path = "/savepoint/state-0";
  chain.files = {saved};
  REQUIRE(storage->publish(metadata_of(adopted)).is_ok());
  take(true);
  REQUIRE(storage->delete_run().is_ok());
  CHECK(files.exists("/savepoint/state-0").value());
  CHECK(shared_files() == 1);
  open();
  CHECK_FALSE(latest());
  REQUIRE(storage->complete().size() == 1);
  auto metadata = load_metadata(files, storage->complete().front().directory);
  REQUIRE(metadata.is_ok());
  CHECK(metadata->id == earlier);
  CHECK(validate_checkpoint(files, *metadata, Validation::kContents).is_ok());
}

TEST_CASE("checkpoint_storage: a crash while a run is deleted is no loss of checkpoints") {
  for (int survives = 0; survives < 4; ++survives) {
    CAPTURE(survives);
    Fixture run;
    run.options.retained = 3;
    run.open();
    REQUIRE(run.storage->begin_fresh_run().is_ok());
    run.take();
    run.take(true);
    const CheckpointId last = run.take(true);
    int removed = 0;
    run.files.set_fault([&](FileOperation operation, const std::string&) {
      return operation == FileOperation::kRemove && removed++ >= survives ? EIO : 0;
    });
    CHECK_FALSE(run.storage->delete_run().is_ok());
    run.files.set_fault(nullptr);
    run.files.lose_unsynced();
    run.open();
    CHECK_FALSE(run.latest());
    REQUIRE(run.storage->begin_fresh_run().is_ok());
    CHECK(run.take() > last);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "checkpoint_storage: a run continued by name after it was deleted lives") {
  open();
  const CheckpointId old = take();
  open();
  REQUIRE(storage->begin_fresh_run().is_ok());
  take();
  REQUIRE(storage->delete_run().is_ok());
  open();
  REQUIRE(storage->begin_continued_run(old).is_ok());
  open();
  CHECK(storage->was_used());
  CHECK(latest() == old);
}

TEST_CASE_FIXTURE(Fixture, "checkpoint_storage: damaged numbers are named, not guessed") {
  open();
  take();
  flip_bit(std::string(kDirectory) + "/_ids");
  const auto opened = CheckpointStorage::open(files, kDirectory, options);
  CHECK(opened.status().code() == StatusCode::kCorruption);
  CHECK(opened.status().message().find("/_ids") != std::string::npos);
}

TEST_CASE("checkpoint_storage: a directory belongs to one run at a time") {
  const ScratchDirectory scratch;
  FileSystem& files = local_file_system();
  {
    const auto first = CheckpointStorage::open(files, scratch / "job", {});
    REQUIRE_MESSAGE(first.is_ok(), first.status().to_string());
    const auto second = CheckpointStorage::open(files, scratch / "job", {});
    CHECK(second.status().code() == StatusCode::kFailedPrecondition);
    CHECK(second.status().message().find("in use by another run (process ") != std::string::npos);
    CHECK(CheckpointStorage::open(files, scratch / "other", {}).is_ok());
  }
  CHECK(CheckpointStorage::open(files, scratch / "job", {}).is_ok());
}

}  // namespace sluice
