// Nexmark query 7: the highest bid of every 10 seconds, all of them when several are equal.
//
// The benchmark's SQL joins the highest price of a window back to the bids with
// `dateTime BETWEEN window_end - 10 s AND window_end`, both ends included. So a bid at exactly the
// end of a window that equals its highest price is a result of that window, too, although it
// belongs to the next; and a bid too late to count in its window still is a result when it equals
// the price that won. Both are kept here.
#include <algorithm>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

// NOLINTBEGIN(readability-identifier-naming): columns are named as in the benchmark.
constexpr Duration kWindow = 10s;

struct Row {
  int64_t auction = 0;
  int64_t price = 0;
  int64_t bidder = 0;
  EventTime dateTime;
  Text extra;
};
SLUICE_RECORD(Row, auction, price, bidder, dateTime, extra);
// NOLINTEND(readability-identifier-naming)

/// A bid that may be the highest of a window.
struct Candidate {
  EventTime window_end;
  bool is_inside = true;  // False: at the end, so it may equal the highest price but not be it.
  Row row;
};
SLUICE_RECORD(Candidate, window_end, is_inside, row);

/// Drops bids that are lower than another of their window that came by here. What is late passes:
/// only the next operator knows the price it must equal.
class DropOutbid : public ProcessFunction<Bid, Candidate> {
 public:
  void process_element(const Bid& bid, Context& context, Collector<Candidate>& out) override {
    const EventTime start = window_start(bid.dateTime, kWindow);
    if (may_win(bid, start + kWindow, true, context)) {
      out.collect({start + kWindow, true, row(bid)});
    }
    if (bid.dateTime == start && may_win(bid, start, false, context)) {
      out.collect({start, false, row(bid)});
    }
  }

 private:
  bool may_win(const Bid& bid, EventTime window_end, bool is_inside, const Context& context) {
    if (context.current_watermark() >= window_end - 1ms) return true;
    if (window_end > newest_end_) {
      // Windows before the last two are hardly seen any more; forgetting lets more bids pass.
      older_end_ = newest_end_;
      older_price_ = newest_price_;
      newest_end_ = window_end;
      newest_price_ = INT64_MIN;
    }
    int64_t* highest = window_end == newest_end_  ? &newest_price_
                       : window_end == older_end_ ? &older_price_
                                                  : nullptr;
    if (highest == nullptr) return true;
    if (is_inside) *highest = std::max(*highest, bid.price);
    return bid.price >= *highest;
  }
  static Row row(const Bid& bid) {
    return {bid.auction, bid.price, bid.bidder, bid.dateTime, bid.extra};
  }
  EventTime newest_end_ = kMinTime;
  int64_t newest_price_ = INT64_MIN;
  EventTime older_end_ = kMinTime;
  int64_t older_price_ = INT64_MIN;
};

struct Price {
  int64_t highest = 0;
  bool is_final = false;
};
SLUICE_RECORD(Price, highest, is_final);

class HighestBids : public KeyedProcessFunction<EventTime, Candidate, Row> {
 public:
  void open(RuntimeContext& context) override {
    price_ = context.get_state(ValueStateDescriptor<Price>{"price"});
    winners_ = context.get_list_state(ListStateDescriptor<Row>{"winners"});
    at_end_ = context.get_list_state(ListStateDescriptor<Row>{"at the end"});
    late_ = &context.counter(kLateMetric);
  }
  void process_element(const Candidate& candidate, Context& context, Collector<Row>& out) override {
    const EventTime last_ms = candidate.window_end - 1ms;
    const Price* price = price_.get();
    if (context.current_watermark() >= last_ms) {
      if (candidate.is_inside) late_->add();
      if (price != nullptr && candidate.row.price == price->highest) out.collect(candidate.row);
    } else if (!candidate.is_inside) {
      at_end_.add(candidate.row);
      context.timer_service().register_event_time_timer(last_ms);
    } else if (price == nullptr || candidate.row.price >= price->highest) {
      if (price == nullptr) context.timer_service().register_event_time_timer(last_ms);
      if (price != nullptr && candidate.row.price > price->highest) winners_.clear();
      price_.update({candidate.row.price, false});
      winners_.add(candidate.row);
    }
  }
  void on_timer(EventTime /*time*/, OnTimerContext& /*context*/, Collector<Row>& out) override {
    const Price* price = price_.get();
    if (price != nullptr) {
      const int64_t highest = price->highest;
      for (const Row& row : winners_.get()) out.collect(row);
      for (const Row& row : at_end_.get()) {
        if (row.price == highest) out.collect(row);
      }
      // The price stays: bids that come later may equal it.
      price_.update({highest, true});
    }
    winners_.clear();
    at_end_.clear();
  }

 private:
  ValueState<Price> price_;
  ListState<Row> winners_;
  ListState<Row> at_end_;
  Counter* late_ = nullptr;
};

SLUICE_JOB(nexmark_q7) {
  const NexmarkJob job(env, args);
  const auto candidates =
      job.beside_source(job.bids().process(DropOutbid()).name("drop outbid").uid("drop outbid"));
  job.write(candidates.key_by(&Candidate::window_end)
                .process(HighestBids())
                .name("highest bids")
                .uid("highest bids"));
}

}  // namespace
}  // namespace jobs::nexmark
