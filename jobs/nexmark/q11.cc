// Nexmark query 11: bids per session of a user: a session ends when the user makes no bid for 10
// seconds.
#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr Duration kGap = 10s;

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

SLUICE_JOB(nexmark_q11) {
  const NexmarkJob job(env, args);
  job.write(job.bids([](const Bid& bid) { return bid.bidder; })
                .key_by([](int64_t bidder) { return bidder; })
                .window(EventTimeSessionWindows::with_gap(kGap))
                .aggregate<Row>(CountBids{},
                                [](int64_t bidder, const TimeWindow& session,
                                   std::span<const int64_t> count, Collector<Row>& out) {
                                  out.collect({bidder, count.front(), session.start, session.end});
                                })
                .name("sessions")
                .uid("sessions"));
}

}  // namespace
}  // namespace jobs::nexmark
