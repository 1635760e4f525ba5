// Nexmark query 15: bids, bidders and auctions per day, in all and by three ranks of price; bidders
// and auctions are counted once each. A changing table with one row per day.
//
// Whether a bidder or an auction is new on its day (and in a rank) is found in parallel, by key;
// only what is new and the plain counts go to the one place where a day's row is kept.
#include <array>
#include <tuple>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr int64_t kRank2From = 10'000;
constexpr int64_t kRank3From = 1'000'000;
constexpr int kRanks = 3;

int rank_of(int64_t price) { return price < kRank2From ? 0 : price < kRank3From ? 1 : 2; }

/// Days since the epoch.
int64_t day_of(EventTime time) { return window_start(time, 24h).ms / Duration(24h).count(); }

struct Row {
  Text day;
  int64_t total_bids = 0;
  int64_t rank1_bids = 0;
  int64_t rank2_bids = 0;
  int64_t rank3_bids = 0;
  int64_t total_bidders = 0;
  int64_t rank1_bidders = 0;
  int64_t rank2_bidders = 0;
  int64_t rank3_bidders = 0;
  int64_t total_auctions = 0;
  int64_t rank1_auctions = 0;
  int64_t rank2_auctions = 0;
  int64_t rank3_auctions = 0;
};
SLUICE_RECORD(Row, day, total_bids, rank1_bids, rank2_bids, rank3_bids, total_bidders,
              rank1_bidders, rank2_bidders, rank3_bidders, total_auctions, rank1_auctions,
              rank2_auctions, rank3_auctions);

enum class Kind : uint8_t { kBid = 0, kBidder = 1, kAuction = 2 };
constexpr int kKinds = 3;

/// Somebody or something was there on a day, at a price of a rank.
struct Sighting {
  int64_t day = 0;
  int64_t id = 0;
  Kind kind = Kind::kBid;
  uint8_t rank = 0;
};
SLUICE_RECORD(Sighting, day, id, kind, rank);

/// What one sighting adds to a day's row.
struct Increment {
  int64_t day = 0;
  Kind kind = Kind::kBid;
  uint8_t rank = 0;
  bool counts_in_total = true;
  bool counts_in_rank = true;
};
SLUICE_RECORD(Increment, day, kind, rank, counts_in_total, counts_in_rank);

using SightingKey = std::tuple<int64_t, int64_t, Kind>;

/// Passes on what is seen for the first time on its day or in its rank.
class FirstSightings : public KeyedProcessFunction<SightingKey, Sighting, Increment> {
 public:
  void open(RuntimeContext& context) override {
    ranks_ = context.get_state(ValueStateDescriptor<uint8_t>{"ranks"});
  }
  void process_element(const Sighting& sighting, Context& /*context*/,
                       Collector<Increment>& out) override {
    const auto bit = static_cast<uint8_t>(1U << sighting.rank);
    const uint8_t* known = ranks_.get();
    if (known != nullptr && (*known & bit) != 0) return;
    uint8_t& ranks = ranks_.get_or_create();
    out.collect({sighting.day, sighting.kind, sighting.rank, ranks == 0, true});
    ranks = static_cast<uint8_t>(ranks | bit);
  }

 private:
  ValueState<uint8_t> ranks_;
};

/// counts[kind][0] in all, counts[kind][1 + rank] by rank.
struct DayCounts {
  std::array<std::array<int64_t, 1 + kRanks>, kKinds> counts{};
};
SLUICE_RECORD(DayCounts, counts);

class CountPerDay : public KeyedProcessFunction<int64_t, Increment, Row> {
 public:
  explicit CountPerDay(bool final_only) : final_only_(final_only) {}

  void open(RuntimeContext& context) override {
    counts_ = context.get_state(ValueStateDescriptor<DayCounts>{"counts"});
  }
  void process_element(const Increment& increment, Context& context, Collector<Row>& out) override {
    auto& all = counts_.get_or_create().counts;
    auto& counts = all[static_cast<size_t>(increment.kind)];
    const bool is_new = all == DayCounts{}.counts;
    if (final_only_) {
      if (is_new) context.timer_service().register_event_time_timer(kEndOfInput);
    } else if (!is_new) {
      out.collect_with_kind(row(increment.day, all), RowKind::kUpdateBefore);
    }
    if (increment.counts_in_total) ++counts[0];
    if (increment.counts_in_rank) ++counts[1U + increment.rank];
    if (final_only_) return;
    out.collect_with_kind(row(increment.day, all),
                          is_new ? RowKind::kInsert : RowKind::kUpdateAfter);
  }
  void on_timer(EventTime /*time*/, OnTimerContext& context, Collector<Row>& out) override {
    out.collect(row(context.current_key(), counts_.get()->counts));
  }

 private:
  Row row(int64_t day, const decltype(DayCounts::counts)& counts) {
    if (day != printed_day_ || day_text_.empty()) {
      printed_day_ = day;
      const std::string iso = to_iso8601(EventTime{day * Duration(24h).count()});
      day_text_ = iso.substr(0, iso.find('T'));
    }
    const auto& [bids, bidders, auctions] = counts;
    return {Text(day_text_), bids[0],     bids[1],    bids[2],    bids[3],
            bidders[0],      bidders[1],  bidders[2], bidders[3], auctions[0],
            auctions[1],     auctions[2], auctions[3]};
  }
  bool final_only_;
  ValueState<DayCounts> counts_;
  int64_t printed_day_ = 0;
  std::string day_text_;
};

SLUICE_JOB(nexmark_q15) {
  const NexmarkJob job(env, args);
  const auto bids = job.bids();
  const auto sightings =
      job.beside_source(bids.flat_map([](const Bid& bid, Collector<Sighting>& out) {
        const int64_t day = day_of(bid.dateTime);
        const auto rank = static_cast<uint8_t>(rank_of(bid.price));
        out.collect({day, bid.bidder, Kind::kBidder, rank});
        out.collect({day, bid.auction, Kind::kAuction, rank});
      }));
  const auto first_sightings =
      sightings.key_by([](const Sighting& s) { return SightingKey(s.day, s.id, s.kind); })
          .process(FirstSightings())
          .name("first sightings")
          .uid("first sightings");
  const auto counted = job.bids([](const Bid& bid) {
    return Increment{day_of(bid.dateTime), Kind::kBid, static_cast<uint8_t>(rank_of(bid.price)),
                     true, true};
  });
  job.write_changes(counted.union_with(first_sightings)
                        .key_by(&Increment::day)
                        .process(CountPerDay(job.final_only()))
                        .name("counts per day")
                        .uid("counts per day"));
}

}  // namespace
}  // namespace jobs::nexmark
