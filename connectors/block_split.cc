#include "connectors/block_split.h"

#include <algorithm>
#include <utility>

#include "core/codec.h"

namespace sluice {

BlockSplit BlockSplit::first_of(int64_t index, int64_t strides, int64_t end) {
  return {index, strides, index * kBlockRows, end};
}

int64_t BlockSplit::left_in_block() const {
  const int64_t block_end = (next / kBlockRows + 1) * kBlockRows;
  return std::min(block_end, end) - next;
}

void BlockSplit::advance(int64_t rows) {
  next += rows;
  if (next % kBlockRows == 0 && next < end) next += (strides - 1) * kBlockRows;
}

SourceSplit BlockSplit::to_split() const {
  SourceSplit split;
  split.id = std::to_string(index) + "/" + std::to_string(strides);
  ByteWriter writer(split.data);
  writer.fixed(index);
  writer.fixed(strides);
  writer.fixed(next);
  writer.fixed(end);
  return split;
}

Result<BlockSplit> BlockSplit::of_split(const SourceSplit& split) {
  ByteReader reader(split.data);
  BlockSplit result;
  result.index = reader.fixed<int64_t>();
  result.strides = reader.fixed<int64_t>();
  result.next = reader.fixed<int64_t>();
  result.end = reader.fixed<int64_t>();
  if (reader.failed() || !reader.at_end() || result.strides < 1 || result.next < 0) {
    return Status::corruption("split '" + split.id + "' of a generator is damaged");
  }
  return result;
}

Status BlockEnumerator::open(int source_parallelism) {
  const int per_reader = (kSplitsMin + source_parallelism - 1) / source_parallelism;
  share_ = static_cast<size_t>(per_reader);
  if (restored_) return Status::ok();
  const int strides = source_parallelism * per_reader;
  for (int i = strides - 1; i >= 0; --i) {
    const BlockSplit split = BlockSplit::first_of(i, strides, end_);
    // A split without rows would never be read, nor finish, and hold event time back.
    if (!split.is_finished()) unassigned_.push_back(split.to_split());
  }
  return Status::ok();
}

SplitEnumerator::Assignment BlockEnumerator::next(int /*subtask*/) {
  Assignment assignment;
  while (!unassigned_.empty() && assignment.splits.size() < share_) {
    assignment.splits.push_back(std::move(unassigned_.back()));
    unassigned_.pop_back();
  }
  assignment.no_more = assignment.splits.empty();
  return assignment;
}

void BlockEnumerator::add_back(std::vector<SourceSplit> splits) {
  for (auto& split : splits) unassigned_.push_back(std::move(split));
}

std::string BlockEnumerator::snapshot() const {
  std::string state;
  ByteWriter writer(state);
  writer.fixed(static_cast<uint32_t>(unassigned_.size()));
  for (const auto& split : unassigned_) {
    writer.text(split.id);
    writer.text(split.data);
  }
  return state;
}

Status BlockEnumerator::restore(std::string_view state) {
  ByteReader reader(state);
  const uint32_t count = reader.count();
  unassigned_.clear();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    SourceSplit split;
    split.id = std::string(reader.text());
    split.data = std::string(reader.text());
    unassigned_.push_back(std::move(split));
  }
  if (reader.failed()) return Status::corruption("the state of a generator is damaged");
  restored_ = true;
  return Status::ok();
}

}  // namespace sluice
