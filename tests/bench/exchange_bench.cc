// Throughput of a keyed exchange between actors against the same work by hand: two producer
// threads, two consumer threads' worth of work, bounded queues. 64-byte records, source → map →
// filter → key_by → sink with 2 + 2 subtasks.
//
//   bazel run //tests/bench:exchange_bench [-- ROWS]
//
// Prints one JSON line: rates in million records/s and their ratio.
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "api/execute.h"
#include "core/random.h"
#include "core/sink.h"

namespace sluice {
namespace {

struct Row {
  int64_t id = 0;
  int64_t key = 0;
  std::array<int64_t, 6> payload{};
};
SLUICE_RECORD(Row, id, key, payload);

Row make_row(int64_t i) {
  Row row;
  row.id = i;
  row.key = static_cast<int64_t>(splitmix64(static_cast<uint64_t>(i)) & 0xFFFFF);
  row.payload[0] = i;
  return row;
}
Row change(const Row& row) {
  Row out = row;
  out.payload[1] = row.payload[0] * 31 + row.key;
  return out;
}
bool keep(const Row& row) { return row.payload[1] != 0; }

class SumWriter final : public SinkWriter<Row> {
 public:
  Status open(SinkContext& /*context*/) override { return Status::ok(); }
  Result<WriteState> write(const TypedBatch<Row>& batch, uint32_t& row) override {
    int64_t sum = 0;
    for (; row < batch.rows(); ++row) sum += batch[row].payload[1];
    sum_ += sum;
    return WriteState::kDone;
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*id*/) override {
    return std::vector<std::string>();
  }

 private:
  int64_t sum_ = 0;
};

class SumSink final : public Sink<Row> {
 public:
  std::string name() const override { return "sum"; }
  std::unique_ptr<SinkWriter<Row>> create_writer() const override {
    return std::make_unique<SumWriter>();
  }
};

double seconds_since(int64_t start_ns) {
  return static_cast<double>(system_clock().steady_ns() - start_ns) / 1e9;
}

double run_sluice(int64_t rows) {
  StreamEnvironment env;
  env.set_parallelism(2);
  env.generator(rows, make_row).map(change).filter(keep).key_by(&Row::key).sink_to(SumSink());
  const int64_t start = system_clock().steady_ns();
  const auto result = env.execute("exchange");
  const double seconds = seconds_since(start);
  SLUICE_CHECK_MSG(result.is_ok(), result.status().to_string().c_str());
  SLUICE_CHECK_MSG(result->status == JobStatus::kFinished, result->error.to_string().c_str());
  SLUICE_CHECK(result->records_out >= rows - 1);
  return static_cast<double>(rows) / seconds / 1e6;
}

// ---- by hand ------------------------------------------------------------------------------------

class BoundedQueue {
 public:
  using Block = std::vector<Row>;
  void push(Block block) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return blocks_.size() < kBlocksMax; });
    blocks_.push_back(std::move(block));
    not_empty_.notify_one();
  }
  Block pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return !blocks_.empty(); });
    Block block = std::move(blocks_.front());
    blocks_.pop_front();
    not_full_.notify_one();
    return block;
  }

 private:
  static constexpr size_t kBlocksMax = 8;
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<Block> blocks_;
};

// One producer and one consumer thread for all keys: on two cores the fastest simple layout.
double run_by_hand(int64_t rows) {
  constexpr size_t kBlockRows = 1024;
  BoundedQueue queue;
  const int64_t start = system_clock().steady_ns();
  int64_t sum = 0;
  std::thread consumer([&] {
    for (;;) {
      const BoundedQueue::Block block = queue.pop();
      if (block.empty()) return;
      for (const Row& row : block) sum += row.payload[1];
    }
  });
  BoundedQueue::Block block;
  block.reserve(kBlockRows);
  for (int64_t i = 0; i < rows; ++i) {
    const Row row = change(make_row(i));
    if (!keep(row)) continue;
    block.push_back(row);
    if (block.size() == kBlockRows) {
      queue.push(std::move(block));
      block = {};
      block.reserve(kBlockRows);
    }
  }
  if (!block.empty()) queue.push(std::move(block));
  queue.push({});
  consumer.join();
  SLUICE_CHECK(sum != 0);
  return static_cast<double>(rows) / seconds_since(start) / 1e6;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 20'000'000;
  std::vector<double> ours;
  std::vector<double> by_hand;
  for (int i = 0; i < 3; ++i) {
    ours.push_back(sluice::run_sluice(rows));
    by_hand.push_back(sluice::run_by_hand(rows));
  }
  std::sort(ours.begin(), ours.end());
  std::sort(by_hand.begin(), by_hand.end());
  std::printf(
      "{\"benchmark\":\"exchange\",\"rows\":%lld,\"sluice_mrows_s\":%.1f,\"sluice_min\":%.1f,"
      "\"sluice_max\":%.1f,\"by_hand_mrows_s\":%.1f,\"ratio\":%.2f}\n",
      static_cast<long long>(rows), ours[1], ours[0], ours[2], by_hand[1], ours[1] / by_hand[1]);
  return 0;
}
