// Nexmark query 0: every bid, passed through. Measures the engine itself.
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
};
SLUICE_RECORD(Row, auction, bidder, price, dateTime, extra);
// NOLINTEND(readability-identifier-naming)

SLUICE_JOB(nexmark_q0) {
  const NexmarkJob job(env, args);
  job.write(job.bids([](const Bid& bid) {
    return Row{bid.auction, bid.bidder, bid.price, bid.dateTime, bid.extra};
  }));
}

}  // namespace
}  // namespace jobs::nexmark
