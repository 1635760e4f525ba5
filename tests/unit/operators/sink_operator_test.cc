#include "operators/sink_operator.h"

#include <condition_variable>
#include <mutex>
#include <optional>

#include <doctest/doctest.h>

#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

// What a writer gives at a barrier is the numbers it took, as text. The test opens the gate for
// each commit.
class Ledger {
 public:
  void allow(int commits) {
    const std::lock_guard lock(mutex_);
    allowed_ += commits;
    changed_.notify_all();
  }
  CommitOutcome commit(const Committable& committable) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return allowed_ > 0; });
    --allowed_;
    if (committable.data == fails_) return CommitOutcome::kFailedKnown;
    committed_.push_back(committable.data);
    return CommitOutcome::kCommitted;
  }
  std::vector<std::string> committed() {
    const std::lock_guard lock(mutex_);
    return committed_;
  }
  void fail_at(std::string data) { fails_ = std::move(data); }
  // What the writer got back.
  std::vector<std::string> recycled;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int allowed_ = 0;
  std::optional<std::string> fails_;
  std::vector<std::string> committed_;
};

class GatedSink final : public Sink<int64_t> {
 public:
  explicit GatedSink(Ledger* ledger) : ledger_(ledger) {}
  std::string name() const override { return "gated"; }
  std::unique_ptr<SinkWriter<int64_t>> create_writer() const override {
    return std::make_unique<Writer>(ledger_);
  }
  std::unique_ptr<Committer> create_committer() const override {
    return std::make_unique<GatedCommitter>(ledger_);
  }
  bool may_block() const override { return true; }

 private:
  class Writer final : public SinkWriter<int64_t> {
   public:
    explicit Writer(Ledger* ledger) : ledger_(ledger) {}
    Status open(SinkContext& /*context*/) override { return Status::ok(); }
    Result<WriteState> write(const TypedBatch<int64_t>& batch, uint32_t& row) override {
      for (; row < batch.rows(); ++row) taken_ += std::to_string(batch[row]) + " ";
      return WriteState::kDone;
    }
    Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
      return std::vector<std::string>{std::exchange(taken_, "")};
    }
    void recycle(std::string data) override { ledger_->recycled.push_back(std::move(data)); }

   private:
    Ledger* ledger_;
    std::string taken_;
  };
  class GatedCommitter final : public Committer {
   public:
    explicit GatedCommitter(Ledger* ledger) : ledger_(ledger) {}
    CommitOutcome commit(const Committable& committable, std::string& /*error*/) override {
      return ledger_->commit(committable);
    }

   private:
    Ledger* ledger_;
  };
  Ledger* ledger_;
};

// Counts wake-ups, which come from the committing thread.
class Wakes {
 public:
  std::function<void()> counter() {
    return [this] {
      const std::lock_guard lock(mutex_);
      ++count_;
      changed_.notify_all();
    };
  }
  void wait_for(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

struct SinkHarness : OperatorHarness<int64_t> {
  explicit SinkHarness(Ledger& ledger, Wakes& wakes)
      : OperatorHarness(make_sink_operator<int64_t>(std::make_shared<GatedSink>(&ledger))) {
    context().checkpointing = true;
    context().wake = wakes.counter();
  }
  void complete(int64_t checkpoint) {
    REQUIRE(op().prepare_snapshot(CheckpointId{checkpoint}).is_ok());
    REQUIRE(op().checkpoint_complete(CheckpointId{checkpoint}).is_ok());
  }
};

TEST_CASE("sink operator: rows are taken while an earlier checkpoint is being committed") {
  Ledger ledger;
  Wakes wakes;
  SinkHarness harness(ledger, wakes);
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1, 2});
  harness.complete(1);
  harness.push<int64_t>({3});
  CHECK(!harness.is_awaiting());
  CHECK(ledger.committed().empty());
  harness.complete(2);
  ledger.allow(2);
  REQUIRE(harness.op().settle().is_ok());
  CHECK(ledger.committed() == std::vector<std::string>{"1 2 ", "3 "});
}

TEST_CASE("sink operator: two checkpoints that wait hold rows back, a commit lets them in") {
  Ledger ledger;
  Wakes wakes;
  SinkHarness harness(ledger, wakes);
  REQUIRE(harness.open().is_ok());
  harness.complete(1);
  harness.complete(2);
  harness.push<int64_t>({5});
  CHECK(harness.is_awaiting());
  // Barriers still pass.
  REQUIRE(harness.op().prepare_snapshot(CheckpointId{3}).is_ok());
  ledger.allow(1);
  wakes.wait_for(1);
  harness.push<int64_t>({5});
  CHECK(!harness.is_awaiting());
  ledger.allow(1);
}

TEST_CASE("sink operator: what is being committed is still in the next snapshot, as one item") {
  Ledger ledger;
  Wakes wakes;
  MemorySnapshot stored;
  {
    SinkHarness harness(ledger, wakes);
    REQUIRE(harness.open().is_ok());
    harness.push<int64_t>({1});
    harness.complete(1);
    harness.push<int64_t>({2});
    REQUIRE(harness.op().prepare_snapshot(CheckpointId{2}).is_ok());
    stored = harness.snapshot();
    ledger.allow(1);
    wakes.wait_for(1);
    // Committed by now, so the snapshot after this one leaves it out.
    REQUIRE(harness.op().on_idle().is_ok());
    MemorySnapshot later = harness.snapshot();
    MemorySnapshot::Reader reader(later, {0, 127}, 0, 1);
    std::vector<Committable> left;
    REQUIRE(reader.items("committables").size() == 1);
    REQUIRE(detail::decode_committables(reader.items("committables")[0], left));
    REQUIRE(left.size() == 1);
    CHECK(left[0].data == "2 ");
  }
  // Whoever gets them gets all, at any parallelism: a later epoch must not overtake an earlier one.
  int holders = 0;
  for (int subtask = 0; subtask < 3; ++subtask) {
    Ledger next;
    next.allow(2);
    Wakes none;
    SinkHarness harness(next, none);
    MemorySnapshot::Reader reader(stored, {0, 127}, subtask, 3);
    REQUIRE(harness.open(&reader).is_ok());
    if (next.committed().empty()) continue;
    ++holders;
    CHECK(next.committed() == std::vector<std::string>{"1 ", "2 "});
  }
  CHECK(holders == 1);
}

TEST_CASE("sink operator: the writer gets the memory of what is committed, unless it is read") {
  Ledger ledger;
  Wakes wakes;
  SinkHarness harness(ledger, wakes);
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1});
  harness.complete(1);
  ledger.allow(1);
  REQUIRE(harness.op().settle().is_ok());
  CHECK(ledger.recycled == std::vector<std::string>{"1 "});
  harness.push<int64_t>({2});
  REQUIRE(harness.op().prepare_snapshot(CheckpointId{2}).is_ok());
  auto frozen = harness.op().snapshot(CheckpointId{2});
  REQUIRE(frozen.is_ok());
  REQUIRE(harness.op().checkpoint_complete(CheckpointId{2}).is_ok());
  ledger.allow(1);
  REQUIRE(harness.op().settle().is_ok());
  CHECK(ledger.committed().size() == 2);
  CHECK(ledger.recycled.size() == 1);
}

TEST_CASE("sink operator: a commit that fails beside the task fails it, and nothing follows") {
  Ledger ledger;
  ledger.fail_at("1 ");
  Wakes wakes;
  SinkHarness harness(ledger, wakes);
  REQUIRE(harness.open().is_ok());
  harness.push<int64_t>({1});
  harness.complete(1);
  harness.push<int64_t>({2});
  harness.complete(2);
  ledger.allow(2);
  wakes.wait_for(1);
  CHECK(harness.op().on_idle().code() == StatusCode::kIoError);
  CHECK_THROWS(harness.push<int64_t>({3}));
  CHECK(!harness.op().settle().is_ok());
  CHECK(ledger.committed().empty());
}

}  // namespace
}  // namespace sluice
