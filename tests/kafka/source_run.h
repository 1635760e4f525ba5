// Drives a source by plain calls, the way a job would: enumerator, readers, snapshots, restarts.
//
// Waits on the readers' wake-ups, with a deadline, instead of sleeping.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/source.h"

namespace sluice {

template <class T>
class SourceRun {
 public:
  explicit SourceRun(std::shared_ptr<const Source<T>> source, int parallelism = 1,
                     std::vector<SourceSplit> restored = {}, std::string enumerator_state = "")
      : source_(std::move(source)), parallelism_(parallelism) {
    enumerator = source_->create_enumerator();
    if (!enumerator_state.empty()) REQUIRE(enumerator->restore(enumerator_state).is_ok());
    const Status opened = enumerator->open(parallelism);
    REQUIRE_MESSAGE(opened.is_ok(), opened.to_string());
    for (int i = 0; i < parallelism; ++i) add_reader(i);
    for (size_t i = 0; i < restored.size(); ++i) {
      Subtask& subtask = *subtasks_[i % subtasks_.size()];
      REQUIRE(subtask.reader->add_split(restored[i]).is_ok());
    }
  }
  ~SourceRun() {
    for (auto& subtask : subtasks_) subtask->reader->close();
  }

  struct Row {
    T value;
    EventTime time;
    RowKind kind;
    int subtask;
    int split;
  };

  /// Reads until there are `rows_wanted` rows, all subtasks are finished, or time is up.
  void read(size_t rows_wanted, uint32_t rows_per_poll = 1024, int seconds = 30) {
    const auto deadline = Deadline::after(seconds);
    while (rows.size() < rows_wanted && !deadline.is_over() && failure.is_ok()) {
      bool produced = false;
      bool all_done = true;
      for (auto& subtask : subtasks_) {
        if (subtask->done) continue;
        all_done = false;
        produced =
            poll(*subtask, std::min<uint32_t>(rows_per_poll,
                                              static_cast<uint32_t>(rows_wanted - rows.size()))) ||
            produced;
        if (rows.size() >= rows_wanted) return;
      }
      if (all_done) return;
      if (!produced) wait();
    }
  }
  /// Reads a bounded source to its end.
  void read_all(int seconds = 30) { read(SIZE_MAX, 1024, seconds); }
  bool is_done() const {
    for (const auto& subtask : subtasks_) {
      if (!subtask->done) return false;
    }
    return true;
  }
  /// Looks for new splits; subtasks that were told "none at present" get theirs, as the
  /// enumerator's actor serves them.
  Status discover() {
    SLUICE_RETURN_IF_ERROR(enumerator->discover());
    for (auto& subtask : subtasks_) {
      if (std::exchange(subtask->told_none, false)) ask(*subtask);
    }
    return Status::ok();
  }
  /// Polls once per subtask without waiting.
  void poll_once() {
    for (auto& subtask : subtasks_) {
      if (!subtask->done) poll(*subtask, 1024);
    }
  }

  std::vector<SourceSplit> snapshot() const {
    std::vector<SourceSplit> splits;
    for (const auto& subtask : subtasks_) {
      for (auto& split : subtask->reader->snapshot()) splits.push_back(std::move(split));
    }
    return splits;
  }
  SourceReader<T>& reader(int subtask) { return *subtasks_[static_cast<size_t>(subtask)]->reader; }

  struct Bad {
    std::string place;
    std::string reason;
    std::string raw;
  };
  std::unique_ptr<SplitEnumerator> enumerator;
  std::vector<Row> rows;
  std::vector<Bad> bad;
  Status failure;

 private:
  struct Deadline {
    static Deadline after(int seconds) {
      return {system_clock().steady_ns() + int64_t{seconds} * 1'000'000'000};
    }
    bool is_over() const { return system_clock().steady_ns() > at_ns; }
    int64_t at_ns;
  };
  struct Subtask {
    int index = 0;
    SourceContext context;
    std::unique_ptr<SourceReader<T>> reader;
    bool done = false;
    bool no_more = false;
    bool told_none = false;
  };

  void add_reader(int index) {
    auto subtask = std::make_unique<Subtask>();
    subtask->index = index;
    subtask->context.task.subtask = index;
    subtask->context.task.parallelism = parallelism_;
    subtask->context.clock = &system_clock();
    subtask->context.wake = [this] {
      const std::lock_guard lock(mutex_);
      woken_ = true;
      signal_.notify_one();
    };
    subtask->context.bad_record = [this](std::string_view place, std::string_view reason,
                                         std::string_view raw) {
      bad.push_back({std::string(place), std::string(reason), std::string(raw)});
    };
    subtask->reader = source_->create_reader();
    REQUIRE(subtask->reader->open(subtask->context).is_ok());
    subtasks_.push_back(std::move(subtask));
  }
  bool poll(Subtask& subtask, uint32_t rows_max) {
    auto batch = TypedBatch<T>::make(rows_max);
    const ArenaScope scope(&batch->own_arena());
    const auto result = subtask.reader->poll(*batch, rows_max);
    if (!result.is_ok()) {
      failure = result.status();
      return false;
    }
    for (uint32_t i = 0; i < batch->rows(); ++i) {
      // The rows outlive the batch, so their texts move to the thread's arena.
      T value = (*batch)[i];
      move_texts_to(value, kept_);
      rows.push_back({value, batch->time(i), batch->kind(i), subtask.index, result->split});
    }
    if (result->state != PollState::kNeedSplit || batch->rows() > 0) {
      return result->state == PollState::kMore;
    }
    return ask(subtask);
  }
  bool ask(Subtask& subtask) {
    // A reader that needs splits after it was told that there are no more has ended.
    if (subtask.no_more) {
      subtask.done = true;
      return true;
    }
    auto assignment = enumerator->next(subtask.index);
    subtask.no_more = assignment.no_more;
    for (const SourceSplit& split : assignment.splits) {
      REQUIRE(subtask.reader->add_split(split).is_ok());
    }
    if (!assignment.splits.empty()) return true;
    subtask.told_none = !assignment.no_more;
    return assignment.no_more;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    // Short, so that a forgotten wake-up shows as slowness and the deadline holds.
    signal_.wait_for(lock, std::chrono::milliseconds(200), [&] { return woken_; });
    woken_ = false;
  }

  std::shared_ptr<const Source<T>> source_;
  int parallelism_;
  TextArena& kept_ = current_text_arena();
  std::mutex mutex_;
  std::condition_variable signal_;
  bool woken_ = false;
  std::vector<std::unique_ptr<Subtask>> subtasks_;
};

}  // namespace sluice
