// A small job of hand-made parts for tests of the runtime: numbers → add one → hash exchange → add
// one → sink. Each part can be told to fail or to be slow, and counts what happens to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/sink.h"
#include "core/source.h"
#include "graph/logical_graph.h"
#include "operators/partitioner.h"
#include "operators/sink_operator.h"
#include "operators/source_operator.h"

namespace sluice {

/// What the job does and what goes wrong.
struct ToyOptions {
  int64_t numbers = 1000;  // 0 .. numbers - 1; negative: never ends.
  int splits = 4;
  int parallelism = 2;
  std::string validate_error;
  std::string enumerator_error;
  bool enumerator_throws = false;
  std::string source_open_error;
  std::string map_open_throws;
  std::optional<int64_t> map_throws_at;
  std::optional<int64_t> sink_fails_at;
  std::string sink_close_throws;
  /// The sink answers kFull once per batch and goes on when woken.
  bool sink_is_slow = false;
  int commit_retries = 0;
  bool commit_fails = false;
  /// Splits appear one by one when discover() runs; the last one ends the input.
  bool discovers = false;
  /// Called for every number the first map sees; user code that takes its time.
  std::function<void(int64_t number)> on_number;
  /// The sources run on threads of their own.
  bool may_block = false;
};

/// What happened; shared by all parts of a job.
struct ToyRecord {
  std::atomic<int64_t> emitted{0};
  std::atomic<int64_t> taken{0};
  std::atomic<int64_t> in_flight_max{0};
  std::atomic<int> open_parts{0};
  std::atomic<int> discards{0};
  std::atomic<int> commits{0};
  /// Steady ns at which a part was first closed; 0 = none yet.
  std::atomic<int64_t> first_close_ns{0};
  std::mutex mutex;
  std::multimap<int, int64_t> written;  // By sink subtask.
  std::vector<int64_t> committed;

  void note_close() {
    --open_parts;
    int64_t none = 0;
    first_close_ns.compare_exchange_strong(none, system_clock().steady_ns());
  }
  void note_in_flight() {
    const int64_t now = emitted.load() - taken.load();
    int64_t seen = in_flight_max.load();
    while (now > seen && !in_flight_max.compare_exchange_weak(seen, now)) {
    }
  }
};

namespace toy {

class Enumerator final : public SplitEnumerator {
 public:
  explicit Enumerator(const ToyOptions& options) : options_(options) {}
  Status open(int /*parallelism*/) override {
    if (options_.enumerator_throws) throw std::runtime_error("enumerator threw");
    if (!options_.enumerator_error.empty()) return Status::not_found(options_.enumerator_error);
    if (!options_.discovers) available_ = options_.splits;
    return Status::ok();
  }
  Assignment next(int /*subtask*/) override {
    Assignment assignment;
    if (given_ < available_) {
      assignment.splits.push_back({"split-" + std::to_string(given_), std::to_string(given_)});
      ++given_;
    } else {
      assignment.no_more = given_ == options_.splits;
    }
    return assignment;
  }
  void add_back(std::vector<SourceSplit> /*splits*/) override {}
  std::optional<Duration> discovery_interval() const override {
    if (!options_.discovers) return std::nullopt;
    return Duration(10);
  }
  Status discover() override {
    if (available_ < options_.splits) ++available_;
    return Status::ok();
  }
  std::string snapshot() const override { return ""; }
  Status restore(std::string_view /*state*/) override { return Status::ok(); }

 private:
  const ToyOptions options_;
  int available_ = 0;
  int given_ = 0;
};

/// Split s holds the numbers n with n mod splits = s.
class Reader final : public SourceReader<int64_t> {
 public:
  Reader(const ToyOptions& options, std::shared_ptr<ToyRecord> record)
      : options_(options), record_(std::move(record)) {}
  Status open(SourceContext& /*context*/) override {
    if (!options_.source_open_error.empty()) return Status::io_error(options_.source_open_error);
    ++record_->open_parts;
    opened_ = true;
    return Status::ok();
  }
  void close() override {
    if (std::exchange(opened_, false)) record_->note_close();
  }
  Status add_split(const SourceSplit& split) override {
    next_.push_back(std::stoll(split.data));
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<int64_t>& batch, uint32_t rows_max) override {
    if (current_ == next_.size()) return PollResult{PollState::kNeedSplit};
    PollResult result{PollState::kMore, static_cast<int>(current_)};
    int64_t& next = next_[current_];
    while (batch.rows() < rows_max && (options_.numbers < 0 || next < options_.numbers)) {
      batch.push(next, EventTime{next});
      next += options_.splits;
      ++record_->emitted;
    }
    record_->note_in_flight();
    result.split_finished = options_.numbers >= 0 && next >= options_.numbers;
    if (result.split_finished) ++current_;
    return result;
  }
  std::vector<SourceSplit> snapshot() const override { return {}; }

 private:
  const ToyOptions options_;
  std::shared_ptr<ToyRecord> record_;
  std::vector<int64_t> next_;
  size_t current_ = 0;
  bool opened_ = false;
};

class Numbers final : public Source<int64_t> {
 public:
  Numbers(ToyOptions options, std::shared_ptr<ToyRecord> record)
      : options_(std::move(options)), record_(std::move(record)) {}
  bool is_bounded() const override { return options_.numbers >= 0; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    return std::make_unique<Enumerator>(options_);
  }
  std::unique_ptr<SourceReader<int64_t>> create_reader() const override {
    return std::make_unique<Reader>(options_, record_);
  }
  std::string name() const override { return "numbers"; }

 private:
  const ToyOptions options_;
  std::shared_ptr<ToyRecord> record_;
};

class AddOne final : public OperatorWithOutput<int64_t> {
 public:
  explicit AddOne(const ToyOptions& options) : options_(options) {}
  Status open(OperatorContext& /*context*/) override {
    if (!options_.map_open_throws.empty()) throw std::runtime_error(options_.map_open_throws);
    return Status::ok();
  }
  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    for (;;) {
      while (cursor.mark < in.marks.size() && in.marks[cursor.mark].row <= cursor.row) {
        mark_outputs(in.marks[cursor.mark++].watermark);
      }
      if (cursor.row == in.rows()) return Progress::kDone;
      if (outputs_full()) return Progress::kOutputFull;
      const int64_t value = batch_cast<int64_t>(*in.batch)[cursor.row];
      if (options_.on_number) options_.on_number(value);
      if (options_.map_throws_at == value) throw std::runtime_error("no such number");
      out_.emit(value + 1, in.batch->time(cursor.row));
      ++cursor.row;
    }
  }

 private:
  const ToyOptions options_;
};

class Writer final : public SinkWriter<int64_t> {
 public:
  Writer(const ToyOptions& options, std::shared_ptr<ToyRecord> record)
      : options_(options), record_(std::move(record)) {}
  Status open(SinkContext& context) override {
    context_ = &context;
    ++record_->open_parts;
    opened_ = true;
    return Status::ok();
  }
  void close() override {
    if (std::exchange(opened_, false)) record_->note_close();
    if (!options_.sink_close_throws.empty()) throw std::runtime_error(options_.sink_close_throws);
  }
  Result<WriteState> write(const TypedBatch<int64_t>& batch, uint32_t& row) override {
    if (options_.sink_is_slow && !std::exchange(was_full_, !was_full_)) {
      context_->io->run(context_->wake);
      return WriteState::kFull;
    }
    const std::lock_guard lock(record_->mutex);
    for (; row < batch.rows(); ++row) {
      if (options_.sink_fails_at == batch[row]) return Status::io_error("the disk is full");
      record_->written.emplace(context_->task.subtask, batch[row]);
      numbers_.push_back(batch[row]);
      ++record_->taken;
    }
    return WriteState::kDone;
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
    std::string text;
    for (const int64_t number : std::exchange(numbers_, {})) text += std::to_string(number) + " ";
    return std::vector<std::string>{text};
  }

 private:
  const ToyOptions options_;
  std::shared_ptr<ToyRecord> record_;
  SinkContext* context_ = nullptr;
  std::vector<int64_t> numbers_;
  bool was_full_ = false;
  bool opened_ = false;
};

class Commits final : public Committer {
 public:
  Commits(const ToyOptions& options, std::shared_ptr<ToyRecord> record)
      : options_(options), record_(std::move(record)), retries_left_(options_.commit_retries) {}
  CommitOutcome commit(const Committable& committable, std::string& error) override {
    if (options_.commit_fails) {
      error = "no permission";
      return CommitOutcome::kFailedKnown;
    }
    if (retries_left_ > 0) {
      --retries_left_;
      error = "busy";
      return CommitOutcome::kRetry;
    }
    ++record_->commits;
    const std::lock_guard lock(record_->mutex);
    for (size_t from = 0; from < committable.data.size();) {
      const size_t space = committable.data.find(' ', from);
      record_->committed.push_back(std::stoll(committable.data.substr(from, space - from)));
      from = space + 1;
    }
    return CommitOutcome::kCommitted;
  }
  Status abort_unknown(const std::vector<Committable>& /*known*/) override {
    ++record_->discards;
    return Status::ok();
  }

 private:
  const ToyOptions options_;
  std::shared_ptr<ToyRecord> record_;
  int retries_left_;
};

class Collect final : public Sink<int64_t> {
 public:
  Collect(ToyOptions options, std::shared_ptr<ToyRecord> record)
      : options_(std::move(options)), record_(std::move(record)) {}
  std::string name() const override { return "collect"; }
  std::unique_ptr<SinkWriter<int64_t>> create_writer() const override {
    return std::make_unique<Writer>(options_, record_);
  }

 private:
  const ToyOptions options_;
  std::shared_ptr<ToyRecord> record_;
};

}  // namespace toy

/// numbers -> add -> HASH -> add again -> collect. Every number n arrives as n + 2.
inline LogicalGraph make_toy_graph(const ToyOptions& options, std::shared_ptr<ToyRecord> record) {
  LogicalGraph graph;
  const auto edge_from = [](NodeId from, Partitioning partitioning) {
    LogicalEdge edge;
    edge.from = from;
    edge.partitioning = partitioning;
    edge.type = &record_type<int64_t>();
    return edge;
  };
  auto source = std::make_shared<toy::Numbers>(options, record);
  LogicalNode numbers;
  numbers.kind = NodeKind::kSource;
  numbers.name = "numbers";
  numbers.input_count = 0;
  numbers.bounded = source->is_bounded();
  numbers.may_block = options.may_block;
  numbers.parallelism = options.parallelism;
  numbers.factory = make_source_operator<int64_t>(
      source, WatermarkStrategy<int64_t>::bounded_out_of_orderness(Duration(100)));
  numbers.enumerator_factory = [source] { return source->create_enumerator(); };
  const NodeId numbers_id = graph.add_node(std::move(numbers)).id;

  NodeId last = numbers_id;
  for (const auto& [name, partitioning] :
       {std::pair{"add", Partitioning::kForward}, std::pair{"add again", Partitioning::kHash}}) {
    LogicalNode add;
    add.name = name;
    add.parallelism = options.parallelism;
    const bool is_first = partitioning == Partitioning::kForward;
    add.factory = [options, is_first]() -> std::unique_ptr<Operator> {
      return std::make_unique<toy::AddOne>(is_first ? options : ToyOptions{});
    };
    LogicalEdge edge = edge_from(last, partitioning);
    if (!is_first) {
      edge.selector = make_key_selector_partitioner<int64_t>([](const int64_t& n) { return n; });
    }
    add.inputs.push_back(std::move(edge));
    last = graph.add_node(std::move(add)).id;
  }

  LogicalNode collect;
  collect.kind = NodeKind::kSink;
  collect.name = "collect";
  collect.parallelism = options.parallelism;
  collect.inputs.push_back(edge_from(last, Partitioning::kForward));
  collect.factory = make_sink_operator<int64_t>(std::make_shared<toy::Collect>(options, record));
  collect.committer_factory = [options, record] {
    return std::make_unique<toy::Commits>(options, record);
  };
  collect.validate = [options](bool /*fresh_start*/) {
    return options.validate_error.empty() ? Status::ok()
                                          : Status::already_exists(options.validate_error);
  };
  graph.add_node(std::move(collect));
  return graph;
}

}  // namespace sluice
