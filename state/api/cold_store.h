// The store behind a table of rows that does not fit its memory: ordered tables of bytes on disk,
// used for whole batches, never per record.
//
// The table is the owner of what is true: the store keeps rows that were evicted, which rows
// changed between two snapshots, and when timers of evicted rows are due. It holds nothing that has
// to survive its process: snapshots do that.
//
// Implemented by state/rocksdb; operators get one by OperatorContext. write(), ingest(),
// multi_get() and set_now_ms() are called by the task's thread only; views, scans and
// remove_range() also by the threads that write snapshots.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/status.h"

namespace sluice {

/// The tables of a store.
enum class ColdFamily : uint8_t {
  kRows = 0,     // Row key → row (state/api/row_blob.h).
  kChanges = 1,  // Epoch + row key → row, or nothing for a row that was deleted.
  kTimers = 2,   // Domain + time + row key → nothing.
};
inline constexpr int kColdFamilies = 3;

struct ColdWrite {
  ColdFamily family = ColdFamily::kRows;
  bool is_removal = false;
  std::string_view key;
  std::string_view value;
};

/// The store as it was at one moment. Released from any thread.
class ColdView {
 public:
  virtual ~ColdView() = default;
};

/// Goes through a range of keys in order; one thread.
class ColdScan {
 public:
  virtual ~ColdScan() = default;
  /// Moves to the first or next entry; false at the end or on an error.
  virtual bool next() = 0;
  /// Views live until the next call.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual Status status() const = 0;
};

class ColdStore {
 public:
  virtual ~ColdStore() = default;

  /// found(index, value) for every key that is there; `keys` sorted, without repetitions. A Status
  /// from `found` ends the call.
  using Found = std::function<Status(size_t index, std::string_view value)>;
  virtual Status multi_get(ColdFamily family, std::span<const std::string_view> keys,
                           const Found& found) = 0;
  /// All of it or nothing. Fast when sorted by (family, key).
  virtual Status write(std::span<const ColdWrite> writes) = 0;
  /// Adds rows whose keys are sorted and not in the store yet, without going through the log of
  /// recent writes.
  virtual Status ingest(std::span<const ColdWrite> rows) = 0;

  virtual std::shared_ptr<const ColdView> view() = 0;
  /// Keys in [begin, end); null view: as it is now. The store outlives the scan.
  virtual std::unique_ptr<ColdScan> scan(ColdFamily family, std::string_view begin,
                                         std::string_view end, const ColdView* view) = 0;
  virtual Status remove_range(ColdFamily family, std::string_view begin, std::string_view end) = 0;

  /// Rows that have expired by then may vanish.
  virtual void set_now_ms(int64_t now_ms) = 0;
  /// Brings the store into its smallest form at once; it gets there by itself, too. Takes long.
  virtual Status compact() = 0;
};

}  // namespace sluice
