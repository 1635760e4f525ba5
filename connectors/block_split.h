// Positions 0, 1, 2, ... dealt to parallel readers in blocks of consecutive ones, in turn: split k
// of n has the blocks k, k + n, k + 2n, ... So however many subtasks read, all of them move through
// the positions side by side, and a reader of several splits who always takes the one that is least
// far sees its positions in order. A split's state is its next position.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.h"
#include "core/status.h"

namespace sluice {

/// Every `strides`-th block from block `index` on.
struct BlockSplit {
  int64_t index = 0;
  int64_t strides = 1;
  int64_t next = 0;  // Lies in a block of this split.
  int64_t end = 0;   // Of all positions.

  static constexpr int64_t kBlockRows = 1000;
  /// The end of positions without end.
  static constexpr int64_t kEndless = INT64_MAX / 4;

  static BlockSplit first_of(int64_t index, int64_t strides, int64_t end);
  bool is_finished() const { return next >= end; }
  /// Positions up to the end of the block or of all.
  int64_t left_in_block() const;
  void advance(int64_t rows);

  SourceSplit to_split() const;
  static Result<BlockSplit> of_split(const SourceSplit& split);
};

/// Gives each reader its share of the splits at once.
class BlockEnumerator final : public SplitEnumerator {
 public:
  explicit BlockEnumerator(int64_t end) : end_(end) {}

  Status open(int source_parallelism) override;
  Assignment next(int subtask) override;
  void add_back(std::vector<SourceSplit> splits) override;
  std::string snapshot() const override;
  Status restore(std::string_view state) override;

 private:
  // More splits than subtasks at low parallelism, so that a job can be rescaled.
  static constexpr int kSplitsMin = 4;

  int64_t end_;
  std::vector<SourceSplit> unassigned_;
  size_t share_ = 1;  // Splits given at a time.
  bool restored_ = false;
};

}  // namespace sluice
