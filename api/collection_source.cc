#include "api/collection_source.h"

namespace sluice::detail {

SourceSplit PositionRange::to_split() const {
  SourceSplit split;
  // The end never changes while the position moves, and ranges do not overlap.
  split.id = "to-" + std::to_string(end);
  ByteWriter writer(split.data);
  writer.fixed(next);
  writer.fixed(end);
  return split;
}

Result<PositionRange> PositionRange::of_split(const SourceSplit& split) {
  ByteReader reader(split.data);
  PositionRange range;
  range.next = reader.fixed<int64_t>();
  range.end = reader.fixed<int64_t>();
  if (reader.failed() || !reader.at_end()) {
    return Status::corruption("split '" + split.id + "' of a collection source is damaged");
  }
  return range;
}

Status PositionEnumerator::open(int source_parallelism) {
  if (restored_) return Status::ok();
  const int64_t size = all_.end - all_.next;
  const int64_t wanted =
      source_parallelism <= 1 ? 1 : int64_t{source_parallelism} * splits_per_reader_;
  const int64_t splits = std::min(size, wanted);
  for (int64_t i = splits - 1; i >= 0; --i) {
    // Shares by i·size/splits; 128 bits because a sequence may span most of int64.
    const auto at = [&](int64_t k) {
      return all_.next + static_cast<int64_t>(static_cast<__int128>(size) * k / splits);
    };
    unassigned_.push_back(PositionRange{at(i), at(i + 1)}.to_split());
  }
  return Status::ok();
}

SplitEnumerator::Assignment PositionEnumerator::next(int /*subtask*/) {
  Assignment assignment;
  if (unassigned_.empty()) {
    assignment.no_more = true;
    return assignment;
  }
  assignment.splits.push_back(std::move(unassigned_.back()));
  unassigned_.pop_back();
  return assignment;
}

void PositionEnumerator::add_back(std::vector<SourceSplit> splits) {
  for (auto& split : splits) unassigned_.push_back(std::move(split));
}

std::string PositionEnumerator::snapshot() const {
  std::string state;
  ByteWriter writer(state);
  writer.fixed(static_cast<uint32_t>(unassigned_.size()));
  for (const auto& split : unassigned_) {
    writer.text(split.id);
    writer.text(split.data);
  }
  return state;
}

Status PositionEnumerator::restore(std::string_view state) {
  ByteReader reader(state);
  const uint32_t count = reader.count();
  unassigned_.clear();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    SourceSplit split;
    split.id = std::string(reader.text());
    split.data = std::string(reader.text());
    unassigned_.push_back(std::move(split));
  }
  if (reader.failed()) return Status::corruption("the state of a collection source is damaged");
  restored_ = true;
  return Status::ok();
}

}  // namespace sluice::detail
