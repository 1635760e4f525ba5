// Nexmark query 2: bids on some auctions: those whose id is a multiple of 123.
#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

struct Row {
  int64_t auction = 0;
  int64_t price = 0;
};
SLUICE_RECORD(Row, auction, price);

SLUICE_JOB(nexmark_q2) {
  constexpr int64_t kEvery = 123;
  const NexmarkJob job(env, args);
  const auto bids = job.bids();
  const auto wanted =
      job.beside_source(bids.filter([](const Bid& bid) { return bid.auction % kEvery == 0; }));
  job.write(job.beside_source(wanted.map([](const Bid& bid) {
    return Row{bid.auction, bid.price};
  })));
}

}  // namespace
}  // namespace jobs::nexmark
