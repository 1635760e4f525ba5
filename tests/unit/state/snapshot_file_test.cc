#include "state/snapshot_file.h"

#include <functional>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "core/codec.h"
#include "core/crc32c.h"
#include "core/memory_file_system.h"
#include "core/random.h"
#include "state/snapshot_reader.h"

namespace sluice {
namespace {

using Entries = std::map<std::pair<int, std::string>, std::string>;

SnapshotIdentity identity(int64_t checkpoint, bool is_delta, int subtask = 0, int parallelism = 1) {
  return {.checkpoint = CheckpointId{checkpoint},
          .operator_uid = "counter",
          .subtask = subtask,
          .parallelism = parallelism,
          .max_parallelism = 16,
          .is_delta = is_delta};
}

std::string path_of(const SnapshotIdentity& id) {
  return "snapshots/" + std::to_string(id.checkpoint.value) + "-" + std::to_string(id.subtask);
}

Entries read_all(FileSystem& files, const OperatorChains& chains, int subtask, int parallelism,
                 std::string_view name = "state") {
  auto reader = ChainedSnapshotReader::open(files, chains, subtask, parallelism);
  REQUIRE_MESSAGE(reader.is_ok(), reader.status().to_string());
  Entries entries;
  const Status visited = (*reader)->visit_keyed_state(
      name, [&](int group, std::string_view key, std::string_view value) {
        const bool is_new = entries.emplace(std::pair(group, std::string(key)), value).second;
        CHECK(is_new);
        return Status::ok();
      });
  REQUIRE_MESSAGE(visited.is_ok(), visited.to_string());
  return entries;
}

struct Fixture {
  MemoryFileSystem files;
  SnapshotFileOptions options{
      .section_bytes = 256, .group_buffer_bytes_max = 512, .inline_bytes_max = 0};
  Fixture() { REQUIRE(files.make_directories("snapshots").is_ok()); }

  SnapshotFile write(const SnapshotIdentity& id, const std::function<void(SnapshotWriter&)>& body) {
    SnapshotFileWriter writer(files, path_of(id), id, options);
    body(writer);
    auto file = writer.finish();
    REQUIRE_MESSAGE(file.is_ok(), file.status().to_string());
    return *file;
  }
};

}  // namespace

TEST_CASE("crc32c: the check value of the polynomial, all ways of computing it") {
  CHECK(crc32c("123456789") == 0xE3069283U);
  Random random(7);
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes.push_back(static_cast<char>(random.next()));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const uint32_t head = crc32c(0, bytes.data(), cut);
    CHECK(crc32c(head, bytes.data() + cut, bytes.size() - cut) == crc32c(bytes));
    CHECK(crc32c_portable(head, bytes.data() + cut, bytes.size() - cut) == crc32c(bytes));
    CHECK(crc32c_unfolded(head, bytes.data() + cut, bytes.size() - cut) == crc32c(bytes));
  }
}

TEST_CASE("crc32c: long pieces and sums of pieces give the same as byte by byte") {
  Random random(11);
  std::string bytes;
  for (int i = 0; i < 70000; ++i) bytes.push_back(static_cast<char>(random.next()));
  for (int round = 0; round < 60; ++round) {
    const size_t from = random.below(16);
    const size_t size = random.below(bytes.size() - from);
    const size_t cut = random.below(size + 1);
    const char* data = bytes.data() + from;
    const uint32_t whole = crc32c_portable(0, data, size);
    CHECK(crc32c(0, data, size) == whole);
    CHECK(crc32c_unfolded(0, data, size) == whole);
    const uint32_t tail = crc32c(0, data + cut, size - cut);
    CHECK(crc32c_combine(crc32c(0, data, cut), tail, size - cut) == whole);
  }
}

TEST_CASE_FIXTURE(Fixture, "snapshot_file: a large group with keys alike at their beginnings") {
  options = {.inline_bytes_max = 0};
  Random random(5);
  Entries expected;
  const auto id = identity(1, true);
  const SnapshotFile file = write(id, [&](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("state", "(i64,i64)").is_ok());
    for (int i = 0; i < 20000; ++i) {
      std::string key;
      ByteWriter bytes(key);
      bytes.fixed(random.below(300));
      if (random.one_in(2)) bytes.fixed(random.below(30));
      // Written twice, or erased and written: the entry stands.
      if (random.one_in(3)) REQUIRE(writer.erase(3, key).is_ok());
      const auto found = expected.find({3, key});
      if (found != expected.end()) continue;
      const std::string value = std::to_string(i);
      REQUIRE(writer.put(3, key, value).is_ok());
      expected[{3, key}] = value;
    }
  });
  CHECK(file.entries == expected.size());
  CHECK(crc32c(*files.read_file(file.path)) == file.crc32c);
  const auto base = identity(0, false);
  const SnapshotFile empty = write(base, [](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("state", "(i64,i64)").is_ok());
  });
  const OperatorChains chains{"counter", 16, {SnapshotChain{{empty, file}}}};
  CHECK(read_all(files, chains, 0, 1) == expected);
}

TEST_CASE_FIXTURE(Fixture, "snapshot_file: entries in any order come back sorted, once each") {
  Random random(1);
  for (int round = 0; round < 50; ++round) {
    Entries expected;
    const auto id = identity(round + 1, false);
    const SnapshotFile file = write(id, [&](SnapshotWriter& writer) {
      REQUIRE(writer.begin_keyed_state("state", "(i64,i64)").is_ok());
      const int groups = static_cast<int>(random.between(1, 16));
      const bool ordered_groups = random.one_in(2);
      const int count = static_cast<int>(random.between(0, 300));
      for (int i = 0; i < count; ++i) {
        const int group = ordered_groups
                              ? i * groups / count
                              : static_cast<int>(random.below(static_cast<uint64_t>(groups)));
        std::string key;
        for (uint64_t left = random.below(12); left > 0; --left) {
          key.push_back(static_cast<char>(random.below(3)));
        }
        if (expected.count({group, key}) > 0) continue;
        std::string value(random.below(40), static_cast<char>('a' + i % 26));
        REQUIRE(writer.put(group, key, value).is_ok());
        expected[{group, key}] = value;
      }
    });
    CHECK(file.entries == expected.size());
    const OperatorChains chains{"counter", 16, {SnapshotChain{{file}}}};
    CHECK(read_all(files, chains, 0, 1) == expected);
    Entries joined;
    for (int subtask = 0; subtask < 5; ++subtask) {
      const KeyGroupRange range = key_group_range_of(subtask, 5, 16);
      for (const auto& [key, value] : read_all(files, chains, subtask, 5)) {
        CHECK(range.contains(key.first));
        joined[key] = value;
      }
    }
    CHECK(joined == expected);
  }
}

// As files of windows had it: 20'000 runs compared one with all others take 200 million
// comparisons.
TEST_CASE_FIXTURE(Fixture, "snapshot_file: a file of very many runs is read in one pass") {
  Entries expected;
  const SnapshotFile file = write(identity(1, false), [&](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("state", "(i64,i64)").is_ok());
    for (int i = 0; i < 40'000; ++i) {
      const std::string key = std::to_string(i);
      REQUIRE(writer.put(i % 2 == 0 ? 9 : 3, key, key).is_ok());
      expected[{i % 2 == 0 ? 9 : 3, key}] = key;
    }
  });
  const OperatorChains chains{"counter", 16, {SnapshotChain{{file}}}};
  CHECK(read_all(files, chains, 0, 1) == expected);
}

TEST_CASE_FIXTURE(Fixture, "snapshot_file: a chain of deltas equals the model, newest wins") {
  Random random(2);
  for (int round = 0; round < 40; ++round) {
    Entries model;
    SnapshotChain chain;
    for (int link = 0; link < 6; ++link) {
      Entries changed;
      std::set<std::pair<int, std::string>> erased;
      for (uint64_t i = random.below(60); i > 0; --i) {
        const std::pair key(static_cast<int>(random.below(16)), std::to_string(random.below(20)));
        if (link > 0 && random.one_in(3)) {
          if (model.erase(key) > 0) erased.insert(key);
          changed.erase(key);
          continue;
        }
        erased.erase(key);
        model[key] = changed[key] = std::to_string(random.next());
      }
      const auto id = identity(round * 10 + link + 1, link > 0);
      chain.files.push_back(write(id, [&](SnapshotWriter& writer) {
        REQUIRE(writer.begin_keyed_state("state", "x").is_ok());
        // Two passes, so that the groups start again: several runs in one file.
        for (int pass = 0; pass < 2; ++pass) {
          for (const auto& [key, value] : changed) {
            if ((key.first + static_cast<int>(key.second.size())) % 2 == pass) {
              REQUIRE(writer.put(key.first, key.second, value).is_ok());
            }
          }
          for (const auto& [group, key] : erased) {
            REQUIRE(writer.erase(group, key).is_ok());
          }
          if (link == 0 || changed.empty()) continue;
          // Deleted and written again: the tombstone must not hide it, before or after.
          const auto& first = changed.begin()->first;
          REQUIRE(writer.erase(first.first, first.second).is_ok());
        }
      }));
    }
    const OperatorChains chains{"counter", 16, {chain}};
    CHECK(read_all(files, chains, 0, 1) == model);
    Entries joined = read_all(files, chains, 0, 2);
    joined.merge(read_all(files, chains, 1, 2));
    CHECK(joined == model);
  }
}

TEST_CASE_FIXTURE(Fixture, "snapshot_file: several states, their schemas, and none at all") {
  const SnapshotFile file = write(identity(1, false), [&](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("b", "(i64,text)").is_ok());
    REQUIRE(writer.put(3, "k", "v").is_ok());
    REQUIRE(writer.add_item("splits", Redistribution::kSplit, "s0").is_ok());
    REQUIRE(writer.begin_keyed_state("a", "(i64,i64)").is_ok());
    REQUIRE(writer.put(2, "k", "").is_ok());
    REQUIRE(writer.begin_keyed_state("empty", "(i64,bool)").is_ok());
    REQUIRE(writer.begin_keyed_state("b", "(i64,text)").is_ok());
    REQUIRE(writer.put(1, "k", "again").is_ok());
  });
  const OperatorChains chains{"counter", 16, {SnapshotChain{{file}}}};
  auto reader = ChainedSnapshotReader::open(files, chains, 0, 1);
  REQUIRE(reader.is_ok());
  CHECK((*reader)->keyed_state_names() == std::vector<std::string>{"a", "b", "empty"});
  CHECK((*reader)->schema_of("b") == "(i64,text)");
  CHECK((*reader)->schema_of("none").empty());
  CHECK((*reader)->items("splits") == std::vector<std::string>{"s0"});
  CHECK(read_all(files, chains, 0, 1, "a") == Entries{{{2, "k"}, ""}});
  CHECK(read_all(files, chains, 0, 1, "b") == Entries{{{1, "k"}, "again"}, {{3, "k"}, "v"}});
  CHECK(read_all(files, chains, 0, 1, "empty").empty());

  const OperatorChains nothing{"counter", 16, {}};
  CHECK(read_all(files, nothing, 0, 3).empty());
}

TEST_CASE_FIXTURE(Fixture, "snapshot_file: items in pieces come back whole, however large") {
  const std::string large(10 * options.section_bytes + 7, 'l');
  const std::vector<std::string_view> pieces{"head", large, "", "tail"};
  const std::vector<std::string_view> small{"a", "b"};
  const SnapshotFile file = write(identity(1, false), [&](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("state", "x").is_ok());
    REQUIRE(writer.put(1, "k", "v").is_ok());
    REQUIRE(writer.add_item_pieces("items", Redistribution::kSplit, small).is_ok());
    REQUIRE(writer.add_item_pieces("items", Redistribution::kSplit, pieces).is_ok());
    REQUIRE(writer.put(2, "k", "w").is_ok());
    REQUIRE(writer.add_item("items", Redistribution::kSplit, "last").is_ok());
  });
  const OperatorChains chains{"counter", 16, {SnapshotChain{{file}}}};
  auto reader = ChainedSnapshotReader::open(files, chains, 0, 1);
  REQUIRE(reader.is_ok());
  CHECK((*reader)->items("items") ==
        std::vector<std::string>{"ab", "head" + large + "tail", "last"});
  CHECK(read_all(files, chains, 0, 1) == Entries{{{1, "k"}, "v"}, {{2, "k"}, "w"}});
}

TEST_CASE_FIXTURE(Fixture, "snapshot_file: a small state needs no file") {
  options.inline_bytes_max = 4096;
  const SnapshotFile file = write(identity(1, false), [](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("state", "x").is_ok());
    REQUIRE(writer.put(5, "key", "value").is_ok());
  });
  CHECK(file.is_inline());
  CHECK(file.inline_bytes.size() == file.size);
  CHECK(files.list("snapshots")->empty());
  const OperatorChains chains{"counter", 16, {SnapshotChain{{file}}}};
  CHECK(read_all(files, chains, 0, 1) == Entries{{{5, "key"}, "value"}});
}

TEST_CASE_FIXTURE(Fixture,
                  "semantics rule 38: split, union and broadcast items are spread by mode") {
  OperatorChains chains{"counter", 16, {}};
  for (int old = 0; old < 3; ++old) {
    chains.subtasks.push_back({{write(identity(1, false, old, 3), [&](SnapshotWriter& writer) {
      const std::string tail = std::to_string(old);
      for (int i = 0; i <= old; ++i) {
        const std::string item = "s" + tail + std::to_string(i);
        REQUIRE(writer.add_item("split", Redistribution::kSplit, item).is_ok());
      }
      REQUIRE(writer.add_item("union", Redistribution::kUnion, "u" + tail).is_ok());
      REQUIRE(writer.add_item("broadcast", Redistribution::kBroadcast, "same").is_ok());
    })}});
  }
  for (const int parallelism : {1, 2, 3, 4, 7}) {
    std::map<std::string, int> splits;
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      auto reader = ChainedSnapshotReader::open(files, chains, subtask, parallelism);
      REQUIRE(reader.is_ok());
      const auto mine = (*reader)->items("split");
      CHECK(mine.size() <= static_cast<size_t>(std::max(3, (6 + parallelism - 1) / parallelism)));
      for (const auto& item : mine) ++splits[item];
      CHECK((*reader)->items("union") == std::vector<std::string>{"u0", "u1", "u2"});
      CHECK((*reader)->items("broadcast") == std::vector<std::string>{"same"});
      if (parallelism == 3) CHECK(mine.size() == static_cast<size_t>(subtask) + 1);
    }
    CHECK(splits.size() == 6);
    for (const auto& [item, count] : splits) CHECK(count == 1);
  }
}

TEST_CASE_FIXTURE(Fixture, "semantics rule 37: more subtasks than max parallelism are refused") {
  const OperatorChains chains{"counter", 16, {}};
  const auto reader = ChainedSnapshotReader::open(files, chains, 0, 17);
  CHECK(reader.status().code() == StatusCode::kFailedPrecondition);
  CHECK(reader.status().message().find("max parallelism 16") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture,
                  "fault F16: every flipped bit and every cut of a file is noticed and named") {
  const auto id = identity(4, false);
  const SnapshotFile file = write(id, [](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("state", "x").is_ok());
    for (int i = 0; i < 20; ++i) {
      REQUIRE(writer.put(i % 16, "key" + std::to_string(i), "value").is_ok());
    }
    REQUIRE(writer.add_item("i", Redistribution::kSplit, "item").is_ok());
  });
  const std::string good = *files.read_file(file.path);
  const OperatorChains chains{"counter", 16, {SnapshotChain{{file}}}};
  const auto read = [&]() -> Status {
    SLUICE_ASSIGN_OR_RETURN(auto reader, ChainedSnapshotReader::open(files, chains, 0, 1));
    return reader->visit_keyed_state(
        "state", [](int, std::string_view, std::string_view) { return Status::ok(); });
  };
  REQUIRE(read().is_ok());
  Random random(3);
  for (size_t i = 0; i < good.size(); ++i) {
    if (i >= 12 && i < 16) continue;  // Padding of the header.
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << random.below(8)));
    files.put(file.path, bad);
    const Status status = read();
    REQUIRE_MESSAGE(!status.is_ok(), "byte " << i);
    REQUIRE(status.message().find(file.path) != std::string::npos);
    auto opened = SnapshotFileReader::open(files, file);
    const Status verified = opened.is_ok() ? (*opened)->verify(file.crc32c) : opened.status();
    CHECK_FALSE(verified.is_ok());
  }
  for (size_t size = 0; size < good.size(); ++size) {
    files.put(file.path, good.substr(0, size));
    REQUIRE_FALSE(read().is_ok());
  }
  REQUIRE(files.remove(file.path).is_ok());
  CHECK(read().code() == StatusCode::kNotFound);
  CHECK(read().message().find(file.path) != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "fault F16: swapped files are noticed though each is sound") {
  const auto body = [](SnapshotWriter& writer) {
    REQUIRE(writer.begin_keyed_state("state", "x").is_ok());
    REQUIRE(writer.put(1, "k", "v").is_ok());
  };
  const SnapshotFile a = write(identity(1, false, 0, 2), body);
  const SnapshotFile b = write(identity(1, false, 1, 2), body);
  SnapshotFile swapped = a;
  swapped.path = b.path;
  const auto opened = SnapshotFileReader::open(files, swapped);
  CHECK(opened.status().code() == StatusCode::kCorruption);
  CHECK(opened.status().message().find(b.path) != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture,
                  "fault F14: a failed write or sync fails the snapshot and leaves no file") {
  for (const auto operation :
       {FileOperation::kAppend, FileOperation::kSync, FileOperation::kOpenWrite}) {
    files.set_fault(
        [&](FileOperation op, const std::string&) { return op == operation ? EIO : 0; });
    {
      const auto id = identity(9, false);
      SnapshotFileWriter writer(files, path_of(id), id, options);
      REQUIRE(writer.begin_keyed_state("state", "x").is_ok());
      Status status;
      for (int i = 0; i < 100 && status.is_ok(); ++i) {
        status = writer.put(i % 16, std::to_string(i), std::string(50, 'v'));
      }
      const auto finished = writer.finish();
      CHECK(finished.status().code() == StatusCode::kIoError);
      CHECK(finished.status().message().find("snapshots/9-0") != std::string::npos);
      CHECK(writer.put(0, "k", "v").code() == StatusCode::kIoError);
    }
    files.set_fault(nullptr);
    CHECK(files.list("snapshots")->empty());
  }
}

TEST_CASE_FIXTURE(Fixture, "snapshot_file: a chain with two schemas of one state is refused") {
  SnapshotChain chain;
  for (int link = 0; link < 2; ++link) {
    chain.files.push_back(write(identity(link + 1, link > 0), [&](SnapshotWriter& writer) {
      REQUIRE(writer.begin_keyed_state("state", link == 0 ? "(i64,i32)" : "(i64,i64)").is_ok());
      REQUIRE(writer.put(0, "k", "v").is_ok());
    }));
  }
  const OperatorChains chains{"counter", 16, {chain}};
  const auto reader = ChainedSnapshotReader::open(files, chains, 0, 1);
  CHECK(reader.status().code() == StatusCode::kFailedPrecondition);
  CHECK(reader.status().message().find("(i64,i32)") != std::string::npos);
}

}  // namespace sluice
