// A job whose sink does not take its rows, or takes them slowly, and the checkpoints that complete
// meanwhile.
//
//   generator ═hash═ count per key → sink that answers kFull until the gate opens, or dawdles
//
// run_blocked() looks at the checkpoints while the job runs and cancels it when enough of them are
// complete or its time is over. Only those that were triggered while the sink stood still count.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/execute.h"
#include "connectors/generator.h"
#include "core/clock.h"
#include "core/inspection.h"

namespace sluice {

struct BlockedSinkOptions {
  bool unaligned = true;
  /// 0: the sink answers kFull as long as the job runs; else each batch takes it so long.
  Duration batch_time{0};
  /// The job ends after this, or when so many checkpoints were complete (0: not before).
  Duration run_for{1000};
  int checkpoints = 0;
  Duration interval{100};
  std::string checkpoint_directory;
};

struct BlockedSinkOutcome {
  int complete = 0;
  int failed = 0;
  /// From trigger to complete; of one that is not complete: so far.
  int64_t longest_ms = 0;
  int64_t batches = 0;  // That the sink took.
};

namespace blocked_sink {

struct Row {
  int64_t id = 0;
  int64_t key = 0;
};
SLUICE_RECORD(Row, id, key);

/// Shared by the sink and whoever watches.
struct Gate {
  std::mutex mutex;
  std::condition_variable closing;
  bool is_over = false;
  int64_t blocked_since_ms = 0;  // 0: no row has reached the sink yet.
  int64_t batches = 0;
  std::vector<std::function<void()>> waiting;

  void end() {
    std::vector<std::function<void()>> wakes;
    {
      const std::lock_guard lock(mutex);
      is_over = true;
      wakes.swap(waiting);
    }
    closing.notify_all();
    for (const auto& wake : wakes) wake();
  }
};

class Writer final : public SinkWriter<Row> {
 public:
  Writer(std::shared_ptr<Gate> gate, Duration batch_time)
      : gate_(std::move(gate)), batch_time_(batch_time) {}
  Status open(SinkContext& context) override {
    context_ = &context;
    return Status::ok();
  }
  Result<WriteState> write(const TypedBatch<Row>& batch, uint32_t& row) override {
    std::unique_lock lock(gate_->mutex);
    if (gate_->blocked_since_ms == 0) gate_->blocked_since_ms = system_clock().wall_ms();
    if (batch_time_.count() > 0) {
      gate_->closing.wait_for(lock, batch_time_, [this] { return gate_->is_over; });
    } else if (!gate_->is_over) {
      gate_->waiting.push_back(context_->wake);
      return WriteState::kFull;
    }
    ++gate_->batches;
    row = batch.rows();
    return WriteState::kDone;
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
    return std::vector<std::string>();
  }

 private:
  const std::shared_ptr<Gate> gate_;
  const Duration batch_time_;
  SinkContext* context_ = nullptr;
};

class GatedSink final : public Sink<Row> {
 public:
  GatedSink(std::shared_ptr<Gate> gate, Duration batch_time)
      : gate_(std::move(gate)), batch_time_(batch_time) {}
  std::string name() const override { return "gated"; }
  std::unique_ptr<SinkWriter<Row>> create_writer() const override {
    return std::make_unique<Writer>(gate_, batch_time_);
  }
  bool may_block() const override { return batch_time_.count() > 0; }

 private:
  std::shared_ptr<Gate> gate_;
  Duration batch_time_;
};

class CountPerKey final : public KeyedProcessFunction<int64_t, Row, Row> {
 public:
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
  }
  void process_element(const Row& row, Context& /*context*/, Collector<Row>& out) override {
    count_.update(count_.value_or(0) + 1);
    out.collect(row);
  }

 private:
  ValueState<int64_t> count_;
};

/// What was seen of checkpoints, over many looks.
struct Seen {
  std::set<int64_t> complete;
  std::set<int64_t> failed;
  int64_t longest_ms = 0;

  void look(const std::vector<CheckpointLook>& checkpoints, int64_t since_ms) {
    for (const CheckpointLook& checkpoint : checkpoints) {
      if (checkpoint.triggered < since_ms) continue;
      if (checkpoint.outcome == "complete") complete.insert(checkpoint.id);
      if (checkpoint.outcome == "failed") failed.insert(checkpoint.id);
      longest_ms = std::max(longest_ms, checkpoint.duration_ms);
    }
  }
};

}  // namespace blocked_sink

inline Result<BlockedSinkOutcome> run_blocked(const BlockedSinkOptions& options) {
  constexpr int64_t kKeys = 100'000;
  const auto gate = std::make_shared<blocked_sink::Gate>();
  StreamEnvironment env;
  env.set_parallelism(2);
  env.from_source(generate({},
                           [](int64_t i) {
                             return blocked_sink::Row{i, i % kKeys};
                           }))
      .key_by(&blocked_sink::Row::key)
      .process(blocked_sink::CountPerKey{})
      .sink_to(blocked_sink::GatedSink(gate, options.batch_time));
  JobControl control;
  JobSettings settings;
  settings.name = "blocked";
  settings.options = env.options();
  settings.options.put(options::kCheckpointInterval, options.interval);
  settings.options.put(options::kCheckpointDir, options.checkpoint_directory);
  settings.options.put(options::kCheckpointUnaligned, options.unaligned);
  settings.control = &control;
  ClusterClient* client = nullptr;
  settings.serve = [&client](ClusterClient& of_job, const Note&) {
    client = &of_job;
    return std::shared_ptr<void>();
  };
  blocked_sink::Seen seen;
  int64_t batches = 0;
  settings.progress_interval = Duration(50);
  settings.on_progress = [&](const JobProgress&) {
    int64_t since_ms = 0;
    {
      const std::lock_guard lock(gate->mutex);
      since_ms = gate->blocked_since_ms;
      if (since_ms == 0 || gate->is_over) return;
      batches = gate->batches;
    }
    const auto look = client->inspect("blocked", false);
    if (look.is_ok()) seen.look(look->checkpoints, since_ms);
    const auto complete = static_cast<int>(seen.complete.size());
    const bool is_enough = options.checkpoints > 0 && complete >= options.checkpoints;
    if (!is_enough && system_clock().wall_ms() < since_ms + options.run_for.count()) return;
    control.request_cancel();
    gate->end();
  };
  SLUICE_ASSIGN_OR_RETURN(const JobResult result, run_embedded(std::move(env.graph()), settings));
  if (result.status != JobStatus::kCancelled) {
    return result.error.is_ok() ? Status::internal("the job ended by itself") : result.error;
  }
  return BlockedSinkOutcome{static_cast<int>(seen.complete.size()),
                            static_cast<int>(seen.failed.size()), seen.longest_ms, batches};
}

}  // namespace sluice
