// The job of the checkpoint simulation: every row can be told from every other, so what was lost,
// doubled or computed from the wrong state is seen in the committed output.
//
//   splits ─ source ═hash═ per key: count, a timer for each row ─ fan out ═rebalance═ sink (2PC)
//
// Split s gives rows 0 .. rows-1 of keys "s × 1000 + seq % keys"; for each row the job emits the
// row with the number of rows of its key so far, and later its timer; both `copies` times.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "operators/partitioner.h"
#include "operators/process_operator.h"
#include "operators/sink_operator.h"
#include "operators/source_operator.h"
#include "tests/support/checkpoint_world.h"

namespace sluice {

struct Counted {
  int64_t key = 0;
  int64_t seq = 0;    // Of a timer: -1 - seq of its row.
  int64_t count = 0;  // Rows of the key up to this one.
  EventTime at;

  auto operator<=>(const Counted&) const = default;
};
SLUICE_RECORD(Counted, key, seq, count, at);

struct CountingOptions {
  int splits = 4;
  int64_t rows = 60;
  int64_t keys = 5;
  int copies = 2;
  uint32_t batch_rows = 4;
  /// Rows of one key must come in order: holds while parallelism stays.
  bool check_order = true;
};

/// The world outside the job.
struct CountingOutput {
  std::set<std::tuple<int64_t, int, int>> known;
  std::vector<Counted> committed;
  /// Sinks answer kFull while the clock is before this.
  int64_t full_until_ms = 0;
  /// A batch takes so long.
  int64_t batch_ms = 0;
  /// One write in so many is answered kFull once.
  uint64_t full_one_in = 0;
  Random random{1};
  std::vector<std::function<void()>> blocked;  // Wakes them.

  void wake_all() {
    for (const auto& wake : std::exchange(blocked, {})) wake();
  }
};

namespace counting {

inline std::string position_of(int64_t split, int64_t next) {
  return std::to_string(split) + ":" + std::to_string(next);
}

class Reader final : public SourceReader<Counted> {
 public:
  explicit Reader(CountingOptions options) : options_(options) {}
  Status open(SourceContext& /*context*/) override { return Status::ok(); }
  Status add_split(const SourceSplit& split) override {
    const size_t colon = split.data.find(':');
    splits_.push_back({std::stoll(split.data), std::stoll(split.data.substr(colon + 1))});
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<Counted>& batch, uint32_t rows_max) override {
    for (size_t i = 0; i < splits_.size(); ++i) {
      auto& [split, next] = splits_[i];
      if (next == options_.rows) continue;
      for (uint32_t n = 0; n < rows_max && next < options_.rows; ++n, ++next) {
        batch.push(Counted{split * 1000 + next % options_.keys, next, 0, EventTime{next * 10}});
      }
      return PollResult{PollState::kMore, static_cast<int>(i), next == options_.rows};
    }
    return PollResult{PollState::kNeedSplit, -1, false};
  }
  std::vector<SourceSplit> snapshot() const override {
    std::vector<SourceSplit> left;
    for (const auto& [split, next] : splits_) {
      if (next < options_.rows) left.push_back({std::to_string(split), position_of(split, next)});
    }
    return left;
  }

 private:
  CountingOptions options_;
  std::vector<std::pair<int64_t, int64_t>> splits_;
};

class Splits final : public Source<Counted> {
 public:
  explicit Splits(CountingOptions options) : options_(options) {}
  bool is_bounded() const override { return true; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override { return nullptr; }
  std::unique_ptr<SourceReader<Counted>> create_reader() const override {
    return std::make_unique<Reader>(options_);
  }
  std::string name() const override { return "splits"; }

 private:
  CountingOptions options_;
};

class CountRows final : public KeyedProcessFunction<int64_t, Counted, Counted> {
 public:
  explicit CountRows(CountingOptions options) : options_(options) {}
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
    last_ = context.get_state(ValueStateDescriptor<int64_t>{"last"});
  }
  void process_element(const Counted& row, Context& context, Collector<Counted>& out) override {
    if (options_.check_order && last_.value_or(-1) >= row.seq) {
      throw std::runtime_error("key " + std::to_string(row.key) + ": row " +
                               std::to_string(row.seq) + " after " +
                               std::to_string(last_.value_or(-1)));
    }
    last_.update(row.seq);
    count_.modify([](int64_t& count) { ++count; });
    out.collect({row.key, row.seq, *count_.get(), row.at});
    context.timer_service().register_event_time_timer(row.at + 25ms);
  }
  void on_timer(EventTime time, OnTimerContext& context, Collector<Counted>& out) override {
    out.collect({context.current_key(), -1 - (time.ms - 25) / 10, 0, time});
  }

 private:
  CountingOptions options_;
  ValueState<int64_t> count_;
  ValueState<int64_t> last_;
};

/// Emits each row several times and stops wherever its output is full.
class FanOut final : public OperatorWithOutput<Counted> {
 public:
  explicit FanOut(int copies) : copies_(copies) {}
  Status open(OperatorContext& /*context*/) override { return Status::ok(); }
  bool can_snapshot() const override { return done_ == 0; }
  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    for (;;) {
      const uint32_t end = cursor.mark < in.marks.size() ? in.marks[cursor.mark].row : in.rows();
      for (; cursor.row < end; ++cursor.row, done_ = 0) {
        for (; done_ < copies_; ++done_) {
          if (outputs_full()) return Progress::kOutputFull;
          out_.emit(batch_cast<Counted>(*in.batch)[cursor.row], in.batch->time(cursor.row));
        }
      }
      if (cursor.mark == in.marks.size()) return Progress::kDone;
      mark_outputs(in.marks[cursor.mark++].watermark);
    }
  }

 private:
  int copies_;
  int done_ = 0;
};

class Writer final : public SinkWriter<Counted> {
 public:
  explicit Writer(std::shared_ptr<CountingOutput> output) : output_(std::move(output)) {}
  Status open(SinkContext& context) override {
    context_ = &context;
    return Status::ok();
  }
  Result<WriteState> write(const TypedBatch<Counted>& batch, uint32_t& row) override {
    const int64_t now_ms = context_->clock->wall_ms();
    if (now_ms < std::max(output_->full_until_ms, busy_until_ms_)) {
      output_->blocked.push_back(context_->wake);
      return WriteState::kFull;
    }
    busy_until_ms_ = now_ms + output_->batch_ms;
    for (; row < batch.rows(); ++row) {
      if (output_->full_one_in > 0 && output_->random.one_in(output_->full_one_in)) {
        context_->wake();
        return WriteState::kFull;
      }
      ByteWriter writer(rows_);
      encode(batch[row], writer);
    }
    return WriteState::kDone;
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
    if (rows_.empty()) return std::vector<std::string>();
    return std::vector<std::string>{std::exchange(rows_, {})};
  }

 private:
  std::shared_ptr<CountingOutput> output_;
  SinkContext* context_ = nullptr;
  std::string rows_;
  int64_t busy_until_ms_ = 0;
};

class Commits final : public Committer {
 public:
  explicit Commits(std::shared_ptr<CountingOutput> output) : output_(std::move(output)) {}
  CommitOutcome commit(const Committable& committable, std::string& /*error*/) override {
    // At another parallelism the same number may come from another subtask's rows.
    const auto size = static_cast<int>(committable.data.size());
    if (!output_->known.insert({committable.checkpoint.value, committable.subtask, size}).second) {
      return CommitOutcome::kAlreadyCommitted;
    }
    ByteReader reader(committable.data);
    while (!reader.at_end()) output_->committed.push_back(decode<Counted>(reader));
    return CommitOutcome::kCommitted;
  }

 private:
  std::shared_ptr<CountingOutput> output_;
};

class Sink2pc final : public Sink<Counted> {
 public:
  explicit Sink2pc(std::shared_ptr<CountingOutput> output) : output_(std::move(output)) {}
  std::string name() const override { return "output"; }
  std::unique_ptr<SinkWriter<Counted>> create_writer() const override {
    return std::make_unique<Writer>(output_);
  }
  std::unique_ptr<Committer> create_committer() const override {
    return std::make_unique<Commits>(output_);
  }

 private:
  std::shared_ptr<CountingOutput> output_;
};

inline StageSpec stage(std::string name, OperatorFactory factory) {
  StageSpec spec;
  spec.name = std::move(name);
  spec.factory = std::move(factory);
  return spec;
}

}  // namespace counting

inline std::vector<SourceSplit> counting_splits(const CountingOptions& options) {
  std::vector<SourceSplit> splits;
  splits.reserve(static_cast<size_t>(options.splits));
  for (int i = 0; i < options.splits; ++i) {
    splits.push_back({std::to_string(i), counting::position_of(i, 0)});
  }
  return splits;
}

/// Vertices 0 source, 1 counter, 2 sink.
inline std::vector<WorldVertex> counting_vertices(const CountingOptions& options,
                                                  const std::shared_ptr<CountingOutput>& output,
                                                  int sources, int counters, int sinks) {
  using counting::stage;
  TaskLimits limits;
  limits.batch_rows = options.batch_rows;
  WorldVertex source{
      "source", sources, kDefaultMaxParallelism, true, 0, [options, limits] {
        TaskSpec spec;
        spec.limits = limits;
        spec.stages.push_back(stage(
            "source", make_source_operator<Counted>(
                          std::make_shared<counting::Splits>(options),
                          WatermarkStrategy<Counted>::monotonous().with_timestamp(&Counted::at))));
        return spec;
      }};
  WorldVertex counter{
      "counter", counters, 8, false, 1, [options, limits] {
        TaskSpec spec;
        spec.limits = limits;
        spec.stages.push_back(stage("count", make_keyed_process_operator<int64_t, Counted, Counted>(
                                                 counting::CountRows(options), &Counted::key)));
        spec.stages.push_back(stage(
            "fan out", [options] { return std::make_unique<counting::FanOut>(options.copies); }));
        spec.links.push_back({0, 0, 1});
        return spec;
      }};
  WorldVertex sink{
      "sink", sinks, kDefaultMaxParallelism, false, 1, [output, limits] {
        TaskSpec spec;
        spec.limits = limits;
        spec.stages.push_back(stage(
            "sink", make_sink_operator<Counted>(std::make_shared<counting::Sink2pc>(output))));
        return spec;
      }};
  return {source, counter, sink};
}

inline std::vector<WorldEdge> counting_edges(Partitioning to_sink = Partitioning::kRebalance) {
  const RecordType* type = &record_type<Counted>();
  return {
      {0, 1, 0, Partitioning::kHash, make_key_selector_partitioner<Counted>(&Counted::key), type},
      {1, 2, 0, to_sink, {}, type}};
}

/// What is wrong with the committed output; empty when it is exactly that of an undisturbed run.
/// `may_double`: rows may be there more often, as at least once promises.
inline std::string describe_difference(const CountingOptions& options, const CountingOutput& output,
                                       bool may_double = false) {
  std::map<std::pair<int64_t, int64_t>, int> times;
  std::map<std::pair<int64_t, int64_t>, int> times_of_count;
  for (const Counted& row : output.committed) {
    ++times[{row.key, row.seq}];
    const bool is_row = row.seq >= 0;
    if (may_double) continue;
    if (is_row && ++times_of_count[{row.key, row.count}] > options.copies) {
      return "key " + std::to_string(row.key) + " counts " + std::to_string(row.count) + " twice";
    }
    if (is_row && options.check_order && row.count != row.seq / options.keys + 1) {
      return "row " + std::to_string(row.seq) + " of key " + std::to_string(row.key) +
             " was counted as number " + std::to_string(row.count);
    }
  }
  size_t expected = 0;
  for (int64_t split = 0; split < options.splits; ++split) {
    for (int64_t seq = 0; seq < options.rows; ++seq) {
      const int64_t key = split * 1000 + seq % options.keys;
      for (const int64_t what : {seq, -1 - seq}) {
        ++expected;
        const int found = times[{key, what}];
        if (found == options.copies || (may_double && found > options.copies)) continue;
        return std::string(found < options.copies ? "lost: " : "doubled: ") +
               (what < 0 ? "timer of row " : "row ") + std::to_string(seq) + " of key " +
               std::to_string(key) + " is there " + std::to_string(found) + " times of " +
               std::to_string(options.copies);
      }
    }
  }
  return times.size() == expected ? "" : "rows nobody sent";
}

}  // namespace sluice
