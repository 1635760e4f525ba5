// Nexmark query 20: bids on auctions of category 10, with their auction, over all time.
//
// An auction's id is unique; another auction with the same id is counted in `duplicate_auctions`
// and left out. Bids that come before their auction wait for it; of the auctions of other
// categories only that they are is remembered, so that their bids need not wait.
#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

// NOLINTBEGIN(readability-identifier-naming): columns are named as in the benchmark.
constexpr int64_t kCategory = 10;

struct Row {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  Text channel;
  Text url;
  EventTime bid_dateTime;
  Text bid_extra;
  Text itemName;
  Text description;
  int64_t initialBid = 0;
  int64_t reserve = 0;
  EventTime auction_dateTime;
  EventTime expires;
  int64_t seller = 0;
  int64_t category = 0;
  Text auction_extra;
};
SLUICE_RECORD(Row, auction, bidder, price, channel, url, bid_dateTime, bid_extra, itemName,
              description, initialBid, reserve, auction_dateTime, expires, seller, category,
              auction_extra);
// NOLINTEND(readability-identifier-naming)

class JoinBidsWithAuctions : public KeyedCoProcessFunction<int64_t, Auction, Bid, Row> {
 public:
  void open(RuntimeContext& context) override {
    auction_ = context.get_state(ValueStateDescriptor<Auction>{"auction"});
    is_other_ = context.get_state(ValueStateDescriptor<bool>{"other category"});
    early_ = context.get_list_state(ListStateDescriptor<Bid>{"early bids"});
    duplicates_ = &context.accumulator("duplicate_auctions");
  }
  void process_element1(const Auction& auction, Context& /*context*/,
                        Collector<Row>& out) override {
    if (!auction_.is_empty() || !is_other_.is_empty()) return duplicates_->add();
    if (auction.category == kCategory) {
      auction_.update(auction);
      for (const Bid& bid : early_.get()) out.collect(row(bid, auction));
    } else {
      is_other_.update(true);
    }
    early_.clear();
  }
  void process_element2(const Bid& bid, Context& /*context*/, Collector<Row>& out) override {
    if (!is_other_.is_empty()) return;
    const Auction* auction = auction_.get();
    if (auction == nullptr) {
      early_.add(bid);
    } else {
      out.collect(row(bid, *auction));
    }
  }

 private:
  static Row row(const Bid& b, const Auction& a) {
    return {b.auction, b.bidder,   b.price,       b.channel,    b.url,     b.dateTime,
            b.extra,   a.itemName, a.description, a.initialBid, a.reserve, a.dateTime,
            a.expires, a.seller,   a.category,    a.extra};
  }
  ValueState<Auction> auction_;
  ValueState<bool> is_other_;
  ListState<Bid> early_;
  Counter* duplicates_ = nullptr;
};

SLUICE_JOB(nexmark_q20) {
  const NexmarkJob job(env, args);
  job.write(job.auctions()
                .key_by(&Auction::id)
                .connect(job.bids().key_by(&Bid::auction))
                .process(JoinBidsWithAuctions())
                .name("bids with auctions")
                .uid("join"));
}

}  // namespace
}  // namespace jobs::nexmark
