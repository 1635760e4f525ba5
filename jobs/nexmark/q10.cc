// Nexmark query 10: all bids as files, one directory per minute: DIR/dt=2015-07-15/hm=00:00/. The
// two columns that name the directory are in each row, too.
#include <string>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

// NOLINTBEGIN(readability-identifier-naming): columns are named as in the benchmark.
struct Row {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  EventTime dateTime;
  Text extra;
  Text dt;
  Text hm;
};
SLUICE_RECORD(Row, auction, bidder, price, dateTime, extra, dt, hm);
// NOLINTEND(readability-identifier-naming)

/// The date and the minute of a time, printed once per minute of input.
class MinuteNames {
 public:
  Row operator()(const Bid& bid) {
    const EventTime minute = window_start(bid.dateTime, 1min);
    if (minute != minute_) {
      minute_ = minute;
      // "2015-07-15T00:00:00Z"
      const std::string iso = to_iso8601(minute);
      const size_t separator = iso.find('T');
      date_ = iso.substr(0, separator);
      time_ = iso.substr(separator + 1, 5);
    }
    return {bid.auction, bid.bidder, bid.price, bid.dateTime, bid.extra, Text(date_), Text(time_)};
  }

 private:
  EventTime minute_ = kMinTime;
  std::string date_;
  std::string time_;
};

SLUICE_JOB(nexmark_q10) {
  const NexmarkJob job(env, args);
  const auto bids = job.bids();
  job.write_partitioned(job.beside_source(bids.map(MinuteNames())), [](const Row& row) {
    return "dt=" + row.dt.str() + "/hm=" + row.hm.str();
  });
}

}  // namespace
}  // namespace jobs::nexmark
