// Sources inside the program: the elements of a vector, and functions of a range of numbers.
//
// Both are bounded and replayable: a split is a range of positions, its state the next position, so
// a job that starts again from a checkpoint goes on exactly after the last record it has seen.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "core/source.h"

namespace sluice {

namespace detail {

/// Positions [next, end) that one reader reads.
struct PositionRange {
  int64_t next = 0;
  int64_t end = 0;

  SourceSplit to_split() const;
  static Result<PositionRange> of_split(const SourceSplit& split);
};

/// Cuts [begin, end) into ranges and hands them out in order.
class PositionEnumerator final : public SplitEnumerator {
 public:
  /// `splits_per_reader`: more than one evens out readers of different speed.
  PositionEnumerator(PositionRange all, int splits_per_reader)
      : all_(all), splits_per_reader_(splits_per_reader) {}

  Status open(int source_parallelism) override;
  Assignment next(int subtask) override;
  void add_back(std::vector<SourceSplit> splits) override;
  std::string snapshot() const override;
  Status restore(std::string_view state) override;

 private:
  PositionRange all_;
  int splits_per_reader_;
  std::vector<SourceSplit> unassigned_;  // Last one first.
  bool restored_ = false;
};

/// Calls append(position, batch) for the positions of its splits.
template <class T, class Append>
class PositionReader final : public SourceReader<T> {
 public:
  explicit PositionReader(Append append) : append_(std::move(append)) {}

  Status open(SourceContext& /*context*/) override { return Status::ok(); }
  Status add_split(const SourceSplit& split) override {
    SLUICE_ASSIGN_OR_RETURN(const PositionRange range, PositionRange::of_split(split));
    splits_.push_back(range);
    paused_.push_back(false);
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<T>& batch, uint32_t rows_max) override {
    while (first_open_ < splits_.size() && is_done(first_open_)) ++first_open_;
    PollResult result;
    if (first_open_ == splits_.size()) {
      result.state = PollState::kNeedSplit;
      return result;
    }
    size_t current = first_open_;
    while (current < splits_.size() && (paused_[current] || is_done(current))) ++current;
    if (current == splits_.size()) return result;
    PositionRange& range = splits_[current];
    const int64_t rows = std::min<int64_t>(rows_max, range.end - range.next);
    const ArenaScope scope(&batch.own_arena());
    for (int64_t i = 0; i < rows; ++i) append_(range.next++, batch);
    result.state = PollState::kMore;
    result.split = static_cast<int>(current);
    result.split_finished = is_done(current);
    return result;
  }
  void pause_splits(const std::vector<int>& paused) override {
    paused_.assign(paused_.size(), false);
    for (const int split : paused) paused_[static_cast<size_t>(split)] = true;
  }
  std::vector<SourceSplit> snapshot() const override {
    std::vector<SourceSplit> open;
    for (const auto& range : splits_) {
      if (range.next < range.end) open.push_back(range.to_split());
    }
    return open;
  }

 private:
  bool is_done(size_t split) const { return splits_[split].next >= splits_[split].end; }

  Append append_;
  std::vector<PositionRange> splits_;
  std::vector<bool> paused_;  // By alignment.
  size_t first_open_ = 0;
};

}  // namespace detail

/// The elements of a vector in order, read by one subtask.
template <class T>
class CollectionSource final : public Source<T> {
 public:
  /// Copies the texts of the elements.
  explicit CollectionSource(std::vector<T> elements) : content_(std::make_shared<Content>()) {
    content_->elements = std::move(elements);
    for (T& element : content_->elements) move_texts_to(element, *content_->texts);
  }

  bool is_bounded() const override { return true; }
  int parallelism_max() const override { return 1; }
  std::string name() const override { return "collection"; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    const auto size = static_cast<int64_t>(content_->elements.size());
    return std::make_unique<detail::PositionEnumerator>(detail::PositionRange{0, size}, 1);
  }
  std::unique_ptr<SourceReader<T>> create_reader() const override {
    const auto append = [content = content_](int64_t position, TypedBatch<T>& batch) {
      batch.push_copy(content->elements[static_cast<size_t>(position)]);
    };
    return std::make_unique<detail::PositionReader<T, decltype(append)>>(append);
  }

 private:
  struct Content {
    std::vector<T> elements;
    TextArenaRef texts = TextArenaRef(new TextArena());
  };
  std::shared_ptr<Content> content_;
};

/// make(first) .. make(last), computed by all subtasks.
template <class T, class F>
class SequenceSource final : public Source<T> {
 public:
  SequenceSource(int64_t first, int64_t last, F make, std::string name)
      : all_{first, std::max(first, last + 1)}, make_(std::move(make)), name_(std::move(name)) {}

  bool is_bounded() const override { return true; }
  std::string name() const override { return name_; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    return std::make_unique<detail::PositionEnumerator>(all_, kSplitsPerReader);
  }
  std::unique_ptr<SourceReader<T>> create_reader() const override {
    auto append = [make = make_](int64_t position, TypedBatch<T>& batch) mutable {
      batch.push_made([&]() -> decltype(auto) { return std::invoke(make, position); });
    };
    return std::make_unique<detail::PositionReader<T, decltype(append)>>(std::move(append));
  }

 private:
  static constexpr int kSplitsPerReader = 4;

  detail::PositionRange all_;
  F make_;
  std::string name_;
};

}  // namespace sluice
