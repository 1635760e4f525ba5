// Nexmark query 12: bids per user in windows of 10 seconds of processing time.
//
// Windows that are open when the input ends give what they have, so that every bid is counted.
#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr Duration kWindow = 10s;

struct Row {
  int64_t bidder = 0;
  int64_t bid_count = 0;
  EventTime starttime;
  EventTime endtime;
};
SLUICE_RECORD(Row, bidder, bid_count, starttime, endtime);

struct CountBids {
  int64_t create_accumulator() const { return 0; }
  void add(int64_t /*bidder*/, int64_t& count) const { ++count; }
  int64_t get_result(int64_t count) const { return count; }
  void merge(int64_t& into, int64_t other) const { into += other; }
};

/// Fires when the clock passes the end of the window or when the input ends. The state says whether
/// the timers are set.
struct EndOfWindowOrInput : Trigger<int64_t, TimeWindow, bool> {
  TriggerResult on_element(const int64_t& /*bidder*/, EventTime /*time*/, const TimeWindow& window,
                           bool& is_set, TriggerContext& context) override {
    if (!is_set) {
      is_set = true;
      context.register_processing_timer(window.max_timestamp());
      context.register_event_timer(kEndOfInput);
    }
    return TriggerResult::kContinue;
  }
  TriggerResult on_processing_time(EventTime /*time*/, const TimeWindow& /*window*/,
                                   bool& /*is_set*/, TriggerContext& /*context*/) override {
    return TriggerResult::kFireAndPurge;
  }
  TriggerResult on_event_time(EventTime /*time*/, const TimeWindow& /*window*/, bool& /*is_set*/,
                              TriggerContext& /*context*/) override {
    return TriggerResult::kFireAndPurge;
  }
  void clear(const TimeWindow& window, bool& /*is_set*/, TriggerContext& context) override {
    context.delete_processing_timer(window.max_timestamp());
    context.delete_event_timer(kEndOfInput);
  }
};

SLUICE_JOB(nexmark_q12) {
  const NexmarkJob job(env, args);
  job.write(job.bids([](const Bid& bid) { return bid.bidder; })
                .key_by([](int64_t bidder) { return bidder; })
                .window(TumblingProcessingTimeWindows::of(kWindow))
                .trigger(EndOfWindowOrInput())
                .aggregate<Row>(CountBids{},
                                [](int64_t bidder, const TimeWindow& window,
                                   std::span<const int64_t> count, Collector<Row>& out) {
                                  out.collect({bidder, count.front(), window.start, window.end});
                                })
                .name("bids per user")
                .uid("counts"));
}

}  // namespace
}  // namespace jobs::nexmark
