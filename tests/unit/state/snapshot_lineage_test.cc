#include "state/snapshot_lineage.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

constexpr auto kCheckpoint = SnapshotPurpose::kCheckpoint;

SnapshotFile file(int64_t id, bool is_delta, uint64_t size, uint64_t entries = 10) {
  SnapshotFile file;
  file.identity.checkpoint = CheckpointId{id};
  file.identity.is_delta = is_delta;
  file.size = size;
  file.entries = entries;
  return file;
}

/// Takes checkpoint `id` up to its confirmation; returns whether it was a delta.
bool take(SnapshotLineage& lineage, int64_t id, uint64_t base_bytes = 1000,
          uint64_t delta_bytes = 10, uint64_t entries = 10) {
  auto chain = lineage.frozen({id}, kCheckpoint);
  const bool is_delta = chain.has_value();
  SnapshotChain next = is_delta ? *chain : SnapshotChain();
  next.files.push_back(file(id, is_delta, is_delta ? delta_bytes : base_bytes, entries));
  lineage.written({id}, std::move(next));
  lineage.confirmed({id});
  return is_delta;
}

}  // namespace

TEST_CASE("semantics rule 27: a delta builds on the freeze before it, if that was confirmed") {
  SnapshotLineage lineage;
  CHECK_FALSE(take(lineage, 1));
  CHECK(take(lineage, 2));
  SUBCASE("unconfirmed") {
    REQUIRE(lineage.frozen({3}, kCheckpoint));
    CHECK_FALSE(lineage.frozen({4}, kCheckpoint));
    // Both are written in the end, the second is complete: it is a base for the next.
    lineage.written({3}, {{file(3, true, 5)}});
    lineage.written({4}, {{file(4, false, 900)}});
    lineage.confirmed({4});
    const auto chain = lineage.frozen({5}, kCheckpoint);
    REQUIRE(chain);
    CHECK(chain->files.size() == 1);
    CHECK(chain->files[0].identity.checkpoint == CheckpointId{4});
  }
  SUBCASE("aborted") {
    REQUIRE(lineage.frozen({3}, kCheckpoint));
    lineage.written({3}, {{file(3, true, 5)}});
    CHECK_FALSE(take(lineage, 4));
    CHECK(take(lineage, 5));
  }
  SUBCASE("a savepoint in between") {
    CHECK_FALSE(lineage.frozen({3}, SnapshotPurpose::kSavepoint));
    CHECK_FALSE(take(lineage, 4));
  }
  SUBCASE("confirmed late") {
    REQUIRE(lineage.frozen({3}, kCheckpoint));
    CHECK_FALSE(lineage.frozen({4}, kCheckpoint));
    lineage.confirmed({3});
    CHECK_FALSE(lineage.frozen({5}, kCheckpoint));
  }
}

TEST_CASE(
    "snapshot_lineage: a new base when deltas outgrow it, when there are many, or no entries") {
  SnapshotLineage grown;
  int deltas = 0;
  for (int64_t id = 1; id <= 9; ++id) deltas += take(grown, id, 100, 60) ? 1 : 0;
  CHECK(deltas == 6);  // base 60 60 | base 60 60 | base 60 60

  SnapshotLineage many;
  size_t bases = 0;
  for (int64_t id = 1; id <= 24; ++id) bases += take(many, id, 1'000'000, 1) ? 0 : 1;
  CHECK(bases == 24 / SnapshotLineage::kChainFilesMax);

  SnapshotLineage items_only;
  for (int64_t id = 1; id <= 3; ++id) CHECK_FALSE(take(items_only, id, 50, 50, 0));
}

}  // namespace sluice
