// Jobs for tests of `sluice`: one that runs steadily with state and checkpoints, and one whose
// event time stands still because of one split.
#include <atomic>
#include <stdexcept>

#include "api/stream.h"
#include "connectors/files/file_sink.h"
#include "connectors/generator.h"
#include "core/sink.h"

namespace sluice {
namespace {

struct Tick {
  int64_t id = 0;
  int64_t key = 0;
  EventTime at;
};
SLUICE_RECORD(Tick, id, key, at);

// Two splits. "even" gives records all the time; "uneven" gives a hundred and then, as told, none
// any more, or some whose time does not go on.
class UnevenEnumerator final : public SplitEnumerator {
 public:
  Status open(int /*parallelism*/) override { return Status::ok(); }
  Assignment next(int /*subtask*/) override {
    if (given_ == 2) return {};
    return {{{given_++ == 0 ? "even" : "uneven", ""}}, false};
  }
  void add_back(std::vector<SourceSplit> /*splits*/) override {}
  std::string snapshot() const override { return ""; }
  Status restore(std::string_view /*state*/) override { return Status::ok(); }

 private:
  int given_ = 0;
};

class UnevenReader final : public SourceReader<Tick> {
 public:
  explicit UnevenReader(bool goes_quiet) : goes_quiet_(goes_quiet) {}
  Status open(SourceContext& context) override {
    clock_ = context.clock;
    return Status::ok();
  }
  Status add_split(const SourceSplit& split) override {
    splits_.push_back({split.id == "uneven", 0});
    return Status::ok();
  }
  // One record per split and 10 ms.
  Result<PollResult> poll(TypedBatch<Tick>& batch, uint32_t /*rows_max*/) override {
    if (splits_.empty()) return PollResult{PollState::kNeedSplit};
    for (size_t i = 0; i < splits_.size(); ++i) {
      Split& split = splits_[i];
      if (split.due_ms > clock_->wall_ms()) continue;
      split.due_ms = clock_->wall_ms() + 10;
      const bool is_spent = split.is_uneven && split.given >= 100;
      if (is_spent && goes_quiet_) continue;
      const int64_t time = is_spent ? 100 : ++split.given;
      batch.push(Tick{time, time % 10, EventTime{time * 1000}});
      return PollResult{PollState::kMore, static_cast<int>(i)};
    }
    return PollResult{asked_ ? PollState::kNothingYet : next_state()};
  }
  int64_t next_poll_ms() const override { return clock_->wall_ms() + 5; }
  std::vector<SourceSplit> snapshot() const override { return {}; }

 private:
  struct Split {
    bool is_uneven;
    int64_t given;
    int64_t due_ms = 0;
  };
  PollState next_state() {
    asked_ = true;
    return PollState::kNeedSplit;
  }
  const bool goes_quiet_;
  const Clock* clock_ = nullptr;
  std::vector<Split> splits_;
  bool asked_ = false;
};

class UnevenSource final : public Source<Tick> {
 public:
  explicit UnevenSource(bool goes_quiet) : goes_quiet_(goes_quiet) {}
  bool is_bounded() const override { return false; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    return std::make_unique<UnevenEnumerator>();
  }
  std::unique_ptr<SourceReader<Tick>> create_reader() const override {
    return std::make_unique<UnevenReader>(goes_quiet_);
  }
  std::string name() const override { return "uneven source"; }

 private:
  bool goes_quiet_;
};

/// The last tick of each key and ten minutes.
template <class Stream>
void write_newest(const Stream& ticks, const std::string& output) {
  ticks.key_by(&Tick::key)
      .window(TumblingEventTimeWindows::of(10min))
      .reduce([](const Tick& a, const Tick& b) { return a.id < b.id ? b : a; })
      .name("newest")
      .uid("newest")
      .sink_to(csv_files<Tick>(output).overwrite(true))
      .uid("results");
}

SLUICE_JOB(steady) {
  GeneratorOptions options;
  options.rows_per_second = args.get<int64_t>("rate", 20'000, "records per second; 0: no limit");
  const std::string output = args.path("output", "directory for the newest");
  const auto fail_at = args.get<int64_t>("throw-at", -1, "record whose function throws");
  const auto ticks =
      env.from_source(generate(options,
                               [](int64_t n) {
                                 return Tick{n, n % 1000, EventTime{n}};
                               }),
                      WatermarkStrategy<Tick>::monotonous().with_timestamp(&Tick::at))
          .uid("ticks")
          .map([fail_at](const Tick& tick) {
            static std::atomic<bool> thrown{false};
            if (tick.id == fail_at && !thrown.exchange(true))
              throw std::runtime_error("unlucky tick");
            return tick;
          })
          .name("check")
          .uid("check");
  write_newest(ticks, output);
}

SLUICE_JOB(uneven) {
  const bool goes_quiet = args.get<std::string>("split", "quiet", "quiet|slow") == "quiet";
  const std::string output = args.path("output", "directory for the newest");
  const auto ticks =
      env.from_source(UnevenSource(goes_quiet),
                      WatermarkStrategy<Tick>::monotonous().with_timestamp(&Tick::at))
          .name("ticks")
          .uid("ticks");
  write_newest(ticks, output);
}

}  // namespace
}  // namespace sluice
