// Nexmark query 5: hot items: the auctions with the most bids in the last 10 seconds, every 2
// seconds; all of them when several have the same number.
#include <algorithm>
#include <vector>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr Duration kWindow = 10s;
constexpr Duration kSlide = 2s;

struct AuctionCount {
  int64_t auction = 0;
  int64_t num = 0;
  EventTime window_end;
};
SLUICE_RECORD(AuctionCount, auction, num, window_end);

struct Row {
  int64_t auction = 0;
  int64_t num = 0;
};
SLUICE_RECORD(Row, auction, num);

struct CountBids {
  int64_t create_accumulator() const { return 0; }
  void add(int64_t /*auction*/, int64_t& count) const { ++count; }
  int64_t get_result(int64_t count) const { return count; }
  void merge(int64_t& into, int64_t other) const { into += other; }
  void retract(int64_t& from, int64_t other) const { from -= other; }
};

/// Lets pass what is the most of its window among all that came by here. One subtask's counts of a
/// window come one after the other, so the final choice has few left to look at.
class LocalMaximum {
 public:
  bool operator()(const AuctionCount& count) {
    if (count.window_end != window_end_) {
      window_end_ = count.window_end;
      most_ = 0;
    }
    most_ = std::max(most_, count.num);
    return count.num == most_;
  }

 private:
  EventTime window_end_ = kMinTime;
  int64_t most_ = 0;
};

struct Hottest {
  int64_t num = 0;
  std::vector<int64_t> auctions;
};
SLUICE_RECORD(Hottest, num, auctions);

struct KeepHottest {
  Hottest create_accumulator() const { return {}; }
  void add(const AuctionCount& count, Hottest& hottest) const {
    if (count.num < hottest.num) return;
    if (count.num > hottest.num) {
      hottest.num = count.num;
      hottest.auctions.clear();
    }
    hottest.auctions.push_back(count.auction);
  }
  Hottest get_result(const Hottest& hottest) const { return hottest; }
};

SLUICE_JOB(nexmark_q5) {
  const NexmarkJob job(env, args);
  const auto auctions_bid_on = job.bids([](const Bid& bid) { return bid.auction; });
  const auto counts = auctions_bid_on.key_by([](int64_t auction) { return auction; })
                          .window(SlidingEventTimeWindows::of(kWindow, kSlide))
                          .aggregate<AuctionCount>(
                              CountBids{},
                              [](int64_t auction, const TimeWindow& window,
                                 std::span<const int64_t> count, Collector<AuctionCount>& out) {
                                out.collect({auction, count.front(), window.end});
                              })
                          .name("bids per auction")
                          .uid("counts");
  // Counts carry the last millisecond of their window, so a tumbling window of one slide holds
  // those of exactly one of them.
  job.write(counts.filter(LocalMaximum())
                .window_all(TumblingEventTimeWindows::of(kSlide))
                .aggregate<Row>(KeepHottest{},
                                [](uint8_t, const TimeWindow&, std::span<const Hottest> hottest,
                                   Collector<Row>& out) {
                                  for (const int64_t auction : hottest.front().auctions) {
                                    out.collect({auction, hottest.front().num});
                                  }
                                })
                .name("hottest")
                .uid("hottest"));
}

}  // namespace
}  // namespace jobs::nexmark
