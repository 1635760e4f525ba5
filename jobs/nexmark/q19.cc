// Nexmark query 19: the ten highest bids of each auction with their rank. Of equal prices the one
// with the smallest bidder comes first, then channel, url, dateTime and extra. A changing table
// with one row per auction and rank.
#include <array>
#include <tuple>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

// NOLINTBEGIN(readability-identifier-naming): columns are named as in the benchmark.
constexpr size_t kRanks = 10;

struct Row {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  Text channel;
  Text url;
  EventTime dateTime;
  Text extra;
  int64_t rank_number = 0;
};
SLUICE_RECORD(Row, auction, bidder, price, channel, url, dateTime, extra, rank_number);
// NOLINTEND(readability-identifier-naming)

/// Whether `a` ranks before `b`.
bool ranks_before(const Bid& a, const Bid& b) {
  if (a.price != b.price) return a.price > b.price;
  return std::tie(a.bidder, a.channel, a.url, a.dateTime, a.extra) <
         std::tie(b.bidder, b.channel, b.url, b.dateTime, b.extra);
}

/// Which bid has which rank: the bids themselves stand in slots and do not move.
struct Ranking {
  uint8_t size = 0;
  std::array<uint8_t, kRanks> slots{};
  std::array<int64_t, kRanks> prices{};
};
SLUICE_RECORD(Ranking, size, slots, prices);

class TopBids : public KeyedProcessFunction<int64_t, Bid, Row> {
 public:
  explicit TopBids(bool final_only) : final_only_(final_only) {}

  void open(RuntimeContext& context) override {
    ranking_ = context.get_state(ValueStateDescriptor<Ranking>{"ranking"});
    bids_ = context.get_map_state(MapStateDescriptor<uint8_t, Bid>{"bids"});
  }
  void process_element(const Bid& bid, Context& context, Collector<Row>& out) override {
    Ranking ranking = ranking_.value_or({});
    if (ranking.size == kRanks && bid.price < ranking.prices[kRanks - 1]) return;
    const size_t rank = rank_of(bid, ranking);
    if (rank == kRanks) return;
    const Ranking before = ranking;
    // The new bid takes a free slot, or that of the one that falls out.
    const bool was_full = ranking.size == kRanks;
    const uint8_t slot = was_full ? ranking.slots[kRanks - 1] : ranking.size;
    if (!was_full) ++ranking.size;
    for (size_t i = ranking.size - 1U; i > rank; --i) {
      ranking.slots[i] = ranking.slots[i - 1];
      ranking.prices[i] = ranking.prices[i - 1];
    }
    ranking.slots[rank] = slot;
    ranking.prices[rank] = bid.price;
    if (final_only_) {
      if (before.size == 0) context.timer_service().register_event_time_timer(kEndOfInput);
    } else {
      emit_changes(bid, rank, before, ranking, out);
    }
    bids_.put(slot, bid);
    ranking_.update(ranking);
  }
  void on_timer(EventTime /*time*/, OnTimerContext& /*context*/, Collector<Row>& out) override {
    const Ranking ranking = ranking_.value_or({});
    for (size_t i = 0; i < ranking.size; ++i) out.collect(row(bid_at(ranking, i), i));
  }

 private:
  /// The place of `bid`, behind its equals; kRanks when it is not among the first ten.
  size_t rank_of(const Bid& bid, const Ranking& ranking) const {
    size_t rank = 0;
    while (rank < ranking.size &&
           (ranking.prices[rank] > bid.price ||
            (ranking.prices[rank] == bid.price && !ranks_before(bid, bid_at(ranking, rank))))) {
      ++rank;
    }
    return rank;
  }
  const Bid& bid_at(const Ranking& ranking, size_t rank) const {
    return *bids_.get(ranking.slots[rank]);
  }
  static Row row(const Bid& b, size_t rank) {
    return {b.auction, b.bidder,   b.price, b.channel,
            b.url,     b.dateTime, b.extra, static_cast<int64_t>(rank) + 1};
  }
  /// `bids_` still holds the bids of `before`.
  void emit_changes(const Bid& bid, size_t rank, const Ranking& before, const Ranking& after,
                    Collector<Row>& out) const {
    for (size_t i = rank; i < after.size; ++i) {
      const Bid& now = i == rank ? bid : bid_at(before, i - 1);
      if (i < before.size) {
        out.collect_with_kind(row(bid_at(before, i), i), RowKind::kUpdateBefore);
        out.collect_with_kind(row(now, i), RowKind::kUpdateAfter);
      } else {
        out.collect(row(now, i));
      }
    }
  }
  bool final_only_;
  ValueState<Ranking> ranking_;
  MapState<uint8_t, Bid> bids_;
};

SLUICE_JOB(nexmark_q19) {
  const NexmarkJob job(env, args);
  job.write_changes(job.bids()
                        .key_by(&Bid::auction)
                        .process(TopBids(job.final_only()))
                        .name("top bids")
                        .uid("top bids"));
}

}  // namespace
}  // namespace jobs::nexmark
