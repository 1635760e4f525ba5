// The head of a source chain: a reader plus the job's watermark strategy, as an operator.
//
// The task calls poll() when everything below is drained, so time spent back-pressured never counts
// as idle (semantics rule 15). Each split has its own timeline; the subtask's watermark is the
// minimum over its unfinished, non-idle splits. A subtask that has not yet been told whether it
// gets a split holds event time back; once told "none at present" it is idle.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/inspection.h"
#include "core/source.h"
#include "operators/split_watermarks.h"
#include "operators/watermark_strategy.h"

namespace sluice {

/// Tag id of the side output that carries records which could not be read (DeadLetter).
inline constexpr int kDeadLetterTagId = -1;

/// The type-erased part, which the task talks to.
class SourceOperatorBase : public Operator {
 public:
  enum class State {
    kProduced,    // Something was emitted; poll again.
    kNothingYet,  // wake() or next_poll_ms() follows.
    kNeedSplit,   // Ask the enumerator once, then wait for add_splits().
    kFinished,    // The MAX watermark was emitted.
  };
  virtual State poll() = 0;
  virtual Status status() const = 0;
  virtual void add_splits(const std::vector<SourceSplit>& splits, bool no_more) = 0;
  virtual std::vector<SourceSplit> unfinished_splits() const = 0;
  /// Ends reading; with_max_watermark: event timers fire downstream.
  virtual void stop(bool with_max_watermark) = 0;
  /// The time since the last poll was spent blocked, so it is not idle time.
  virtual void note_blocked() = 0;
  virtual int64_t next_poll_ms() const = 0;
  /// PollResult::due_ns of the last poll.
  virtual int64_t due_ns() const = 0;
  /// Whether the subtask counts as idle for event time now.
  virtual bool is_idle() const = 0;
  virtual void set_watermark_limit(EventTime limit) = 0;
  virtual EventTime alignment_watermark() const = 0;
  /// For inspection: the splits being read, without `since` and `last_record`.
  virtual void look(TaskDetails& details) const = 0;
  /// The watermark put out so far, and going on from it after a restore.
  virtual EventTime watermark() const = 0;
  virtual void restore_watermark(EventTime watermark) = 0;

  Progress process(int /*input*/, StreamBatch& /*in*/, Cursor& /*cursor*/) override {
    SLUICE_CHECK_MSG(false, "a source has no input");
    return Progress::kDone;
  }
};

template <class T>
class SourceOperator final : public SourceOperatorBase {
 public:
  SourceOperator(std::shared_ptr<const Source<T>> source, WatermarkStrategy<T> strategy)
      : source_(std::move(source)), strategy_(std::move(strategy)) {}

  Status open(OperatorContext& context) override {
    context_ = &context;
    reader_ = source_->create_reader();
    reader_context_.task = context.task;
    reader_context_.clock = context.clock;
    reader_context_.metrics = context.metrics;
    reader_context_.io = context.io;
    reader_context_.wake = context.wake;
    reader_context_.bad_record = [this](std::string_view place, std::string_view reason,
                                        std::string_view raw) { bad_record(place, reason, raw); };
    dead_letters_ = static_cast<Output<DeadLetter>*>(sides_.find(kDeadLetterTagId));
    bad_records_ = &context.metrics->counter("dead_letter");
    records_ = &context.metrics->counter("records_in");
    last_poll_ms_ = context.clock->wall_ms();
    SLUICE_RETURN_IF_ERROR(reader_->open(reader_context_));
    if (context.restored != nullptr) {
      std::vector<SourceSplit> splits;
      for (const std::string& item : context.restored->items("splits")) {
        ByteReader reader(item);
        SourceSplit split;
        split.id = std::string(reader.text());
        split.data = std::string(reader.text());
        if (reader.failed()) return Status::corruption("a stored source split cannot be read");
        splits.push_back(std::move(split));
      }
      if (!splits.empty()) add_splits(splits, false);
    }
    return status_;
  }
  void close() override {
    if (reader_) reader_->close();
  }

  State poll() override;
  Status status() const override { return status_; }
  void add_splits(const std::vector<SourceSplit>& splits, bool no_more) override;
  std::vector<SourceSplit> unfinished_splits() const override {
    return reader_ ? reader_->snapshot() : std::vector<SourceSplit>();
  }
  void stop(bool with_max_watermark) override {
    stopped_ = true;
    max_watermark_at_end_ = with_max_watermark;
  }
  void note_blocked() override { was_blocked_ = true; }
  int64_t next_poll_ms() const override {
    // A new limit or the end of the idle time of others comes as a message.
    if (all_paused()) return Operator::kNoTimer;
    int64_t next = reader_->next_poll_ms();
    if (strategy_.idle_timeout() && splits_.any_live()) {
      next = std::min(next, last_poll_ms_ + strategy_.idle_timeout()->count() / 2 + 1);
    }
    return next;
  }
  int64_t due_ns() const override { return due_ns_; }
  bool is_idle() const override { return idle_; }
  void set_watermark_limit(EventTime limit) override {
    watermark_limit_ = limit;
    align_splits();
  }
  EventTime alignment_watermark() const override {
    return idle_ || finished_ ? kMaxTime : splits_.watermark();
  }
  EventTime watermark() const override { return splits_.watermark(); }
  void restore_watermark(EventTime watermark) override { splits_.restore(watermark); }

  void look(TaskDetails& details) const override;

  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId checkpoint) override;
  Status checkpoint_complete(CheckpointId checkpoint) override {
    return reader_->checkpoint_complete(checkpoint);
  }

  int output_count() const override { return 1 + sides_.count(); }
  OutputBase& output(int index) override {
    return index == 0 ? static_cast<OutputBase&>(out_) : sides_.at(index - 1);
  }
  void add_side_output(int tag_id, std::unique_ptr<OutputBase> output) override {
    sides_.add(tag_id, std::move(output));
  }

 private:
  struct SplitState {
    std::string id;
    std::unique_ptr<SplitTimeline<T>> timeline;
    int64_t records = 0;
    int64_t quiet_ms = 0;  // Time without records while the subtask could have read.
  };
  void emit(Ref<TypedBatch<T>> batch, const PollResult& result);
  void end();
  void advance_idle_clocks();
  void align_splits();
  bool is_paused(int split) const {
    return std::find(paused_.begin(), paused_.end(), split) != paused_.end();
  }
  /// There are splits to read, but alignment lets none go on.
  bool all_paused() const { return !paused_.empty() && paused_count_ == live_count_; }
  void raise(std::optional<EventTime> watermark) {
    if (watermark) mark(*watermark);
  }
  void mark(EventTime watermark) {
    out_.mark(watermark);
    sides_.mark(watermark);
  }
  void bad_record(std::string_view place, std::string_view reason, std::string_view raw);

  std::shared_ptr<const Source<T>> source_;
  WatermarkStrategy<T> strategy_;
  OperatorContext* context_ = nullptr;
  SourceContext reader_context_;
  std::unique_ptr<SourceReader<T>> reader_;
  Output<T> out_;
  SideOutputs sides_;
  Output<DeadLetter>* dead_letters_ = nullptr;
  Counter* bad_records_ = nullptr;
  Counter* records_ = nullptr;
  SplitWatermarks splits_;
  std::vector<SplitState> split_states_;
  EventTime watermark_limit_ = kMaxTime;  // What alignment with other subtasks allows.
  std::vector<int> paused_;
  int paused_count_ = 0;
  int live_count_ = 0;  // Unfinished splits, as of align_splits().
  Status status_;
  int64_t last_poll_ms_ = 0;
  int64_t due_ns_ = 0;
  bool was_blocked_ = false;
  bool asked_for_split_ = false;
  bool no_more_splits_ = false;
  bool idle_ = false;
  bool stopped_ = false;
  bool max_watermark_at_end_ = true;
  bool finished_ = false;
};

template <class T>
OperatorFactory make_source_operator(std::shared_ptr<const Source<T>> source,
                                     WatermarkStrategy<T> strategy) {
  return [source, strategy]() -> std::unique_ptr<Operator> {
    return std::make_unique<SourceOperator<T>>(source, strategy);
  };
}

// ---- implementation -----------------------------------------------------------------------------

template <class T>
void SourceOperator<T>::add_splits(const std::vector<SourceSplit>& splits, bool no_more) {
  asked_for_split_ = false;
  no_more_splits_ = no_more_splits_ || no_more;
  for (const SourceSplit& split : splits) {
    const Status added = reader_->add_split(split);
    if (!added.is_ok()) {
      status_ = added;
      return;
    }
    splits_.add_split();
    split_states_.push_back({split.id, strategy_.make_timeline()});
  }
  // Told that there is nothing at present: event time of the others need not wait for this subtask.
  idle_ = splits.empty() && !no_more && !splits_.any_live();
}

template <class T>
SourceOperatorBase::State SourceOperator<T>::poll() {
  if (finished_) return State::kFinished;
  advance_idle_clocks();
  if (stopped_) {
    end();
    return State::kFinished;
  }
  if (all_paused()) return State::kNothingYet;
  auto batch = out_.new_batch();
  const auto polled = [&] {
    const ArenaScope scope(&batch->own_arena());
    return reader_->poll(*batch, out_.row_limit());
  }();
  if (!polled.is_ok()) {
    status_ = polled.status();
    return State::kNothingYet;
  }
  if (!status_.is_ok()) return State::kNothingYet;
  const PollResult& result = *polled;
  due_ns_ = result.due_ns;
  const bool has_rows = batch->rows() > 0;
  if (has_rows) emit(std::move(batch), result);
  if (result.split_finished) raise(splits_.on_finished(result.split));
  if (has_rows || result.split_finished) align_splits();
  if (has_rows || result.split_finished) return State::kProduced;
  switch (result.state) {
    case PollState::kMore:
      return State::kProduced;
    case PollState::kNothingYet:
      return State::kNothingYet;
    case PollState::kNeedSplit:
      break;
  }
  if (no_more_splits_) {
    end();
    return State::kFinished;
  }
  if (asked_for_split_) return State::kNothingYet;
  asked_for_split_ = true;
  return State::kNeedSplit;
}

template <class T>
void SourceOperator<T>::emit(Ref<TypedBatch<T>> batch, const PollResult& result) {
  records_->add(batch->rows());
  SplitState& split = split_states_[static_cast<size_t>(result.split)];
  split.quiet_ms = 0;
  split.records += batch->rows();
  if (splits_.is_idle(result.split)) raise(splits_.on_idle(result.split, false));
  idle_ = false;
  StreamBatch out;
  split.timeline->stamp(*batch, out.marks);
  size_t kept = 0;
  for (const Mark& mark : out.marks) {
    const auto raised = splits_.on_watermark(result.split, mark.watermark);
    if (raised) out.marks[kept++] = {mark.row, *raised};
  }
  out.marks.resize(kept);
  if (!out.marks.empty()) sides_.mark(out.marks.back().watermark);
  out.batch = std::move(batch);
  out_.forward(std::move(out));
}

template <class T>
void SourceOperator<T>::end() {
  finished_ = true;
  idle_ = false;
  if (max_watermark_at_end_) mark(kMaxTime);
}

template <class T>
void SourceOperator<T>::advance_idle_clocks() {
  const int64_t now = context_->clock->wall_ms();
  const int64_t elapsed = was_blocked_ ? 0 : std::max<int64_t>(0, now - last_poll_ms_);
  last_poll_ms_ = now;
  was_blocked_ = false;
  if (!strategy_.idle_timeout() || elapsed == 0) return;
  bool any_went_idle = false;
  for (int i = 0; i < splits_.count(); ++i) {
    if (splits_.is_finished(i) || splits_.is_idle(i)) continue;
    if (is_paused(i)) continue;
    SplitState& split = split_states_[static_cast<size_t>(i)];
    split.quiet_ms += elapsed;
    if (split.quiet_ms >= strategy_.idle_timeout()->count()) {
      raise(splits_.on_idle(i, true));
      any_went_idle = true;
    }
  }
  if (any_went_idle && !splits_.any_live()) idle_ = true;
}

// A split may be ahead of the slowest one, here or in another subtask, by the drift.
template <class T>
void SourceOperator<T>::align_splits() {
  if (strategy_.alignment_group().empty()) return;
  EventTime slowest = kMaxTime;
  EventTime second_slowest = kMaxTime;
  int slowest_split = -1;
  live_count_ = 0;
  for (int i = 0; i < splits_.count(); ++i) {
    if (splits_.is_finished(i)) continue;
    ++live_count_;
    if (splits_.is_idle(i)) continue;
    const EventTime watermark = splits_.split_watermark(i);
    if (slowest_split < 0 || watermark < slowest) {
      second_slowest = slowest;
      slowest = watermark;
      slowest_split = i;
    } else {
      second_slowest = std::min(second_slowest, watermark);
    }
  }
  std::vector<int> paused;
  for (int i = 0; i < splits_.count(); ++i) {
    if (splits_.is_finished(i)) continue;
    const EventTime others = i == slowest_split ? second_slowest : slowest;
    const EventTime limit =
        std::min(watermark_limit_, saturating_add(others, strategy_.alignment_drift_max()));
    if (splits_.split_watermark(i) > limit) paused.push_back(i);
  }
  paused_count_ = static_cast<int>(paused.size());
  if (paused == paused_) return;
  paused_ = std::move(paused);
  reader_->pause_splits(paused_);
}

template <class T>
void SourceOperator<T>::look(TaskDetails& details) const {
  details.splits.clear();
  details.splits_finished = 0;
  for (int i = 0; i < splits_.count(); ++i) {
    if (splits_.is_finished(i)) {
      ++details.splits_finished;
      continue;
    }
    const SplitState& state = split_states_[static_cast<size_t>(i)];
    SplitLook& look = details.splits.emplace_back();
    look.id = state.id;
    look.watermark = splits_.split_watermark(i).ms;
    look.records = state.records;
    if (splits_.is_idle(i)) {
      look.state = TimeState::kIdle;
    } else if (std::find(paused_.begin(), paused_.end(), i) != paused_.end()) {
      look.state = TimeState::kPaused;
    } else {
      look.state = look.watermark == kMinTime.ms ? TimeState::kNoData : TimeState::kActive;
    }
  }
  details.waits_for_split = details.splits.empty() && !idle_ && !finished_;
}

template <class T>
void SourceOperator<T>::bad_record(std::string_view place, std::string_view reason,
                                   std::string_view raw) {
  bad_records_->add();
  if (context_->fail_on_bad_record) {
    if (status_.is_ok()) {
      status_ = Status::invalid_argument(std::string(place) + ": " + std::string(reason));
    }
    return;
  }
  if (dead_letters_ != nullptr) {
    dead_letters_->emit_copy(DeadLetter{Text::view(place), Text::view(reason), Text::view(raw)});
  } else if (context_->dead_letter) {
    context_->dead_letter(place, reason, raw);
  }
}

namespace detail {

/// Items of operator state that were encoded at the barrier.
class FrozenItems final : public FrozenState {
 public:
  FrozenItems(std::string name, Redistribution mode, std::vector<std::string> items)
      : name_(std::move(name)), mode_(mode), items_(std::move(items)) {}
  Status write(SnapshotWriter& writer, bool /*incremental*/) override {
    for (const std::string& item : items_) {
      SLUICE_RETURN_IF_ERROR(writer.add_item(name_, mode_, item));
    }
    return Status::ok();
  }

 private:
  std::string name_;
  Redistribution mode_;
  std::vector<std::string> items_;
};

}  // namespace detail

template <class T>
Result<std::unique_ptr<FrozenState>> SourceOperator<T>::snapshot(CheckpointId /*checkpoint*/) {
  std::vector<std::string> items;
  for (const SourceSplit& split : reader_->snapshot()) {
    std::string item;
    ByteWriter writer(item);
    writer.text(split.id);
    writer.text(split.data);
    items.push_back(std::move(item));
  }
  return std::unique_ptr<FrozenState>(
      new detail::FrozenItems("splits", Redistribution::kSplit, std::move(items)));
}

}  // namespace sluice
