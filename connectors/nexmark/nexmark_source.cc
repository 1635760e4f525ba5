#include "connectors/nexmark/nexmark_source.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sluice::nexmark {

NexmarkSplit NexmarkSplit::first_of(int64_t index, int64_t strides, int64_t end) {
  return {index, strides, index * kBlockEvents, end};
}

int64_t NexmarkSplit::left_in_block() const {
  const int64_t block_end = (next / kBlockEvents + 1) * kBlockEvents;
  return std::min(block_end, end) - next;
}

void NexmarkSplit::advance(int64_t events) {
  next += events;
  if (next % kBlockEvents == 0 && next < end) next += (strides - 1) * kBlockEvents;
}

SourceSplit NexmarkSplit::to_split() const {
  SourceSplit split;
  split.id = std::to_string(index) + "/" + std::to_string(strides);
  ByteWriter writer(split.data);
  writer.fixed(index);
  writer.fixed(strides);
  writer.fixed(next);
  writer.fixed(end);
  return split;
}

Result<NexmarkSplit> NexmarkSplit::of_split(const SourceSplit& split) {
  ByteReader reader(split.data);
  NexmarkSplit result;
  result.index = reader.fixed<int64_t>();
  result.strides = reader.fixed<int64_t>();
  result.next = reader.fixed<int64_t>();
  result.end = reader.fixed<int64_t>();
  if (reader.failed() || !reader.at_end() || result.strides < 1 || result.next < 0) {
    return Status::corruption("split '" + split.id + "' of the Nexmark source is damaged");
  }
  return result;
}

Status NexmarkEnumerator::open(int source_parallelism) {
  const int per_reader = (kSplitsMin + source_parallelism - 1) / source_parallelism;
  share_ = static_cast<size_t>(per_reader);
  if (restored_) return Status::ok();
  const int strides = source_parallelism * per_reader;
  for (int i = strides - 1; i >= 0; --i) {
    unassigned_.push_back(NexmarkSplit::first_of(i, strides, end_).to_split());
  }
  return Status::ok();
}

SplitEnumerator::Assignment NexmarkEnumerator::next(int /*subtask*/) {
  Assignment assignment;
  while (!unassigned_.empty() && assignment.splits.size() < share_) {
    assignment.splits.push_back(std::move(unassigned_.back()));
    unassigned_.pop_back();
  }
  assignment.no_more = assignment.splits.empty();
  return assignment;
}

void NexmarkEnumerator::add_back(std::vector<SourceSplit> splits) {
  for (auto& split : splits) unassigned_.push_back(std::move(split));
}

std::string NexmarkEnumerator::snapshot() const {
  std::string state;
  ByteWriter writer(state);
  writer.fixed(static_cast<uint32_t>(unassigned_.size()));
  for (const auto& split : unassigned_) {
    writer.text(split.id);
    writer.text(split.data);
  }
  return state;
}

Status NexmarkEnumerator::restore(std::string_view state) {
  ByteReader reader(state);
  const uint32_t count = reader.count();
  unassigned_.clear();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    SourceSplit split;
    split.id = std::string(reader.text());
    split.data = std::string(reader.text());
    unassigned_.push_back(std::move(split));
  }
  if (reader.failed()) return Status::corruption("the state of the Nexmark source is damaged");
  restored_ = true;
  return Status::ok();
}

Status NexmarkReader::open(SourceContext& context) {
  clock_ = context.clock;
  return Status::ok();
}

Status NexmarkReader::add_split(const SourceSplit& split) {
  SLUICE_ASSIGN_OR_RETURN(NexmarkSplit added, NexmarkSplit::of_split(split));
  splits_.push_back(added);
  paused_.push_back(false);
  return Status::ok();
}

void NexmarkReader::pause_splits(const std::vector<int>& paused) {
  paused_.assign(paused_.size(), false);
  for (const int split : paused) paused_[static_cast<size_t>(split)] = true;
}

int NexmarkReader::pick_split() const {
  int picked = -1;
  for (size_t i = 0; i < splits_.size(); ++i) {
    if (splits_[i].is_finished()) continue;
    if (picked < 0 || splits_[i].next < splits_[static_cast<size_t>(picked)].next) {
      picked = static_cast<int>(i);
    }
  }
  return picked;
}

bool NexmarkReader::is_over() const {
  return options_.run_for.count() > 0 &&
         clock_->steady_ns() - started_ns_ >= options_.run_for.count() * 1'000'000;
}

int64_t NexmarkReader::due_events(int64_t position, int64_t wanted) {
  if (options_.rate == 0) return wanted;
  const double elapsed_s = static_cast<double>(clock_->steady_ns() - started_ns_) * 1e-9;
  const auto due_end = first_position_ + 1 +
                       static_cast<int64_t>(elapsed_s * static_cast<double>(options_.rate));
  const int64_t due = std::min(wanted, due_end - position);
  if (due > 0) return due;
  const double wait_ms = static_cast<double>(position + 1 - due_end) * 1e3 /
                         static_cast<double>(options_.rate);
  next_poll_ms_ = clock_->wall_ms() + std::max<int64_t>(1, static_cast<int64_t>(wait_ms));
  return 0;
}

Result<PollResult> NexmarkReader::poll(TypedBatch<Event>& batch, uint32_t rows_max) {
  PollResult result;
  next_poll_ms_ = Operator::kNoTimer;
  const int picked = pick_split();
  if (picked < 0) {
    result.state = PollState::kNeedSplit;
    return result;
  }
  NexmarkSplit& split = splits_[static_cast<size_t>(picked)];
  if (started_ns_ < 0) {
    started_ns_ = clock_->steady_ns();
    first_position_ = split.next;
  }
  if (is_over()) {
    split.next = split.end;
    result.state = PollState::kMore;
    result.split = picked;
    result.split_finished = true;
    return result;
  }
  // Alignment holds the split that is least far back: then nobody here may go on.
  if (paused_[static_cast<size_t>(picked)]) return result;
  const int64_t wanted = std::min<int64_t>(rows_max, split.left_in_block());
  const int64_t events = due_events(split.next, wanted);
  if (events == 0) return result;
  generator_.append(split.next, events, batch);
  split.advance(events);
  result.state = PollState::kMore;
  result.split = picked;
  result.split_finished = split.is_finished();
  return result;
}

std::vector<SourceSplit> NexmarkReader::snapshot() const {
  std::vector<SourceSplit> unfinished;
  for (const NexmarkSplit& split : splits_) {
    if (!split.is_finished()) unfinished.push_back(split.to_split());
  }
  return unfinished;
}

std::unique_ptr<SplitEnumerator> NexmarkSource::create_enumerator() const {
  const int64_t end = options_.count > 0 ? options_.count : std::numeric_limits<int64_t>::max() / 4;
  return std::make_unique<NexmarkEnumerator>(end);
}

std::unique_ptr<SourceReader<Event>> NexmarkSource::create_reader() const {
  return std::make_unique<NexmarkReader>(options_);
}

}  // namespace sluice::nexmark
