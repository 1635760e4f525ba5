// A job that fails again and again under back pressure, after Flink's UnalignedCheckpointITCase:
//
//   counters ═shifted═ failing map ═hash═ count per key ═distributed═ sink, full every other time
//
// Counter s gives rows (s, 0), (s, 1), ...; its rows go to map subtask s + 1, from there to the
// count of their key (s, seq mod kKeys), which writes into each row how many of its key there were
// before, and on to sink subtask seq mod kKeys mod p: the rows of one key take one path and must
// stay in order. Planned failures: the map while it processes, at a snapshot, while it processes
// again, at a restore, and when it is closed. No row may be lost, doubled, out of order or counted
// wrongly, and each planned failure must really have happened. On both state backends; the one on
// disk has memory for a part of the keys only.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <doctest/doctest.h>

#include "actors/cluster_client.h"
#include "operators/partitioner.h"
#include "operators/process_operator.h"
#include "operators/sink_operator.h"
#include "operators/source_operator.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

struct Tagged {
  int64_t counter = 0;
  int64_t seq = 0;
  int64_t before = 0;  // Rows of the same key that were counted before this one.
};
SLUICE_RECORD(Tagged, counter, seq, before);

constexpr int64_t kKeys = 4096;  // Of each counter.
int64_t key_of(const Tagged& row) { return row.counter * kKeys + row.seq % kKeys; }

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

class CountPerKey final : public KeyedProcessFunction<int64_t, Tagged, Tagged> {
 public:
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
  }
  void process_element(const Tagged& row, Context& /*context*/, Collector<Tagged>& out) override {
    out.collect({row.counter, row.seq, count_.value_or(0)});
    count_.update(count_.value_or(0) + 1);
  }

 private:
  ValueState<int64_t> count_;
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
  const auto edge = [](NodeId from, Partitioning partitioning, RowSelectorFactory selector) {
    LogicalEdge edge;
    edge.from = from;
    edge.partitioning = partitioning;
    edge.type = &record_type<Tagged>();
    edge.selector = std::move(selector);
    return edge;
  };
  const auto shifted = [](int64_t counter, int channels) { return (counter + 1) % channels; };
  const auto distributed = [](int64_t seq, int channels) { return seq % kKeys % channels; };
  LogicalNode map;
  map.name = "failing map";
  map.parallelism = parallelism;
  map.factory = [shared] { return std::make_unique<FailingMap>(shared); };
  map.inputs.push_back(edge(from_counters, Partitioning::kCustom,
                            make_custom_partitioner<Tagged>(shifted, &Tagged::counter)));
  const NodeId from_map = graph.add_node(std::move(map)).id;
  LogicalNode count;
  count.name = "count per key";
  count.parallelism = parallelism;
  count.keyed = true;
  count.factory = make_keyed_process_operator<int64_t, Tagged, Tagged>(CountPerKey{}, key_of);
  count.inputs.push_back(
      edge(from_map, Partitioning::kHash, make_key_selector_partitioner<Tagged>(key_of)));
  const NodeId from_count = graph.add_node(std::move(count)).id;
  LogicalNode sink;
  sink.kind = NodeKind::kSink;
  sink.name = "committed";
  sink.parallelism = parallelism;
  sink.inputs.push_back(edge(from_count, Partitioning::kCustom,
                             make_custom_partitioner<Tagged>(distributed, &Tagged::seq)));
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

/// What is wrong with the committed rows; `rows`: how many there are.
struct Verdict {
  int64_t rows = 0;
  int64_t lost = 0;
  int64_t doubled = 0;
  int64_t out_of_order = 0;
  int64_t miscounted = 0;
};

Verdict judge(const Shared& shared) {
  Verdict verdict;
  std::map<int64_t, std::vector<bool>> seen;
  for (const auto& [counter, length] : shared.lengths) {
    seen[counter].resize(static_cast<size_t>(length));
  }
  for (const auto& [subtask, committed] : shared.committed) {
    std::unordered_map<int64_t, int64_t> last;
    for (const Tagged& row : committed) {
      ++verdict.rows;
      const auto place = seen[row.counter].at(static_cast<size_t>(row.seq));
      verdict.doubled += place ? 1 : 0;
      seen[row.counter][static_cast<size_t>(row.seq)] = true;
      const auto [at, is_first] = last.emplace(key_of(row), row.seq);
      verdict.out_of_order += !is_first && at->second >= row.seq ? 1 : 0;
      at->second = row.seq;
      verdict.miscounted += row.before != row.seq / kKeys ? 1 : 0;
    }
  }
  for (const auto& [counter, places] : seen) {
    verdict.lost += std::count(places.begin(), places.end(), false);
  }
  return verdict;
}

void check_failing_job(int parallelism, const Variant& variant, const std::string& backend) {
  CAPTURE(parallelism);
  CAPTURE(backend);
  CAPTURE(std::string(variant.name));
  const ScratchDirectory directory;
  auto shared = std::make_shared<Shared>();
  JobSettings settings;
  settings.name = "failing";
  settings.options.put(options::kCheckpointInterval, Duration(10));
  settings.options.put(options::kCheckpointDir, directory.path());
  settings.options.put(options::kCheckpointUnaligned, variant.unaligned);
  settings.options.put(options::kCheckpointAlignedTimeout, variant.aligned_timeout);
  settings.options.put(options::kStateBackend, backend);
  if (backend == "rocksdb") settings.options.put(options::kStateMemory, 64 * 1024);
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
  REQUIRE(shared->lengths.size() == static_cast<size_t>(parallelism));
  const Verdict verdict = judge(*shared);
  CHECK(verdict.rows > parallelism * kKeys);
  CHECK(verdict.lost == 0);
  CHECK(verdict.doubled == 0);
  CHECK(verdict.out_of_order == 0);
  CHECK(verdict.miscounted == 0);
  MESSAGE(backend << ", " << std::string(variant.name) << ", parallelism " << parallelism << ": "
                  << verdict.rows << " rows, " << shared->completed.load() << " checkpoints, "
                  << result->restarts << " failures");
}

void check_backend(const std::string& backend) {
  const Variant variants[] = {
      {"aligned", false, 0ms}, {"unaligned", true, 0ms}, {"unaligned after 20 ms", true, 20ms}};
  for (const int parallelism : {1, 3, 8}) {
    for (const Variant& variant : variants) check_failing_job(parallelism, variant, backend);
  }
}

TEST_CASE("a job with planned failures commits every row once, in order and counted right") {
  check_backend("hashmap");
}

TEST_CASE("a job with planned failures does so with state on disk") { check_backend("rocksdb"); }

}  // namespace
}  // namespace sluice
