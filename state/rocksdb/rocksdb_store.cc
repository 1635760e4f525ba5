#include "state/rocksdb/rocksdb_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include "core/file_system.h"
#include "state/api/cold_rows.h"
#include "state/api/row_blob.h"
#include "state/rocksdb/fitting_filter.h"
#include "state/rocksdb/unsynced_files.h"

namespace sluice {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

Status to_status(const rocksdb::Status& status, const std::string& what) {
  if (status.ok()) return Status::ok();
  const std::string text = what + ": " + status.ToString();
  if (status.IsNoSpace()) return Status::resource_exhausted(text);
  if (status.IsCorruption()) return Status::corruption(text);
  return Status::io_error(text);
}

rocksdb::Slice slice_of(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view view_of(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

/// Drops rows of which nothing is left at the store's time.
class ExpiredRows final : public rocksdb::CompactionFilter {
 public:
  explicit ExpiredRows(const std::atomic<int64_t>& now_ms) : now_ms_(now_ms) {}

  const char* Name() const override { return "sluice.expired_rows"; }
  bool Filter(int /*level*/, const rocksdb::Slice& /*key*/, const rocksdb::Slice& row,
              std::string* /*new_value*/, bool* /*value_changed*/) const override {
    const auto expiry = expiry_of_row_blob(view_of(row));
    return expiry && *expiry <= now_ms_.load(std::memory_order_relaxed);
  }

 private:
  const std::atomic<int64_t>& now_ms_;
};

class RocksDbView final : public ColdView {
 public:
  explicit RocksDbView(std::shared_ptr<rocksdb::DB> db)
      : db_(std::move(db)), snapshot_(db_->GetSnapshot()) {}
  ~RocksDbView() override { db_->ReleaseSnapshot(snapshot_); }
  RocksDbView(const RocksDbView&) = delete;
  RocksDbView& operator=(const RocksDbView&) = delete;

  const rocksdb::Snapshot* snapshot() const { return snapshot_; }

 private:
  const std::shared_ptr<rocksdb::DB> db_;
  const rocksdb::Snapshot* snapshot_;
};

class RocksDbScan final : public ColdScan {
 public:
  RocksDbScan(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, std::string_view begin,
              std::string_view end, const rocksdb::Snapshot* snapshot, std::string name)
      : begin_(begin), end_(end), end_slice_(end_), name_(std::move(name)) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    options.iterate_upper_bound = &end_slice_;
    // Going once through the table must not push out of the cache what batches need.
    options.fill_cache = false;
    iterator_.reset(db.NewIterator(options, family));
  }

  bool next() override {
    if (!started_) {
      iterator_->Seek(begin_);
      started_ = true;
    } else if (iterator_->Valid()) {
      iterator_->Next();
    }
    return iterator_->Valid();
  }
  std::string_view key() const override { return view_of(iterator_->key()); }
  std::string_view value() const override { return view_of(iterator_->value()); }
  Status status() const override { return to_status(iterator_->status(), "read " + name_); }

 private:
  const std::string begin_;
  const std::string end_;
  const rocksdb::Slice end_slice_;
  const std::string name_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool started_ = false;
};

class RocksDbStore final : public ColdStore {
 public:
  RocksDbStore(std::string directory, std::shared_ptr<RocksDbMemory> memory)
      : directory_(std::move(directory)),
        memory_(std::move(memory)),
        expired_rows_(now_ms_),
        filter_(std::make_shared<FittingFilter>(memory_->filter_bytes())) {
    memory_->store_opened();
  }
  ~RocksDbStore() override;
  RocksDbStore(const RocksDbStore&) = delete;
  RocksDbStore& operator=(const RocksDbStore&) = delete;

  Status open();
  Status multi_get(ColdFamily family, std::span<const std::string_view> keys,
                   const Found& found) override;
  Status write(std::span<const ColdWrite> writes) override;
  Status ingest(std::span<const ColdWrite> rows) override;
  std::shared_ptr<const ColdView> view() override { return std::make_shared<RocksDbView>(db_); }
  std::unique_ptr<ColdScan> scan(ColdFamily family, std::string_view begin, std::string_view end,
                                 const ColdView* view) override;
  Status remove_range(ColdFamily family, std::string_view begin, std::string_view end) override;
  void set_now_ms(int64_t now_ms) override { now_ms_.store(now_ms, std::memory_order_relaxed); }
  Status compact() override;

 private:
  rocksdb::ColumnFamilyOptions family_options(ColdFamily family) const;
  void count_keys();
  rocksdb::ColumnFamilyHandle* handle(ColdFamily family) const {
    return handles_[static_cast<size_t>(family)];
  }

  const std::string directory_;
  const std::shared_ptr<RocksDbMemory> memory_;
  std::atomic<int64_t> now_ms_{0};
  const ExpiredRows expired_rows_;
  const std::shared_ptr<FittingFilter> filter_;
  rocksdb::Options options_;
  std::shared_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kColdFamilies> handles_{};
  int64_t ingested_ = 0;
  // Kept for their memory.
  rocksdb::WriteBatch batch_;
  std::vector<rocksdb::Slice> keys_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
};

RocksDbStore::~RocksDbStore() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle != nullptr) (void)db_->DestroyColumnFamilyHandle(handle);
  }
  if (db_) rocksdb::CancelAllBackgroundWork(db_.get(), true);
  db_.reset();
  memory_->store_closed();
  // What stays behind is removed with the directory of the run.
  (void)local_file_system().remove_recursively(directory_);
}

rocksdb::ColumnFamilyOptions RocksDbStore::family_options(ColdFamily family) const {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = memory_->write_buffer_bytes();
  options.arena_block_size = std::min<size_t>(memory_->write_buffer_bytes() / 8, kMiB);
  options.compression = rocksdb::kNoCompression;
  options.level_compaction_dynamic_level_bytes = true;
  options.target_file_size_base = std::max<size_t>(memory_->write_buffer_bytes(), 8 * kMiB);
  options.max_bytes_for_level_base = 4 * options.target_file_size_base;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory_->blocks();
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  if (family == ColdFamily::kRows) {
    // Rows are looked up by their whole key, most of the time.
    table.filter_policy = filter_;
    table.whole_key_filtering = true;
    // Most rows that are looked for were not evicted just now.
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.02;
    // What is written together is sorted: each row goes in not far from the one before.
    options.memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewFixedPrefixTransform(ColdRows::kGroupBytes));
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
    options.compaction_filter = &expired_rows_;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

Status RocksDbStore::open() {
  FileSystem& files = local_file_system();
  SLUICE_ASSIGN_OR_RETURN(const bool exists, files.exists(directory_));
  if (exists) return Status::already_exists(directory_ + " holds local state of another attempt");
  SLUICE_RETURN_IF_ERROR(files.make_directories(directory_));
  rocksdb::DBOptions options;
  options.env = memory_->files();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.error_if_exists = true;
  options.write_buffer_manager = memory_->writes();
  options.max_background_jobs = 2;
  options.max_open_files = -1;
  options.manual_wal_flush = true;
  options.avoid_flush_during_shutdown = true;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 1;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // The database goes with the process: nothing has to survive a power failure.
  options.use_fsync = false;
  constexpr std::array<const char*, kColdFamilies> kNames = {"default", "changes", "timers"};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.reserve(kColdFamilies);
  for (int i = 0; i < kColdFamilies; ++i) {
    families.emplace_back(kNames[static_cast<size_t>(i)],
                          family_options(static_cast<ColdFamily>(i)));
  }
  options_ = rocksdb::Options(options, families[0].options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  SLUICE_RETURN_IF_ERROR(to_status(rocksdb::DB::Open(options, directory_, families, &handles, &db),
                                   "open " + directory_));
  db_.reset(db);
  std::copy(handles.begin(), handles.end(), handles_.begin());
  return Status::ok();
}

Status RocksDbStore::multi_get(ColdFamily family, std::span<const std::string_view> keys,
                               const Found& found) {
  keys_.clear();
  for (const std::string_view key : keys) keys_.push_back(slice_of(key));
  if (values_.size() < keys.size()) {
    values_.resize(keys.size());
    statuses_.resize(keys.size());
  }
  db_->MultiGet(rocksdb::ReadOptions(), handle(family), keys.size(), keys_.data(), values_.data(),
                statuses_.data(), true);
  Status status;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (status.is_ok() && !statuses_[i].IsNotFound()) {
      status = to_status(statuses_[i], "read " + directory_);
      if (status.is_ok()) status = found(i, view_of(values_[i]));
    }
    values_[i].Reset();
  }
  return status;
}

Status RocksDbStore::write(std::span<const ColdWrite> writes) {
  batch_.Clear();
  for (const ColdWrite& write : writes) {
    const rocksdb::Status added =
        write.is_removal
            ? batch_.Delete(handle(write.family), slice_of(write.key))
            : batch_.Put(handle(write.family), slice_of(write.key), slice_of(write.value));
    SLUICE_RETURN_IF_ERROR(to_status(added, "write " + directory_));
  }
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  count_keys();
  return to_status(db_->Write(options, &batch_), "write " + directory_);
}

// Cheap enough for every call, which writes thousands of rows.
void RocksDbStore::count_keys() {
  uint64_t keys = 0;
  const bool known = db_->GetIntProperty(handle(ColdFamily::kRows),
                                         rocksdb::DB::Properties::kEstimateNumKeys, &keys);
  if (known) filter_->set_keys(keys);
}

Status RocksDbStore::ingest(std::span<const ColdWrite> rows) {
  count_keys();
  const std::string path = join_path(directory_, "ingest-" + std::to_string(ingested_++) + ".sst");
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options_);
  SLUICE_RETURN_IF_ERROR(to_status(writer.Open(path), "write " + path));
  for (const ColdWrite& row : rows) {
    SLUICE_RETURN_IF_ERROR(
        to_status(writer.Put(slice_of(row.key), slice_of(row.value)), "write " + path));
  }
  SLUICE_RETURN_IF_ERROR(to_status(writer.Finish(), "write " + path));
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  // The default writes into the file, which may be shared by a hard link.
  options.write_global_seqno = false;
  return to_status(db_->IngestExternalFile(handle(ColdFamily::kRows), {path}, options),
                   "take over " + path);
}

std::unique_ptr<ColdScan> RocksDbStore::scan(ColdFamily family, std::string_view begin,
                                             std::string_view end, const ColdView* view) {
  const rocksdb::Snapshot* snapshot =
      view == nullptr ? nullptr : static_cast<const RocksDbView*>(view)->snapshot();
  return std::make_unique<RocksDbScan>(*db_, handle(family), begin, end, snapshot, directory_);
}

Status RocksDbStore::remove_range(ColdFamily family, std::string_view begin, std::string_view end) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return to_status(db_->DeleteRange(options, handle(family), slice_of(begin), slice_of(end)),
                   "remove from " + directory_);
}

Status RocksDbStore::compact() {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    SLUICE_RETURN_IF_ERROR(
        to_status(db_->CompactRange(options, handle, nullptr, nullptr), "compact " + directory_));
  }
  return Status::ok();
}

}  // namespace

namespace {

constexpr size_t kBlocksMin = 2 * kMiB;
constexpr size_t kWriteBufferMin = 256 * 1024;
constexpr size_t kWriteBufferMax = 64 * kMiB;

}  // namespace

// Recent writes are counted in the cache; a quarter of a store's share makes one write buffer, so
// that one can be filled while another is written.
RocksDbMemory::RocksDbMemory(size_t bytes_per_store)
    : bytes_per_store_(bytes_per_store),
      write_buffer_bytes_(std::clamp(bytes_per_store / 4, kWriteBufferMin, kWriteBufferMax)),
      files_(make_unsynced_files()),
      blocks_(rocksdb::NewLRUCache(kBlocksMin)),
      writes_(std::make_shared<rocksdb::WriteBufferManager>(kBlocksMin / 2, blocks_)) {}

RocksDbMemory::~RocksDbMemory() = default;

void RocksDbMemory::resize(int stores) {
  const std::lock_guard lock(mutex_);
  stores_ += stores;
  const size_t bytes = std::max(kBlocksMin, bytes_per_store_ * static_cast<size_t>(stores_));
  blocks_->SetCapacity(bytes);
  writes_->SetBufferSize(bytes / 2);
}

Result<std::shared_ptr<ColdStore>> open_rocksdb_store(const std::string& directory,
                                                      std::shared_ptr<RocksDbMemory> memory) {
  auto store = std::make_shared<RocksDbStore>(directory, std::move(memory));
  SLUICE_RETURN_IF_ERROR(store->open());
  return std::shared_ptr<ColdStore>(std::move(store));
}

}  // namespace sluice
