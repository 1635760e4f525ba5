// The RocksDB backend with next to no memory, for operators under test: rows leave after every
// batch and come back before the next.
#pragma once

#include <memory>

#include "core/operator.h"
#include "state/rocksdb/rocksdb_stores.h"
#include "tests/support/scratch_directory.h"

namespace sluice {

class SmallMemory {
 public:
  /// The budget; 1 byte: nothing stays.
  explicit SmallMemory(size_t memory_bytes = 1) : memory_bytes_(memory_bytes) {
    stores_ = *RocksDbStores::create(scratch_ / "state", 1 << 20);
  }
  /// Before the operator is opened; this object must outlive it.
  void give_to(OperatorContext& context) {
    context.state_backend = StateBackendKind::kRocksDb;
    context.state_memory_bytes = memory_bytes_;
    context.checkpointing = true;
    context.open_cold_store = [this] { return RocksDbStores::open(stores_, "operator"); };
  }

 private:
  ScratchDirectory scratch_;
  std::shared_ptr<RocksDbStores> stores_;
  size_t memory_bytes_;
};

}  // namespace sluice
