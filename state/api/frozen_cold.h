// The part of a frozen table that is not in memory: the cold store as it was, and what was evicted
// changed in the epoch that the freeze ended.
//
// Rows in memory at the freeze are newer than their copies here; the caller says which those are.
// Read by one thread, which need not be the table's; the epoch's changes are given up on
// destruction.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "state/api/cold_rows.h"

namespace sluice {

/// Encoded keys.
using KeySet = std::unordered_set<std::string>;

class FrozenCold {
 public:
  /// No removals wait in `cold`; ends its epoch.
  explicit FrozenCold(ColdRows& cold);
  ~FrozenCold();
  FrozenCold(const FrozenCold&) = delete;
  FrozenCold& operator=(const FrozenCold&) = delete;

  bool tracks_changes() const { return tracks_changes_; }

  /// Goes through one table of the store, key group by key group in rising order.
  class Walk {
   public:
    /// Calls visit(key, row) for the rows of the group; an empty row is a deletion.
    using Visit = std::function<Status(std::string_view key, std::string_view row)>;
    Status visit_group(int group, const Visit& visit);

   private:
    friend class FrozenCold;
    std::unique_ptr<ColdScan> scan_;  // Null: there is nothing.
    size_t skip_bytes_ = 0;           // In front of row keys.
    bool is_at_entry_ = false;
  };
  /// All rows that are stored.
  Walk rows() const;
  /// Rows that were changed or deleted in the epoch and are stored.
  Walk changes() const;

 private:
  const std::shared_ptr<ColdStore> store_;
  std::shared_ptr<const ColdView> view_;
  const uint32_t epoch_;
  const bool has_rows_;
  const bool has_changes_;
  const bool tracks_changes_;
};

}  // namespace sluice
