// The RocksDB stores of one job in one process: one directory, one budget.
//
// Made when the job's first keyed task is deployed here, shared by its tasks, gone with the last of
// them; each store and attempt has a directory of its own below. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "core/status.h"
#include "state/api/cold_store.h"

namespace sluice {

class RocksDbStores {
 public:
  /// `root`: state.backend.directory. Each open store may take `bytes_per_store` of memory.
  static Result<std::shared_ptr<RocksDbStores>> create(const std::string& root,
                                                       size_t bytes_per_store);
  ~RocksDbStores();
  RocksDbStores(const RocksDbStores&) = delete;
  RocksDbStores& operator=(const RocksDbStores&) = delete;

  /// An empty store; `name` is for people who look into the directory. The store keeps the stores'
  /// directory alive.
  static Result<std::shared_ptr<ColdStore>> open(const std::shared_ptr<RocksDbStores>& stores,
                                                 const std::string& name);
  const std::string& directory() const;

 private:
  struct Impl;
  explicit RocksDbStores(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
