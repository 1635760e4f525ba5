// A job that fails again and again under back pressure, after Flink's UnalignedCheckpointITCase:
//
//   counters ═shifted═ failing map ═distributed═ sink that is full every other time (2PC)
//
// Counter s gives rows (s, 0), (s, 1), ...; its rows go to map subtask s + 1 and from there to sink
// subtask seq mod p, so all rows with one s and one seq mod p take one path and must stay in order.
// Planned failures: the map while it processes, at a snapshot, while it processes again, at a
// restore, and when it is closed. Nothing may be lost, doubled or out of order, and each planned
// failure must really have happened.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "actors/cluster_client.h"
#include "operators/partitioner.h"
#include "operators/sink_operator.h"
#include "operators/source_operator.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

struct Tagged {
  int64_t counter = 0;
  int64_t seq = 0;
};
SLUICE_RECORD(Tagged, counter, seq);

enum Stage {
  kFirstRun,
  kFailedInMap,
  kFailedAtSnapshot,
  kFailedInMapAgain,
  kFailedAtRestore,
  kAllFailed
};

// The world outside the job, seen by all attempts.
struct Shared {
  std::atomic<int> stage{kFirstRun};
  std::atomic<int> completed{0};           // Checkpoints, over all attempts.
  std::atomic<int> completed_of_stage{0};  // Since the last failure.
  std::mutex mutex;
  std::map<int64_t, int64_t> lengths;            // Of counters that have ended.
  std::map<int, std::vector<Tagged>> committed;  // By sink subtask.
  std::set<std::pair<int64_t, int>> known;

  [[noreturn]] void fail(Stage next, const char* what) {
    completed_of_stage = 0;
    stage = next;
    throw std::runtime_error(what);
  }
};
using SharedPtr = std::shared_ptr<Shared>;

constexpr int kPerStage = 2;

class Counters final : public SplitEnumerator {
 public:
  explicit Counters(int count) : count_(count) {}
  Status open(int /*parallelism*/) override { return Status::ok(); }
  Assignment next(int /*subtask*/) override {
    Assignment assignment;
    if (given_ < count_) {
      assignment.splits.push_back({std::to_string(given_), "0"});
      ++given_;
    } else {
      assignment.no_more = true;
    }
    return assignment;
  }
  void add_back(std::vector<SourceSplit> /*splits*/) override {}
  std::string snapshot() const override { return std::to_string(given_); }
  Status restore(std::string_view state) override {
    given_ = std::stoi(std::string(state));
    return Status::ok();
  }

 private:
  int count_;
  int given_ = 0;
};

class CounterReader final : public SourceReader<Tagged> {
 public:
  explicit CounterReader(SharedPtr shared) : shared_(std::move(shared)) {}
  Status open(SourceContext& context) override {
    subtask_ = context.task.subtask;
    return Status::ok();
  }
  Status add_split(const SourceSplit& split) override {
    counters_.push_back({std::stoll(split.id), std::stoll(split.data), false});
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<Tagged>& batch, uint32_t rows_max) override {
    for (size_t i = 0; i < counters_.size(); ++i) {
      Counter& counter = counters_[(next_ + i) % counters_.size()];
      if (counter.ended) continue;
      const auto index = static_cast<int>((next_ + i) % counters_.size());
      ++next_;
      for (uint32_t row = 0; row < rows_max; ++row) batch.push(Tagged{counter.id, counter.seq++});
      counter.ended =
          shared_->stage >= kFailedAtRestore && shared_->completed_of_stage >= kPerStage;
      if (counter.ended) {
        const std::lock_guard lock(shared_->mutex);
        shared_->lengths[counter.id] = counter.seq;
      }
      return PollResult{PollState::kMore, index, counter.ended};
    }
    return PollResult{PollState::kNeedSplit, -1, false};
  }
  std::vector<SourceSplit> snapshot() const override {
    std::vector<SourceSplit> splits;
    for (const Counter& counter : counters_) {
      if (!counter.ended) {
        splits.push_back({std::to_string(counter.id), std::to_string(counter.seq)});
      }
    }
    return splits;
  }
  Status checkpoint_complete(CheckpointId /*checkpoint*/) override {
    if (subtask_ != 0) return Status::ok();
    ++shared_->completed;
    ++shared_->completed_of_stage;
    return Status::ok();
  }

 private:
  struct Counter {
    int64_t id;
    int64_t seq;
    bool ended;
  };
  SharedPtr shared_;
  std::vector<Counter> counters_;
  size_t next_ = 0;
  int subtask_ = 0;
};

class CounterSource final : public Source<Tagged> {
 public:
  CounterSource(int count, SharedPtr shared) : count_(count), shared_(std::move(shared)) {}
  bool is_bounded() const override { return true; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    return std::make_unique<Counters>(count_);
  }
  std::unique_ptr<SourceReader<Tagged>> create_reader() const override {
    return std::make_unique<CounterReader>(shared_);
  }
  std::string name() const override { return "counters"; }

 private:
  int count_;
  SharedPtr shared_;
};

class FailingMap final : public OperatorWithOutput<Tagged> {
 public:
  explicit FailingMap(SharedPtr shared) : shared_(std::move(shared)) {}
  Status open(OperatorContext& context) override {
    fails_ = context.task.subtask == 0;
    if (fails_ && shared_->stage == kFailedInMapAgain) {
      shared_->fail(kFailedAtRestore, "planned failure at restore");
    }
    return Status::ok();
  }
  void close() override {
    if (fails_ && ended_ && shared_->stage == kFailedAtRestore) {
      shared_->fail(kAllFailed, "planned failure in close");
    }
  }
  Progress process(int /*input*/, StreamBatch& in, Cursor& cursor) override {
    for (;;) {
      const uint32_t end = cursor.mark < in.marks.size() ? in.marks[cursor.mark].row : in.rows();
      for (; cursor.row < end; ++cursor.row) {
        if (outputs_full()) return Progress::kOutputFull;
        if (is_due(kFirstRun)) shared_->fail(kFailedInMap, "planned failure in map");
        if (is_due(kFailedAtSnapshot)) {
          shared_->fail(kFailedInMapAgain, "planned failure in map, again");
        }
        out_.emit(batch_cast<Tagged>(*in.batch)[cursor.row]);
      }
      if (cursor.mark == in.marks.size()) return Progress::kDone;
      mark_outputs(in.marks[cursor.mark++].watermark);
    }
  }
  Progress finish() override {
    ended_ = true;
    return Progress::kDone;
  }
  Result<std::unique_ptr<FrozenState>> snapshot(CheckpointId /*checkpoint*/) override {
    if (is_due(kFailedInMap)) shared_->fail(kFailedAtSnapshot, "planned failure at a snapshot");
    return std::unique_ptr<FrozenState>();
  }

 private:
  bool is_due(Stage stage) const {
    return fails_ && shared_->stage == stage && shared_->completed_of_stage >= kPerStage;
  }
  SharedPtr shared_;
  bool fails_ = false;
  bool ended_ = false;
};

class FullWriter final : public SinkWriter<Tagged> {
 public:
  Status open(SinkContext& context) override {
    context_ = &context;
    return Status::ok();
  }
  Result<WriteState> write(const TypedBatch<Tagged>& batch, uint32_t& row) override {
    if (!std::exchange(was_full_, !was_full_)) {
      context_->io->run(context_->wake);
      return WriteState::kFull;
    }
    for (; row < batch.rows(); ++row) {
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
  SinkContext* context_ = nullptr;
  std::string rows_;
  bool was_full_ = false;
};

class SharedCommitter final : public Committer {
 public:
  explicit SharedCommitter(SharedPtr shared) : shared_(std::move(shared)) {}
  CommitOutcome commit(const Committable& committable, std::string& /*error*/) override {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->known.insert({committable.checkpoint.value, committable.subtask}).second) {
      return CommitOutcome::kAlreadyCommitted;
    }
    ByteReader reader(committable.data);
    auto& rows = shared_->committed[committable.subtask];
    while (!reader.at_end()) rows.push_back(decode<Tagged>(reader));
    return CommitOutcome::kCommitted;
  }

 private:
  SharedPtr shared_;
};

class SharedSink final : public Sink<Tagged> {
 public:
  explicit SharedSink(SharedPtr shared) : shared_(std::move(shared)) {}
  std::string name() const override { return "committed"; }
  std::unique_ptr<SinkWriter<Tagged>> create_writer() const override {
    return std::make_unique<FullWriter>();
  }
  std::unique_ptr<Committer> create_committer() const override {
    return std::make_unique<SharedCommitter>(shared_);
  }

 private:
  SharedPtr shared_;
};

LogicalGraph failing_graph(int parallelism, const SharedPtr& shared) {
  LogicalGraph graph;
  auto source = std::make_shared<CounterSource>(parallelism, shared);
  LogicalNode counters;
  counters.kind = NodeKind::kSource;
  counters.name = "counters";
  counters.input_count = 0;
  counters.parallelism = parallelism;
  counters.factory = make_source_operator<Tagged>(source, WatermarkStrategy<Tagged>::none());
  counters.enumerator_factory = [source] { return source->create_enumerator(); };
  const NodeId from_counters = graph.add_node(std::move(counters)).id;
  const auto edge = [](NodeId from, int64_t Tagged::*by, int64_t shift) {
    LogicalEdge edge;
    edge.from = from;
    edge.partitioning = Partitioning::kCustom;
    edge.type = &record_type<Tagged>();
    edge.selector = make_custom_partitioner<Tagged>(
        [shift](int64_t value, int channels) { return (value + shift) % channels; }, by);
    return edge;
  };
  LogicalNode map;
  map.name = "failing map";
  map.parallelism = parallelism;
  map.factory = [shared] { return std::make_unique<FailingMap>(shared); };
  map.inputs.push_back(edge(from_counters, &Tagged::counter, 1));
  const NodeId from_map = graph.add_node(std::move(map)).id;
  LogicalNode sink;
  sink.kind = NodeKind::kSink;
  sink.name = "committed";
  sink.parallelism = parallelism;
  sink.inputs.push_back(edge(from_map, &Tagged::seq, 0));
  sink.factory = make_sink_operator<Tagged>(std::make_shared<SharedSink>(shared));
  sink.committer_factory = [shared] { return std::make_unique<SharedCommitter>(shared); };
  graph.add_node(std::move(sink));
  return graph;
}

struct Variant {
  const char* name;
  bool unaligned;
  Duration aligned_timeout;
};

void check_failing_job(int parallelism, const Variant& variant) {
  CAPTURE(parallelism);
  CAPTURE(std::string(variant.name));
  const ScratchDirectory directory;
  auto shared = std::make_shared<Shared>();
  JobSettings settings;
  settings.name = "failing";
  settings.options.put(options::kCheckpointInterval, Duration(10));
  settings.options.put(options::kCheckpointDir, directory.path());
  settings.options.put(options::kCheckpointUnaligned, variant.unaligned);
  settings.options.put(options::kCheckpointAlignedTimeout, variant.aligned_timeout);
  settings.options.put(options::kTaskInputMemory, 4096);
  settings.options.put(options::kTaskOutputMemory, 4096);
  settings.options.put(options::kRestartStrategy, std::string("fixed-delay"));
  settings.options.put(options::kRestartFixedAttempts, 20);
  settings.options.put(options::kRestartFixedDelay, Duration(1));
  std::vector<std::string> notes;
  settings.on_note = [&](const std::string& note) {
    const std::lock_guard lock(shared->mutex);
    notes.push_back(note);
  };
  const auto result = run_embedded(failing_graph(parallelism, shared), settings);
  REQUIRE(result.is_ok());
  for (const std::string& note : notes) INFO(note);
  CHECK_MESSAGE(result->status == JobStatus::kFinished, result->error.to_string());
  CHECK(shared->stage == kAllFailed);
  CHECK(result->restarts == 5);
  CHECK(shared->completed >= 8);

  int64_t lost = 0;
  int64_t doubled = 0;
  int64_t out_of_order = 0;
  int64_t rows = 0;
  std::map<int64_t, std::map<int64_t, int>> seen;
  for (const auto& [subtask, committed] : shared->committed) {
    std::map<int64_t, int64_t> last;
    for (const Tagged& row : committed) {
      ++rows;
      doubled += seen[row.counter][row.seq]++ > 0 ? 1 : 0;
      const auto [at, is_first] = last.emplace(row.counter, row.seq);
      out_of_order += !is_first && at->second >= row.seq ? 1 : 0;
      at->second = row.seq;
    }
  }
  REQUIRE(shared->lengths.size() == static_cast<size_t>(parallelism));
  for (const auto& [counter, length] : shared->lengths) {
    lost += length - static_cast<int64_t>(seen[counter].size());
    CHECK(seen[counter].rbegin()->first == length - 1);
  }
  CHECK(lost == 0);
  CHECK(doubled == 0);
  CHECK(out_of_order == 0);
  MESSAGE(std::string(variant.name)
          << ", parallelism " << parallelism << ": " << rows << " rows, "
          << shared->completed.load() << " checkpoints, " << result->restarts << " failures");
}

TEST_CASE("a job with planned failures commits every row once and in order") {
  const Variant variants[] = {
      {"aligned", false, 0ms}, {"unaligned", true, 0ms}, {"unaligned after 20 ms", true, 20ms}};
  for (const int parallelism : {1, 3, 8}) {
    for (const Variant& variant : variants) check_failing_job(parallelism, variant);
  }
}

}  // namespace
}  // namespace sluice
