// Nexmark query 4: the average price at which auctions of a category close: of each auction the
// highest bid between its start and its end, averaged (rounded towards zero) over the auctions of a
// category that had one. A changing table with one row per category.
//
// An auction's id is unique; another auction with the same id is counted in `duplicate_auctions`
// and left out. Bids that come before their auction wait for it.
#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

struct Lot {
  int64_t id = 0;
  int64_t category = 0;
  EventTime start;
  EventTime end;
  int64_t highest = 0;
  bool has_bid = false;
};
SLUICE_RECORD(Lot, id, category, start, end, highest, has_bid);

struct Offer {
  int64_t auction = 0;
  int64_t price = 0;
  EventTime time;
};
SLUICE_RECORD(Offer, auction, price, time);

/// How the closing price of one auction changes its category.
struct PriceChange {
  int64_t category = 0;
  int64_t price_rise = 0;
  int64_t auctions = 0;  // 1 with the first bid of an auction.
};
SLUICE_RECORD(PriceChange, category, price_rise, auctions);

struct CategoryPrices {
  int64_t sum = 0;
  int64_t auctions = 0;
};
SLUICE_RECORD(CategoryPrices, sum, auctions);

struct Row {
  int64_t id = 0;
  int64_t final = 0;
};
SLUICE_RECORD(Row, id, final);

class TrackClosingPrice : public KeyedCoProcessFunction<int64_t, Lot, Offer, PriceChange> {
 public:
  void open(RuntimeContext& context) override {
    lot_ = context.get_state(ValueStateDescriptor<Lot>{"lot"});
    early_ = context.get_list_state(ListStateDescriptor<Offer>{"early offers"});
    duplicates_ = &context.accumulator("duplicate_auctions");
  }
  void process_element1(const Lot& lot, Context& /*context*/,
                        Collector<PriceChange>& out) override {
    if (!lot_.is_empty()) return duplicates_->add();
    Lot& known = lot_.get_or_create();
    known = lot;
    for (const Offer& offer : early_.get()) take(offer, known);
    if (known.has_bid) out.collect({known.category, known.highest, 1});
    early_.clear();
  }
  void process_element2(const Offer& offer, Context& /*context*/,
                        Collector<PriceChange>& out) override {
    const Lot* known = lot_.get();
    if (known == nullptr) {
      early_.add(offer);
      return;
    }
    if (!is_better(offer, *known)) return;
    Lot& lot = lot_.get_or_create();
    const PriceChange change{lot.category, offer.price - (lot.has_bid ? lot.highest : 0),
                             lot.has_bid ? 0 : 1};
    take(offer, lot);
    out.collect(change);
  }

 private:
  static bool is_better(const Offer& offer, const Lot& lot) {
    return offer.time >= lot.start && offer.time <= lot.end &&
           (!lot.has_bid || offer.price > lot.highest);
  }
  static void take(const Offer& offer, Lot& lot) {
    if (!is_better(offer, lot)) return;
    lot.highest = offer.price;
    lot.has_bid = true;
  }
  ValueState<Lot> lot_;
  ListState<Offer> early_;
  Counter* duplicates_ = nullptr;
};

class AveragePrice : public KeyedProcessFunction<int64_t, PriceChange, Row> {
 public:
  explicit AveragePrice(bool final_only) : final_only_(final_only) {}

  void open(RuntimeContext& context) override {
    prices_ = context.get_state(ValueStateDescriptor<CategoryPrices>{"prices"});
  }
  void process_element(const PriceChange& change, Context& context, Collector<Row>& out) override {
    CategoryPrices& prices = prices_.get_or_create();
    const CategoryPrices before = prices;
    prices.sum += change.price_rise;
    prices.auctions += change.auctions;
    if (final_only_) {
      context.timer_service().register_event_time_timer(kEndOfInput);
      return;
    }
    const Row now = row(change.category, prices);
    if (before.auctions == 0) {
      out.collect(now);
      return;
    }
    const Row old = row(change.category, before);
    if (old.final == now.final) return;
    out.collect_with_kind(old, RowKind::kUpdateBefore);
    out.collect_with_kind(now, RowKind::kUpdateAfter);
  }
  void on_timer(EventTime /*time*/, OnTimerContext& context, Collector<Row>& out) override {
    out.collect(row(context.current_key(), *prices_.get()));
  }

 private:
  static Row row(int64_t category, const CategoryPrices& prices) {
    return {category, prices.sum / prices.auctions};
  }
  bool final_only_;
  ValueState<CategoryPrices> prices_;
};

SLUICE_JOB(nexmark_q4) {
  const NexmarkJob job(env, args);
  const auto lots = job.auctions([](const Auction& auction) {
    return Lot{auction.id, auction.category, auction.dateTime, auction.expires, 0, false};
  });
  const auto offers = job.bids([](const Bid& bid) {
    return Offer{bid.auction, bid.price, bid.dateTime};
  });
  job.write_changes(lots.key_by(&Lot::id)
                        .connect(offers.key_by(&Offer::auction))
                        .process(TrackClosingPrice())
                        .name("closing prices")
                        .uid("closing prices")
                        .key_by(&PriceChange::category)
                        .process(AveragePrice(job.final_only()))
                        .name("averages")
                        .uid("averages"));
}

}  // namespace
}  // namespace jobs::nexmark
