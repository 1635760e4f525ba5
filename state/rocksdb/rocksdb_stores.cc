#include "state/rocksdb/rocksdb_stores.h"

#include <atomic>
#include <utility>

#include "core/file_system.h"
#include "state/local_state_directory.h"
#include "state/rocksdb/rocksdb_store.h"

namespace sluice {

struct RocksDbStores::Impl {
  std::unique_ptr<LocalStateDirectory> directory;
  std::shared_ptr<RocksDbMemory> memory;
  std::atomic<int64_t> opened{0};
};

RocksDbStores::RocksDbStores(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksDbStores::~RocksDbStores() = default;

const std::string& RocksDbStores::directory() const { return impl_->directory->path(); }

Result<std::shared_ptr<RocksDbStores>> RocksDbStores::create(const std::string& root,
                                                             size_t bytes_per_store) {
  auto impl = std::make_unique<Impl>();
  SLUICE_ASSIGN_OR_RETURN(impl->directory, LocalStateDirectory::create(root));
  impl->memory = std::make_shared<RocksDbMemory>(bytes_per_store);
  return std::shared_ptr<RocksDbStores>(new RocksDbStores(std::move(impl)));
}

Result<std::shared_ptr<ColdStore>> RocksDbStores::open(const std::shared_ptr<RocksDbStores>& stores,
                                                       const std::string& name) {
  // Attempts of one task never meet: the number makes the directory new.
  const std::string directory = join_path(
      stores->directory(), std::to_string(stores->impl_->opened.fetch_add(1)) + "-" + name);
  SLUICE_ASSIGN_OR_RETURN(auto store, open_rocksdb_store(directory, stores->impl_->memory));
  ColdStore* raw = store.get();
  // The directory of the run must go after the last store in it.
  auto run = stores;
  return std::shared_ptr<ColdStore>(
      raw, [store = std::move(store), run = std::move(run)](ColdStore*) mutable {
        store.reset();
        run.reset();
      });
}

}  // namespace sluice
