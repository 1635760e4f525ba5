// Nexmark query 17: statistics of the bids on each auction per day. A changing table with one row
// per auction and day. The average is rounded towards zero.
#include <algorithm>
#include <utility>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr int64_t kRank2From = 10'000;
constexpr int64_t kRank3From = 1'000'000;

struct Row {
  int64_t auction = 0;
  Text day;
  int64_t total_bids = 0;
  int64_t rank1_bids = 0;
  int64_t rank2_bids = 0;
  int64_t rank3_bids = 0;
  int64_t min_price = 0;
  int64_t max_price = 0;
  int64_t avg_price = 0;
  int64_t sum_price = 0;
};
SLUICE_RECORD(Row, auction, day, total_bids, rank1_bids, rank2_bids, rank3_bids, min_price,
              max_price, avg_price, sum_price);

struct Offer {
  int64_t auction = 0;
  int64_t day = 0;  // Since the epoch.
  int64_t price = 0;
};
SLUICE_RECORD(Offer, auction, day, price);

using AuctionDay = std::pair<int64_t, int64_t>;

struct Statistics {
  int64_t bids = 0;
  int64_t rank1 = 0;
  int64_t rank2 = 0;
  int64_t rank3 = 0;
  int64_t lowest = 0;
  int64_t highest = 0;
  int64_t sum = 0;
};
SLUICE_RECORD(Statistics, bids, rank1, rank2, rank3, lowest, highest, sum);

class AuctionStatistics : public KeyedProcessFunction<AuctionDay, Offer, Row> {
 public:
  explicit AuctionStatistics(bool final_only) : final_only_(final_only) {}

  void open(RuntimeContext& context) override {
    statistics_ = context.get_state(ValueStateDescriptor<Statistics>{"statistics"});
  }
  void process_element(const Offer& offer, Context& context, Collector<Row>& out) override {
    Statistics& statistics = statistics_.get_or_create();
    const bool is_new = statistics.bids == 0;
    if (final_only_) {
      if (is_new) context.timer_service().register_event_time_timer(kEndOfInput);
      add(offer.price, statistics);
      return;
    }
    const AuctionDay key(offer.auction, offer.day);
    if (!is_new) out.collect_with_kind(row(key, statistics), RowKind::kUpdateBefore);
    add(offer.price, statistics);
    out.collect_with_kind(row(key, statistics), is_new ? RowKind::kInsert : RowKind::kUpdateAfter);
  }
  void on_timer(EventTime /*time*/, OnTimerContext& context, Collector<Row>& out) override {
    out.collect(row(context.current_key(), *statistics_.get()));
  }

 private:
  static void add(int64_t price, Statistics& s) {
    s.lowest = s.bids == 0 ? price : std::min(s.lowest, price);
    s.highest = s.bids == 0 ? price : std::max(s.highest, price);
    ++s.bids;
    s.rank1 += price < kRank2From ? 1 : 0;
    s.rank2 += price >= kRank2From && price < kRank3From ? 1 : 0;
    s.rank3 += price >= kRank3From ? 1 : 0;
    s.sum += price;
  }
  Row row(const AuctionDay& key, const Statistics& s) {
    const auto& [auction, day] = key;
    if (day != printed_day_ || day_text_.empty()) {
      printed_day_ = day;
      const std::string iso = to_iso8601(EventTime{day * Duration(24h).count()});
      day_text_ = iso.substr(0, iso.find('T'));
    }
    return {auction, Text(day_text_), s.bids,    s.rank1,        s.rank2,
            s.rank3, s.lowest,        s.highest, s.sum / s.bids, s.sum};
  }
  bool final_only_;
  ValueState<Statistics> statistics_;
  int64_t printed_day_ = 0;
  std::string day_text_;
};

SLUICE_JOB(nexmark_q17) {
  const NexmarkJob job(env, args);
  job.write_changes(
      job.bids([](const Bid& bid) {
           return Offer{bid.auction, window_start(bid.dateTime, 24h).ms / Duration(24h).count(),
                        bid.price};
         })
          .key_by([](const Offer& offer) { return AuctionDay(offer.auction, offer.day); })
          .process(AuctionStatistics(job.final_only()))
          .name("statistics")
          .uid("statistics"));
}

}  // namespace
}  // namespace jobs::nexmark
