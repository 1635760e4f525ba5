// What the store on disk is made of: files without syncs, filters that fit, and a table that asks
// for its store only when it has to.
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <rocksdb/table.h>

#include "core/file_system.h"
#include "core/random.h"
#include "state/api/keyed_rows.h"
#include "state/api/value_state.h"
#include "state/rocksdb/fitting_filter.h"
#include "state/rocksdb/rocksdb_stores.h"
#include "state/rocksdb/unsynced_files.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

TEST_CASE("unsynced files: what was written is there for others after a sync, and after close") {
  const ScratchDirectory scratch;
  const auto files = make_unsynced_files();
  const std::string path = scratch / "file";
  std::unique_ptr<rocksdb::WritableFile> file;
  REQUIRE(files->NewWritableFile(path, &file, {}).ok());
  REQUIRE(file->Append("one ").ok());
  REQUIRE(file->Sync().ok());
  CHECK(*local_file_system().read_file(path) == "one ");
  REQUIRE(file->Append("two").ok());
  REQUIRE(file->Close().ok());
  CHECK(*local_file_system().read_file(path) == "one two");
  REQUIRE(files->ReopenWritableFile(path, &file, {}).ok());
  REQUIRE(file->Append(" three").ok());
  REQUIRE(file->Fsync().ok());
  CHECK(*local_file_system().read_file(path) == "one two three");
  std::unique_ptr<rocksdb::Directory> directory;
  REQUIRE(files->NewDirectory(scratch.path(), &directory).ok());
  CHECK(directory->Fsync().ok());
}

TEST_CASE("unsynced files: a file that cannot be made is an error") {
  const ScratchDirectory scratch;
  const auto files = make_unsynced_files();
  std::unique_ptr<rocksdb::WritableFile> file;
  CHECK_FALSE(files->NewWritableFile(scratch / "missing/file", &file, {}).ok());
}

TEST_CASE("fitting filter: the lowest level has one only while all of it fits") {
  FittingFilter filter(1000);
  const rocksdb::BlockBasedTableOptions table;
  rocksdb::FilterBuildingContext lowest(table);
  lowest.is_bottommost = true;
  filter.set_keys(800);
  CHECK(filter.fits());
  filter.set_keys(801);
  CHECK_FALSE(filter.fits());
  CHECK(filter.GetBuilderWithContext(lowest) == nullptr);
  // Files that are ingested go to the lowest level without saying so.
  const rocksdb::FilterBuildingContext ingested(table);
  CHECK(filter.GetBuilderWithContext(ingested) == nullptr);
}

TEST_CASE("row table: a store is not asked before the memory is nearly full") {
  const ScratchDirectory scratch;
  const auto stores = *RocksDbStores::create(scratch / "state", 1 << 20);
  const ManualClock clock;
  KeyedRows<int64_t> rows(RowTable::Options{.clock = &clock,
                                            .memory_bytes_max = 256 * 1024,
                                            .cold_store = *RocksDbStores::open(stores, "t")});
  auto count = *ValueState<int64_t>::add_to(rows, {"count"});
  rows.seal();
  Random random(1);
  int64_t keys = 0;
  const auto add = [&](int64_t more) {
    for (const int64_t end = keys + more; keys < end; ++keys) {
      rows.set_current_key(keys, stable_hash(keys));
      count.get_or_create() = keys;
    }
    rows.clear_current_key();
    REQUIRE(rows.settle().is_ok());
  };
  CHECK_FALSE(rows.needs_load());
  add(1000);
  CHECK_FALSE(rows.needs_load());
  // Before the first row leaves it counts which ones are used.
  while (!rows.needs_load()) add(100);
  CHECK_FALSE(rows.has_cold_rows());
  while (!rows.has_cold_rows()) add(100);
  CHECK(rows.needs_load());
  for (int i = 0; i < 1000; ++i) {
    const auto key = static_cast<int64_t>(random.below(static_cast<uint64_t>(keys)));
    rows.set_current_key(key, stable_hash(key));
    REQUIRE(count.get() != nullptr);
    CHECK(*count.get() == key);
  }
  rows.clear_current_key();
}

}  // namespace
}  // namespace sluice
