// AsyncOperator: runs a function whose results come later, many records at a time.
//
// Records and watermarks stand in one queue in the order in which they came. Ordered: results leave
// from the head only. Unordered: any finished record before the first watermark may leave. Either
// way a watermark leaves after the results of all records before it and before those of records
// after it, and a barrier finds the unfinished records in the queue, which is the operator's state:
// they are asked for again after a restore (semantics rule 44).
//
//   queue:  [r1 done] [r2 running] [r3 done] [w=100] [r4 done]     unordered: r1, r3 may leave, r4
//   not
//
// With `capacity` records in flight the operator takes no more input (kAwait). Completions come
// from any thread by the mailbox; everything else runs on the task's thread. A record waiting in
// the queue holds the batch it stands in.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "core/operator.h"
#include "core/schema.h"
#include "core/snapshot.h"
#include "operators/async_options.h"
#include "operators/async_result.h"
#include "operators/operator_failure.h"
#include "operators/runtime_context.h"

namespace sluice {

/// Encoded records that were in flight at the barrier.
class FrozenAsync final : public FrozenState {
 public:
  static constexpr const char* kItems = "in_flight";

  explicit FrozenAsync(std::vector<std::string> items) : items_(std::move(items)) {}
  Status write(SnapshotWriter& writer, bool /*incremental*/) override {
    for (const auto& item : items_) {
      SLUICE_RETURN_IF_ERROR(writer.add_item(kItems, Redistribution::kSplit, item));
    }
    return Status::ok();
  }

 private:
  std::vector<std::string> items_;
};

template <class In, class Out, class F>
class AsyncOperator final : public OperatorWithOutput<Out> {
 public:
  AsyncOperator(F function, AsyncOptions options)
      : function_(std::move(function)), options_(std::move(options)) {}

  Status open(OperatorContext& context) override;
  void close() override;
  Progress process(int input, StreamBatch& in, Cursor& cursor) override;
  Progress finish() override;
  int64_t next_processing_timer() const override;
  Progress on_processing_time(int64_t now_ms) override;
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId checkpoint) override;

 private:
  struct Entry {
    bool is_watermark = false;
    EventTime watermark;

    uint64_t id = 0;
    BatchPtr batch;
    uint32_t row = 0;
    EventTime time = kNoTimestamp;
    RowKind kind = RowKind::kInsert;

    int attempt = 0;  // The one that counts; completions of others are stale.
    int64_t deadline_ms = Operator::kNoTimer;
    bool done = false;
    std::vector<Out> values;
    TextArenaRef texts;

    const In& record() const { return batch_cast<In>(*batch)[row]; }
  };
  using Queue = std::list<Entry>;

  static constexpr bool kHasTimeout =
      requires(F & function, const In& record, AsyncResult<Out> result) {
    function.timeout(record, result);
  };

  int64_t now_ms() const { return context_->clock->wall_ms(); }
  void enqueue(const BatchPtr& batch, uint32_t row, EventTime time, RowKind kind);
  void start_attempt(Entry& entry);
  void pass_watermark(EventTime watermark);
  /// Completions, time-outs and retries that are due.
  void take_answers();
  void take_completion(AsyncCompletion<Out>& completion);
  void give_up(Entry& entry);
  bool retry_later(Entry& entry, const AsyncRetry& retry);
  /// Emits what may leave; false when the output is full.
  bool emit_ready();
  bool emit(Entry& entry);
  void release(typename Queue::iterator at);
  std::string encode_entry(const Entry& entry) const;
  Status restore(SnapshotReader& reader);

  F function_;
  AsyncOptions options_;
  std::optional<RuntimeContext> runtime_;
  OperatorContext* context_ = nullptr;
  std::shared_ptr<AsyncMailbox<Out>> mailbox_;
  Queue queue_;
  Queue free_;  // Nodes for reuse. They live until the operator ends, so a stale completion's entry
                // can be looked at; its id tells that it is another record's now.
  std::multimap<int64_t, std::pair<Entry*, uint64_t>> retries_;  // By due time: entry and its id.
  uint64_t next_id_ = 1;
  int in_flight_ = 0;
};

template <class In, class Out, class F>
OperatorFactory make_async_operator(F function, AsyncOptions options) {
  return [=]() -> std::unique_ptr<Operator> {
    return std::make_unique<AsyncOperator<In, Out, F>>(function, options);
  };
}

// ---- implementation -----------------------------------------------------------------------------

template <class In, class Out, class F>
Status AsyncOperator<In, Out, F>::open(OperatorContext& context) {
  context_ = &context;
  runtime_.emplace(context);
  mailbox_ = std::make_shared<AsyncMailbox<Out>>(context.wake);
  open_function(function_, *runtime_);
  return context.restored != nullptr ? restore(*context.restored) : Status::ok();
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::close() {
  if (mailbox_) mailbox_->close();
  close_function(function_);
}

template <class In, class Out, class F>
Progress AsyncOperator<In, Out, F>::process(int /*input*/, StreamBatch& in, Cursor& cursor) {
  const ArenaScope scope(&this->out_.arena());
  while (true) {
    take_answers();
    if (!emit_ready()) return Progress::kOutputFull;
    while (cursor.mark < in.marks.size() && in.marks[cursor.mark].row <= cursor.row) {
      pass_watermark(in.marks[cursor.mark++].watermark);
    }
    if (cursor.row >= in.rows()) return Progress::kDone;
    if (in_flight_ >= options_.capacity) return Progress::kAwait;
    enqueue(in.batch, cursor.row, in.batch->time(cursor.row), in.batch->kind(cursor.row));
    ++cursor.row;
  }
}

template <class In, class Out, class F>
Progress AsyncOperator<In, Out, F>::finish() {
  const ArenaScope scope(&this->out_.arena());
  take_answers();
  if (!emit_ready()) return Progress::kOutputFull;
  return queue_.empty() ? Progress::kDone : Progress::kAwait;
}

template <class In, class Out, class F>
int64_t AsyncOperator<In, Out, F>::next_processing_timer() const {
  // Completions are work that is due at once.
  if (mailbox_ && !mailbox_->is_empty()) return std::numeric_limits<int64_t>::min();
  int64_t next = retries_.empty() ? Operator::kNoTimer : retries_.begin()->first;
  // Deadlines rise along the queue, so the first unfinished record has the earliest.
  for (const Entry& entry : queue_) {
    if (entry.is_watermark || entry.done) continue;
    if (entry.deadline_ms == Operator::kNoTimer) continue;
    next = std::min(next, entry.deadline_ms);
    break;
  }
  return next;
}

template <class In, class Out, class F>
Progress AsyncOperator<In, Out, F>::on_processing_time(int64_t /*now_ms*/) {
  const ArenaScope scope(&this->out_.arena());
  take_answers();
  return emit_ready() ? Progress::kDone : Progress::kOutputFull;
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::enqueue(const BatchPtr& batch, uint32_t row, EventTime time,
                                        RowKind kind) {
  if (free_.empty()) {
    queue_.emplace_back();
  } else {
    queue_.splice(queue_.end(), free_, free_.begin());
  }
  Entry& entry = queue_.back();
  entry.id = next_id_++;
  entry.batch = batch;
  entry.row = row;
  entry.time = time;
  entry.kind = kind;
  entry.attempt = 0;
  entry.done = false;
  entry.deadline_ms =
      options_.timeout.count() == 0 ? Operator::kNoTimer : now_ms() + options_.timeout.count();
  ++in_flight_;
  start_attempt(entry);
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::start_attempt(Entry& entry) {
  ++entry.attempt;
  std::invoke(function_, entry.record(),
              AsyncResult<Out>(mailbox_, &entry, entry.id, entry.attempt));
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::pass_watermark(EventTime watermark) {
  if (queue_.empty()) {
    this->mark_outputs(watermark);
  } else if (queue_.back().is_watermark) {
    queue_.back().watermark = watermark;
  } else {
    queue_.emplace_back();
    queue_.back().is_watermark = true;
    queue_.back().watermark = watermark;
  }
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::take_answers() {
  // A function may complete its result at once, also within an attempt started here.
  while (!mailbox_->is_empty()) {
    for (auto& completion : mailbox_->take()) take_completion(completion);
  }
  if (retries_.empty() && queue_.empty()) return;
  const int64_t now = now_ms();
  while (!retries_.empty() && retries_.begin()->first < now) {
    const auto [entry, id] = retries_.begin()->second;
    retries_.erase(retries_.begin());
    if (entry->id == id && !entry->done) start_attempt(*entry);
  }
  for (Entry& entry : queue_) {
    if (entry.is_watermark || entry.done || entry.deadline_ms == Operator::kNoTimer) continue;
    if (entry.deadline_ms >= now) break;
    give_up(entry);
  }
  while (!mailbox_->is_empty()) {
    for (auto& completion : mailbox_->take()) take_completion(completion);
  }
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::take_completion(AsyncCompletion<Out>& completion) {
  Entry& entry = *static_cast<Entry*>(completion.entry);
  if (entry.id != completion.id || entry.attempt != completion.attempt || entry.done) return;
  const AsyncRetry& retry = options_.retry;
  if (completion.error) {
    if (!retry.retry_if || retry.retry_if(*completion.error)) {
      if (retry_later(entry, retry)) return;
    }
    throw OperatorFailure(Status::user_function(
        "the asynchronous operation failed" +
        (entry.attempt > 1 ? " after " + std::to_string(entry.attempt) + " attempts: " : ": ") +
        *completion.error));
  }
  if (completion.values.empty() && retry.retry_empty && retry_later(entry, retry)) return;
  entry.values = std::move(completion.values);
  entry.texts = std::move(completion.texts);
  entry.done = true;
}

template <class In, class Out, class F>
bool AsyncOperator<In, Out, F>::retry_later(Entry& entry, const AsyncRetry& retry) {
  // After the time-out handler was asked there is nothing left to try.
  if (entry.deadline_ms == Operator::kNoTimer && options_.timeout.count() != 0) return false;
  if (entry.attempt >= retry.attempts_max) return false;
  retries_.emplace(now_ms() + retry.delay_after(entry.attempt).count(),
                   std::make_pair(&entry, entry.id));
  return true;
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::give_up(Entry& entry) {
  if constexpr (kHasTimeout) {
    entry.deadline_ms = Operator::kNoTimer;
    std::erase_if(retries_, [&](const auto& due) { return due.second.first == &entry; });
    ++entry.attempt;
    function_.timeout(entry.record(), AsyncResult<Out>(mailbox_, &entry, entry.id, entry.attempt));
  } else {
    throw OperatorFailure(Status::deadline_exceeded(
        "an asynchronous operation had no result within " + to_text(options_.timeout)));
  }
}

template <class In, class Out, class F>
bool AsyncOperator<In, Out, F>::emit_ready() {
  auto at = queue_.begin();
  while (at != queue_.end()) {
    if (at->is_watermark) {
      // Only the head may leave: everything before a watermark comes first.
      if (at != queue_.begin()) return true;
      this->mark_outputs(at->watermark);
      at = queue_.erase(at);
      continue;
    }
    if (at->done) {
      if (!emit(*at)) return false;
      release(at++);
    } else if (options_.order == AsyncOrder::kOrdered) {
      return true;
    } else {
      ++at;
    }
  }
  return true;
}

template <class In, class Out, class F>
bool AsyncOperator<In, Out, F>::emit(Entry& entry) {
  if (this->out_.is_full()) return false;
  for (const Out& value : entry.values) this->out_.emit_copy(value, entry.time, entry.kind);
  return true;
}

template <class In, class Out, class F>
void AsyncOperator<In, Out, F>::release(typename Queue::iterator at) {
  at->id = 0;
  at->batch.reset();
  at->values.clear();
  at->texts.reset();
  free_.splice(free_.end(), queue_, at);
  --in_flight_;
}

template <class In, class Out, class F>
Result<std::unique_ptr<FrozenState>> AsyncOperator<In, Out, F>::snapshot(
    CheckpointId /*checkpoint*/) {
  std::vector<std::string> items;
  for (const Entry& entry : queue_) {
    if (!entry.is_watermark) items.push_back(encode_entry(entry));
  }
  return std::unique_ptr<FrozenState>(new FrozenAsync(std::move(items)));
}

template <class In, class Out, class F>
std::string AsyncOperator<In, Out, F>::encode_entry(const Entry& entry) const {
  std::string item;
  ByteWriter writer(item);
  writer.text(schema_text<In>());
  writer.fixed(entry.time.ms);
  writer.fixed(static_cast<uint8_t>(entry.kind));
  Codec<In>::encode(entry.record(), writer);
  return item;
}

template <class In, class Out, class F>
Status AsyncOperator<In, Out, F>::restore(SnapshotReader& reader) {
  const std::vector<std::string> items = reader.items(FrozenAsync::kItems);
  if (items.empty()) return Status::ok();
  auto batch = TypedBatch<In>::make(static_cast<uint32_t>(items.size()));
  {
    const ArenaScope scope(&batch->own_arena());
    for (const std::string& item : items) {
      ByteReader bytes(item);
      const std::string schema_text_then(bytes.text());
      const std::string why = describe_incompatibility(schema_text_then, schema_text<In>());
      if (!why.empty()) {
        return Status::failed_precondition(std::string("state '") + FrozenAsync::kItems +
                                           "': " + why);
      }
      SLUICE_ASSIGN_OR_RETURN(const TypeSchema schema, parse_schema(schema_text_then));
      const EventTime time{bytes.fixed<int64_t>()};
      const auto kind = static_cast<RowKind>(bytes.fixed<uint8_t>());
      In record{};
      decode_with_schema(bytes, schema, record);
      if (bytes.failed() || !bytes.at_end()) {
        return Status::corruption("a record in flight cannot be decoded");
      }
      batch->push(std::move(record), time, kind);
    }
  }
  const ArenaScope scope(&this->out_.arena());
  for (uint32_t row = 0; row < batch->rows(); ++row) {
    enqueue(batch, row, batch->time(row), batch->kind(row));
  }
  return Status::ok();
}

}  // namespace sluice
