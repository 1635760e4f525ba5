// Nexmark query 18: the last bid of each bidder on each auction. Of bids at the same time the one
// with the smallest price, then channel, url and extra. A changing table with one row per bidder
// and auction.
#include <tuple>
#include <utility>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

using BidderAuction = std::pair<int64_t, int64_t>;

/// Whether `a` counts as the last one of the two.
bool is_later(const Bid& a, const Bid& b) {
  if (a.dateTime != b.dateTime) return a.dateTime > b.dateTime;
  return std::tie(a.price, a.channel, a.url, a.extra) <
         std::tie(b.price, b.channel, b.url, b.extra);
}

class LastBid : public KeyedProcessFunction<BidderAuction, Bid, Bid> {
 public:
  explicit LastBid(bool final_only) : final_only_(final_only) {}

  void open(RuntimeContext& context) override {
    last_ = context.get_state(ValueStateDescriptor<Bid>{"last bid"});
  }
  void process_element(const Bid& bid, Context& context, Collector<Bid>& out) override {
    const Bid* last = last_.get();
    if (last != nullptr && !is_later(bid, *last)) return;
    if (final_only_) {
      if (last == nullptr) context.timer_service().register_event_time_timer(kEndOfInput);
    } else if (last == nullptr) {
      out.collect(bid);
    } else {
      out.collect_with_kind(*last, RowKind::kUpdateBefore);
      out.collect_with_kind(bid, RowKind::kUpdateAfter);
    }
    last_.update(bid);
  }
  void on_timer(EventTime /*time*/, OnTimerContext& /*context*/, Collector<Bid>& out) override {
    out.collect(*last_.get());
  }

 private:
  bool final_only_;
  ValueState<Bid> last_;
};

SLUICE_JOB(nexmark_q18) {
  const NexmarkJob job(env, args);
  job.write_changes(
      job.bids()
          .key_by([](const Bid& bid) { return BidderAuction(bid.bidder, bid.auction); })
          .process(LastBid(job.final_only()))
          .name("last bids")
          .uid("last bids"));
}

}  // namespace
}  // namespace jobs::nexmark
