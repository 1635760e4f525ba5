// Sources computed from row numbers: a pure function of 0, 1, 2, ..., so any parallelism gives the
// same rows, and a restored job goes on exactly where it was.
//
//   env.from_source(generate({.count = 1'000'000, .rows_per_second = 10'000},
//                            [](int64_t n) { return Order{n, n % 100}; }))
//
// With a rate row n is due n / rate seconds after the reader began, whichever subtask makes it, so
// the rate is that of all together, smooth, and made up for after a pause. Without, rows come as
// fast as they are taken.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/block_split.h"
#include "core/source.h"

namespace sluice {

struct GeneratorOptions {
  /// Rows in all; 0 = without end.
  int64_t count = 0;
  /// The source ends after this much processing time; 0 = not by time.
  Duration run_for{0};
  /// Over all subtasks; 0 = no limit.
  int64_t rows_per_second = 0;

  bool is_bounded() const { return count > 0 || run_for.count() > 0; }
};

/// Which rows are due by the clock. One owner, one thread.
class GeneratorPace {
 public:
  explicit GeneratorPace(const GeneratorOptions& options) : options_(options) {}

  void use(const Clock& clock) { clock_ = &clock; }
  bool has_started() const { return started_ns_ >= 0; }
  /// Row `position` is due now.
  void start(int64_t position) {
    started_ns_ = clock_->steady_ns();
    first_position_ = position;
  }
  bool is_over() const {
    return options_.run_for.count() > 0 &&
           clock_->steady_ns() - started_ns_ >= options_.run_for.count() * 1'000'000;
  }
  /// How many of `wanted` rows from `position` on are due.
  int64_t due_rows(int64_t position, int64_t wanted) {
    next_poll_ms_ = Operator::kNoTimer;
    if (options_.rows_per_second == 0) return wanted;
    const double rate = static_cast<double>(options_.rows_per_second);
    const double elapsed_s = static_cast<double>(clock_->steady_ns() - started_ns_) * 1e-9;
    const auto due_end = first_position_ + 1 + static_cast<int64_t>(elapsed_s * rate);
    const int64_t due = std::min(wanted, due_end - position);
    if (due > 0) return due;
    const double wait_ms = static_cast<double>(position + 1 - due_end) * 1e3 / rate;
    next_poll_ms_ = clock_->wall_ms() + std::max<int64_t>(1, static_cast<int64_t>(wait_ms));
    return 0;
  }
  /// When row `position` was or will be due; 0 without a rate.
  int64_t due_ns(int64_t position) const {
    if (options_.rows_per_second == 0) return 0;
    const double rows = static_cast<double>(position - first_position_);
    return started_ns_ +
           static_cast<int64_t>(rows * 1e9 / static_cast<double>(options_.rows_per_second));
  }
  /// When rows will be due after due_rows() gave none.
  int64_t next_poll_ms() const { return next_poll_ms_; }
  void forget_next_poll() { next_poll_ms_ = Operator::kNoTimer; }

 private:
  GeneratorOptions options_;
  const Clock* clock_ = nullptr;
  int64_t started_ns_ = -1;
  int64_t first_position_ = 0;
  int64_t next_poll_ms_ = Operator::kNoTimer;
};

/// `Append` is called as append(first, count, batch) and adds the rows first .. first + count - 1.
template <class T, class Append>
class GeneratorReader final : public SourceReader<T> {
 public:
  GeneratorReader(const GeneratorOptions& options, Append append)
      : append_(std::move(append)), pace_(options) {}

  Status open(SourceContext& context) override {
    pace_.use(*context.clock);
    return Status::ok();
  }
  Status add_split(const SourceSplit& split) override {
    SLUICE_ASSIGN_OR_RETURN(const BlockSplit added, BlockSplit::of_split(split));
    splits_.push_back(added);
    paused_.push_back(false);
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<T>& batch, uint32_t rows_max) override {
    PollResult result;
    pace_.forget_next_poll();
    const int picked = pick_split();
    if (picked < 0) {
      result.state = picked == kAllPaused ? PollState::kNothingYet : PollState::kNeedSplit;
      return result;
    }
    BlockSplit& split = splits_[static_cast<size_t>(picked)];
    if (!pace_.has_started()) pace_.start(split.next);
    if (pace_.is_over()) {
      split.next = split.end;
    } else {
      const int64_t wanted = std::min<int64_t>(rows_max, split.left_in_block());
      const int64_t rows = pace_.due_rows(split.next, wanted);
      if (rows == 0) return result;
      const ArenaScope scope(&batch.own_arena());
      append_(split.next, rows, batch);
      result.due_ns = pace_.due_ns(split.next);
      split.advance(rows);
    }
    result.state = PollState::kMore;
    result.split = picked;
    result.split_finished = split.is_finished();
    return result;
  }
  int64_t next_poll_ms() const override { return pace_.next_poll_ms(); }
  std::vector<SourceSplit> snapshot() const override {
    std::vector<SourceSplit> unfinished;
    for (const BlockSplit& split : splits_) {
      if (!split.is_finished()) unfinished.push_back(split.to_split());
    }
    return unfinished;
  }
  void pause_splits(const std::vector<int>& paused) override {
    paused_.assign(paused_.size(), false);
    for (const int split : paused) paused_[static_cast<size_t>(split)] = true;
  }

 private:
  static constexpr int kAllFinished = -1;
  static constexpr int kAllPaused = -2;

  /// The split that is least far among those that alignment lets go on.
  int pick_split() const {
    int picked = kAllFinished;
    for (size_t i = 0; i < splits_.size(); ++i) {
      if (splits_[i].is_finished()) continue;
      if (paused_[i]) {
        if (picked < 0) picked = kAllPaused;
        continue;
      }
      if (picked < 0 || splits_[i].next < splits_[static_cast<size_t>(picked)].next) {
        picked = static_cast<int>(i);
      }
    }
    return picked;
  }

  Append append_;
  GeneratorPace pace_;
  std::vector<BlockSplit> splits_;
  std::vector<bool> paused_;
};

template <class T, class Append>
class GeneratorSource final : public Source<T> {
 public:
  GeneratorSource(const GeneratorOptions& options, Append append, std::string name)
      : options_(options), append_(std::move(append)), name_(std::move(name)) {}

  bool is_bounded() const override { return options_.is_bounded(); }
  std::string name() const override { return name_; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    return std::make_unique<BlockEnumerator>(options_.count > 0 ? options_.count
                                                                : BlockSplit::kEndless);
  }
  std::unique_ptr<SourceReader<T>> create_reader() const override {
    return std::make_unique<GeneratorReader<T, Append>>(options_, append_);
  }

 private:
  GeneratorOptions options_;
  Append append_;
  std::string name_;
};

/// Rows make(0), make(1), ...: a pure function of the number. Texts it makes live in the batch.
template <class F>
auto generate(const GeneratorOptions& options, F make, std::string name = "generator") {
  using T = std::decay_t<std::invoke_result_t<F&, int64_t>>;
  auto append = [make = std::move(make)](int64_t first, int64_t count,
                                         TypedBatch<T>& batch) mutable {
    for (int64_t row = first; row < first + count; ++row) batch.push(std::invoke(make, row));
  };
  return GeneratorSource<T, decltype(append)>(options, std::move(append), std::move(name));
}

}  // namespace sluice
