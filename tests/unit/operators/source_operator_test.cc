// The head of a source chain: times and watermarks per split, idleness, alignment, bad records.
#include "operators/source_operator.h"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Reading {
  int64_t at = 0;
};
SLUICE_RECORD(Reading, at);

EventTime time_of(const Reading& reading) { return EventTime{reading.at}; }

/// What a source will give next; shared with its reader.
struct Script {
  struct Piece {
    int split = 0;
    std::vector<int64_t> times;
    bool finished = false;
  };
  std::deque<Piece> pieces;
  std::vector<int> paused;
  bool bad_record = false;
  int splits = 0;
};

class ScriptedReader final : public SourceReader<Reading> {
 public:
  explicit ScriptedReader(Script* script) : script_(script) {}
  Status open(SourceContext& context) override {
    context_ = &context;
    return Status::ok();
  }
  Status add_split(const SourceSplit& /*split*/) override {
    ++script_->splits;
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<Reading>& batch, uint32_t /*rows_max*/) override {
    if (std::exchange(script_->bad_record, false)) {
      context_->bad_record("input:7", "it is broken", "b\"r\\oken");
    }
    for (auto piece = script_->pieces.begin(); piece != script_->pieces.end(); ++piece) {
      if (std::count(script_->paused.begin(), script_->paused.end(), piece->split) > 0) continue;
      for (const int64_t at : piece->times) batch.push(Reading{at});
      const PollResult result{PollState::kMore, piece->split, piece->finished};
      script_->pieces.erase(piece);
      return result;
    }
    return PollResult{script_->splits == 0 ? PollState::kNeedSplit : PollState::kNothingYet};
  }
  std::vector<SourceSplit> snapshot() const override { return {}; }
  void pause_splits(const std::vector<int>& paused) override { script_->paused = paused; }

 private:
  Script* script_;
  SourceContext* context_ = nullptr;
};

class ScriptedSource final : public Source<Reading> {
 public:
  explicit ScriptedSource(Script* script) : script_(script) {}
  bool is_bounded() const override { return false; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override { return nullptr; }
  std::unique_ptr<SourceReader<Reading>> create_reader() const override {
    return std::make_unique<ScriptedReader>(script_);
  }
  std::string name() const override { return "scripted"; }

 private:
  Script* script_;
};

using Strategy = WatermarkStrategy<Reading>;
using Watermarks = std::vector<int64_t>;

struct Fixture {
  Script script;
  OperatorHarness<Reading> harness;

  explicit Fixture(Strategy strategy, int splits = 1)
      : harness(make_source_operator<Reading>(std::make_shared<ScriptedSource>(&script),
                                              std::move(strategy).with_timestamp(time_of))) {
    harness.clock().set_ms(1000);
    harness.add_side_output<DeadLetter>(kDeadLetterTagId);
    REQUIRE(harness.open().is_ok());
    std::vector<SourceSplit> given;
    given.reserve(static_cast<size_t>(splits));
    for (int i = 0; i < splits; ++i) given.push_back({"split " + std::to_string(i), ""});
    if (splits > 0) source().add_splits(given, false);
  }
  SourceOperatorBase& source() { return static_cast<SourceOperatorBase&>(harness.op()); }
  /// Reads until the script is used up or paused; the watermarks that came of it.
  Watermarks poll() {
    while (source().poll() == SourceOperatorBase::State::kProduced) {
    }
    REQUIRE(source().status().is_ok());
    harness.finish();  // Takes what was emitted.
    return harness.take_watermarks();
  }
  Watermarks read(int split, std::vector<int64_t> times, bool finished = false) {
    script.pieces.push_back({split, std::move(times), finished});
    return poll();
  }
  void wait(int64_t ms) { harness.clock().advance(Duration(ms)); }
};

// ---- watermarks of one split --------------------------------------------------------------------

TEST_CASE("semantics rule 11: bounded out-of-orderness gives max time - bound - 1") {
  Fixture f(Strategy::bounded_out_of_orderness(5ms));
  // 12 does not raise the maximum, so no mark stands behind it.
  CHECK(f.read(0, {10, 20, 12, 21}) == Watermarks{4, 14, 15});
  const auto rows = f.harness.take();
  REQUIRE(rows.size() == 4);
  CHECK(rows[2].time.ms == 12);
}

TEST_CASE("semantics rule 11: monotonous times give max time - 1") {
  Fixture f(Strategy::monotonous());
  CHECK(f.read(0, {10, 10, 30}) == Watermarks{9, 29});
}

TEST_CASE("watermarks: they are a function of the records, not of the batches") {
  const std::vector<int64_t> times{5, 3, 9, 8, 9, 10, 2, 40, 39, 41};
  Fixture whole(Strategy::bounded_out_of_orderness(2ms));
  const Watermarks expected = whole.read(0, times);
  for (const size_t size : {1, 2, 3}) {
    Fixture pieces(Strategy::bounded_out_of_orderness(2ms));
    Watermarks all;
    for (size_t i = 0; i < times.size(); i += size) {
      const size_t end = std::min(times.size(), i + size);
      for (const int64_t mark :
           pieces.read(0, {times.begin() + static_cast<std::ptrdiff_t>(i),
                           times.begin() + static_cast<std::ptrdiff_t>(end)})) {
        all.push_back(mark);
      }
    }
    CHECK(all == expected);
  }
}

TEST_CASE("watermarks: every_rows(n) looks after each n-th record only") {
  Fixture f(Strategy::monotonous().every_rows(3));
  CHECK(f.read(0, {1, 2, 3, 4}) == Watermarks{2});
  CHECK(f.read(0, {5, 6, 7, 8, 9}) == Watermarks{5, 8});
}

TEST_CASE("watermarks: times at the ends of the range do not overflow") {
  Fixture f(Strategy::bounded_out_of_orderness(10ms));
  CHECK(f.read(0, {INT64_MIN + 3}).empty());
  CHECK(f.read(0, {INT64_MAX}) == Watermarks{INT64_MAX - 11});
}

/// The author's own: the watermark is the time of the last even reading; it may try to go back.
class EvenTimes final : public WatermarkGenerator<Reading> {
 public:
  EventTime on_event(const Reading& reading, EventTime time) override {
    CHECK(time.ms == reading.at);
    if (reading.at % 2 == 0) last_ = time;
    return last_;
  }

 private:
  EventTime last_ = kMinTime;
};

TEST_CASE("watermarks: a custom generator is asked for each record and never goes back") {
  Fixture f(Strategy::custom([] { return std::make_unique<EvenTimes>(); }));
  CHECK(f.read(0, {1, 4, 5, 2, 6}) == Watermarks{4, 6});
}

TEST_CASE("watermarks: a strategy without event time gives none but the last") {
  Fixture f(Strategy::none());
  CHECK(f.read(0, {1, 2, 3}).empty());
  f.source().stop(true);
  CHECK(f.poll() == Watermarks{kMaxTime.ms});
}

// ---- many splits --------------------------------------------------------------------------------

TEST_CASE("semantics rule 15: the generators of the splits of a subtask combine by minimum") {
  Fixture f(Strategy::monotonous(), 2);
  CHECK(f.read(0, {100}).empty());
  CHECK(f.read(1, {50, 60}) == Watermarks{49, 59});
  CHECK(f.read(1, {200}) == Watermarks{99});
  // A split that is finished no longer counts.
  CHECK(f.read(0, {}, true) == Watermarks{199});
}

TEST_CASE("semantics rule 15: a subtask without a split is idle, not at the beginning of time") {
  Fixture f(Strategy::monotonous(), 0);
  CHECK(f.source().poll() == SourceOperatorBase::State::kNeedSplit);
  // Nobody has said yet that there is none.
  CHECK_FALSE(f.source().is_idle());
  f.source().add_splits({}, false);
  CHECK(f.source().is_idle());
  CHECK(f.source().alignment_watermark() == kMaxTime);
  f.source().add_splits({{"late one", ""}}, false);
  CHECK_FALSE(f.source().is_idle());
  CHECK(f.read(0, {7}) == Watermarks{6});
}

// ---- idleness -----------------------------------------------------------------------------------

TEST_CASE("semantics rule 15: a split without data for the timeout is idle until it has some") {
  Fixture f(Strategy::monotonous().with_idleness(100ms), 2);
  f.read(0, {500});
  f.read(1, {20});
  f.wait(60);
  CHECK(f.read(0, {510}).empty());
  f.wait(60);
  // Split 1 was quiet for 120 ms; split 0 goes on alone.
  CHECK(f.poll() == Watermarks{509});
  CHECK_FALSE(f.source().is_idle());
  f.wait(100);
  CHECK(f.poll().empty());
  CHECK(f.source().is_idle());
  // Late by event time, but that is for the windows to judge; the watermark never goes back.
  CHECK(f.read(1, {30}).empty());
  CHECK_FALSE(f.source().is_idle());
  CHECK(f.source().next_poll_ms() < f.harness.clock().wall_ms() + 100);
}

TEST_CASE("semantics rule 15: time spent back-pressured is not idle time") {
  Fixture f(Strategy::monotonous().with_idleness(100ms));
  f.read(0, {1});
  f.wait(10'000);
  f.source().note_blocked();
  f.poll();
  CHECK_FALSE(f.source().is_idle());
  f.wait(99);
  f.poll();
  CHECK_FALSE(f.source().is_idle());
  f.wait(1);
  f.poll();
  CHECK(f.source().is_idle());
}

TEST_CASE("semantics rule 15: time spent paused by alignment is not idle time") {
  Fixture f(Strategy::monotonous().with_idleness(100ms).with_alignment("g", 10ms));
  f.read(0, {1000});
  f.source().set_watermark_limit(EventTime{500});
  f.wait(10'000);
  f.poll();
  CHECK_FALSE(f.source().is_idle());
  f.source().set_watermark_limit(kMaxTime);
  f.poll();
  f.wait(100);
  f.poll();
  CHECK(f.source().is_idle());
}

// ---- alignment ----------------------------------------------------------------------------------

TEST_CASE("semantics rule 16: splits beyond the limit are paused until it moves") {
  Fixture f(Strategy::monotonous().with_alignment("g", 5000ms), 2);
  f.read(0, {1000});
  f.read(1, {10});
  CHECK(f.source().alignment_watermark() == EventTime{9});
  f.source().set_watermark_limit(EventTime{100});
  CHECK(f.script.paused == std::vector<int>{0});
  CHECK(f.read(0, {2000}).empty());
  CHECK(f.script.pieces.size() == 1);
  CHECK(f.read(1, {50}) == Watermarks{49});
  f.source().set_watermark_limit(EventTime{1500});
  CHECK(f.script.paused.empty());
  f.poll();
  CHECK(f.script.pieces.empty());
}

TEST_CASE(
    "semantics rule 16: the limit holds from the first record on, not from the next message") {
  Fixture f(Strategy::monotonous().with_alignment("g", 10ms));
  f.source().set_watermark_limit(EventTime{100});
  CHECK(f.read(0, {50}) == Watermarks{49});
  CHECK(f.read(0, {500}) == Watermarks{499});
  // One batch beyond the limit, and no further.
  CHECK(f.read(0, {501}).empty());
  CHECK(f.source().next_poll_ms() == Operator::kNoTimer);
  f.source().set_watermark_limit(EventTime{499});
  CHECK(f.poll() == Watermarks{500});
}

TEST_CASE("semantics rule 16: splits of one subtask are aligned with each other") {
  Fixture f(Strategy::monotonous().with_alignment("g", 10ms), 3);
  f.read(0, {100});
  f.read(1, {105});
  f.read(2, {112});
  CHECK(f.script.paused == std::vector<int>{2});
  // The slowest is never held back by itself.
  CHECK(f.read(0, {104}) == Watermarks{103});
  CHECK(f.script.paused.empty());
  f.read(0, {200});
  CHECK(f.script.paused == std::vector<int>{0});
  // Finished splits hold nobody back.
  f.read(1, {}, true);
  f.read(2, {}, true);
  CHECK(f.script.paused.empty());
}

TEST_CASE("semantics rule 16: idle and finished subtasks report the maximum, so nobody waits") {
  Fixture f(Strategy::monotonous().with_idleness(100ms).with_alignment("g", 10ms));
  f.read(0, {10});
  CHECK(f.source().alignment_watermark() == EventTime{9});
  f.wait(200);
  f.poll();
  CHECK(f.source().alignment_watermark() == kMaxTime);
  f.read(0, {20});
  CHECK(f.source().alignment_watermark() == EventTime{19});
  f.source().stop(false);
  CHECK(f.poll().empty());  // Without MAX watermark when stopped without drain.
  CHECK(f.source().alignment_watermark() == kMaxTime);
}

// ---- bad records --------------------------------------------------------------------------------

TEST_CASE("source: a bad record is counted and goes to the dead letters with place and reason") {
  Fixture f(Strategy::monotonous());
  f.script.bad_record = true;
  f.read(0, {1});
  const auto letters = f.harness.take_side<DeadLetter>(1);
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].value.place == "input:7");
  CHECK(letters[0].value.reason == "it is broken");
  CHECK(letters[0].value.raw == "b\"r\\oken");
  CHECK(f.harness.metrics().counter("dead_letter").value() == 1);
  CHECK(f.harness.metrics().counter("records_in").value() == 1);
}

TEST_CASE("source: a bad record ends the job when it is to") {
  Script script;
  OperatorHarness<Reading> harness(make_source_operator<Reading>(
      std::make_shared<ScriptedSource>(&script), Strategy::monotonous().with_timestamp(time_of)));
  harness.context().fail_on_bad_record = true;
  REQUIRE(harness.open().is_ok());
  auto& source = static_cast<SourceOperatorBase&>(harness.op());
  source.add_splits({{"s", ""}}, false);
  script.bad_record = true;
  source.poll();
  CHECK(source.status().message() == "input:7: it is broken");
}

}  // namespace
}  // namespace sluice
