// Nexmark query 9: the winning bid of every auction: the highest between its start and its end, of
// equal ones the earliest; what is left of ties is decided by bidder, channel, url and extra, the
// smallest first. A changing table with one row per auction that had a bid.
//
// An auction's id is unique; another auction with the same id is counted in `duplicate_auctions`
// and left out. Bids that come before their auction wait for it.
#include <tuple>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

// NOLINTBEGIN(readability-identifier-naming): columns are named as in the benchmark.
struct Row {
  int64_t id = 0;
  Text itemName;
  Text description;
  int64_t initialBid = 0;
  int64_t reserve = 0;
  EventTime dateTime;
  EventTime expires;
  int64_t seller = 0;
  int64_t category = 0;
  Text extra;
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  EventTime bid_dateTime;
  Text bid_extra;
};
SLUICE_RECORD(Row, id, itemName, description, initialBid, reserve, dateTime, expires, seller,
              category, extra, auction, bidder, price, bid_dateTime, bid_extra);
// NOLINTEND(readability-identifier-naming)

/// Whether `a` wins against `b`.
bool wins(const Bid& a, const Bid& b) {
  if (a.price != b.price) return a.price > b.price;
  return std::tie(a.dateTime, a.bidder, a.channel, a.url, a.extra) <
         std::tie(b.dateTime, b.bidder, b.channel, b.url, b.extra);
}

class WinningBid : public KeyedCoProcessFunction<int64_t, Auction, Bid, Row> {
 public:
  explicit WinningBid(bool final_only) : final_only_(final_only) {}

  void open(RuntimeContext& context) override {
    auction_ = context.get_state(ValueStateDescriptor<Auction>{"auction"});
    best_ = context.get_state(ValueStateDescriptor<Bid>{"best bid"});
    early_ = context.get_list_state(ListStateDescriptor<Bid>{"early bids"});
    duplicates_ = &context.accumulator("duplicate_auctions");
  }
  void process_element1(const Auction& auction, Context& context, Collector<Row>& out) override {
    if (!auction_.is_empty()) return duplicates_->add();
    auction_.update(auction);
    const Bid* best = nullptr;
    for (const Bid& bid : early_.get()) {
      if (is_in_time(bid, auction) && (best == nullptr || wins(bid, *best))) best = &bid;
    }
    if (best != nullptr) {
      emit_winner(auction, nullptr, *best, context, out);
      best_.update(*best);
    }
    early_.clear();
  }
  void process_element2(const Bid& bid, Context& context, Collector<Row>& out) override {
    const Auction* auction = auction_.get();
    if (auction == nullptr) {
      early_.add(bid);
      return;
    }
    const Bid* best = best_.get();
    if (!is_in_time(bid, *auction) || (best != nullptr && !wins(bid, *best))) return;
    emit_winner(*auction, best, bid, context, out);
    best_.update(bid);
  }
  void on_timer(EventTime /*time*/, OnTimerContext& /*context*/, Collector<Row>& out) override {
    out.collect(row(*auction_.get(), *best_.get()));
  }

 private:
  static bool is_in_time(const Bid& bid, const Auction& auction) {
    return bid.dateTime >= auction.dateTime && bid.dateTime <= auction.expires;
  }
  static Row row(const Auction& a, const Bid& b) {
    return {a.id,       a.itemName, a.description, a.initialBid, a.reserve,
            a.dateTime, a.expires,  a.seller,      a.category,   a.extra,
            b.auction,  b.bidder,   b.price,       b.dateTime,   b.extra};
  }
  void emit_winner(const Auction& auction, const Bid* before, const Bid& now, Context& context,
                   Collector<Row>& out) const {
    if (final_only_) {
      context.timer_service().register_event_time_timer(kEndOfInput);
    } else if (before == nullptr) {
      out.collect(row(auction, now));
    } else {
      out.collect_with_kind(row(auction, *before), RowKind::kUpdateBefore);
      out.collect_with_kind(row(auction, now), RowKind::kUpdateAfter);
    }
  }
  bool final_only_;
  ValueState<Auction> auction_;
  ValueState<Bid> best_;
  ListState<Bid> early_;
  Counter* duplicates_ = nullptr;
};

SLUICE_JOB(nexmark_q9) {
  const NexmarkJob job(env, args);
  job.write_changes(job.auctions()
                        .key_by(&Auction::id)
                        .connect(job.bids().key_by(&Bid::auction))
                        .process(WinningBid(job.final_only()))
                        .name("winning bids")
                        .uid("winning bids"));
}

}  // namespace
}  // namespace jobs::nexmark
