// A cold store in one RocksDB database, for one keyed operator instance and attempt.
//
// One column family per table of the store. Without write-ahead log: the database never outlives
// its process. Memory comes from the budget that all stores of a job share (RocksDbMemory). Rows
// that have expired are dropped by a compaction filter. Errors name the directory.
//
// Threads as in state/api/cold_store.h. The directory is removed with the object.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/status.h"
#include "state/api/cold_store.h"

namespace rocksdb {
class Cache;
class Env;
class WriteBufferManager;
}  // namespace rocksdb

namespace sluice {

/// What the stores of one job share: blocks and recent writes are counted in one budget.
/// Thread-safe.
class RocksDbMemory {
 public:
  /// Each open store adds `bytes_per_store`; small budgets are raised to what RocksDB needs.
  explicit RocksDbMemory(size_t bytes_per_store);
  ~RocksDbMemory();
  RocksDbMemory(const RocksDbMemory&) = delete;
  RocksDbMemory& operator=(const RocksDbMemory&) = delete;

  void store_opened() { resize(1); }
  void store_closed() { resize(-1); }

  const std::shared_ptr<rocksdb::Cache>& blocks() const { return blocks_; }
  const std::shared_ptr<rocksdb::WriteBufferManager>& writes() const { return writes_; }
  /// Recent writes of one store before they go to disk.
  size_t write_buffer_bytes() const { return write_buffer_bytes_; }
  /// Filters of one store that have to stay in memory to be of use.
  size_t filter_bytes() const { return bytes_per_store_ / 4; }
  rocksdb::Env* files() const { return files_.get(); }

 private:
  void resize(int stores);

  const size_t bytes_per_store_;
  const size_t write_buffer_bytes_;
  const std::unique_ptr<rocksdb::Env> files_;
  std::shared_ptr<rocksdb::Cache> blocks_;
  std::shared_ptr<rocksdb::WriteBufferManager> writes_;
  std::mutex mutex_;
  int stores_ = 0;
};

/// Makes an empty store in `directory`, which must not exist.
Result<std::shared_ptr<ColdStore>> open_rocksdb_store(const std::string& directory,
                                                      std::shared_ptr<RocksDbMemory> memory);

}  // namespace sluice
