// Nexmark query 1: the price of every bid in another currency, exactly: price * 0.908 with three
// decimals (DECIMAL(23, 3) in the benchmark's SQL).
#include <array>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

// NOLINTBEGIN(readability-identifier-naming): columns are named as in the benchmark.
struct Row {
  int64_t auction = 0;
  int64_t bidder = 0;
  Text price;
  EventTime dateTime;
  Text extra;
};
SLUICE_RECORD(Row, auction, bidder, price, dateTime, extra);
// NOLINTEND(readability-identifier-naming)

/// price * 0.908 as decimal text; up to 12 characters need no memory.
Text in_euro(int64_t price) {
  constexpr int64_t kThousandths = 908;
  const __int128 product = static_cast<__int128>(price) * kThousandths;
  const bool negative = product < 0;
  auto rest = static_cast<unsigned __int128>(negative ? -product : product);
  std::array<char, 40> digits;
  size_t first = digits.size();
  int places = 0;
  do {
    if (places == 3) digits[--first] = '.';
    digits[--first] = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
    ++places;
  } while (rest > 0 || places < 4);
  if (negative) digits[--first] = '-';
  return Text(std::string_view(digits.data() + first, digits.size() - first));
}

SLUICE_JOB(nexmark_q1) {
  const NexmarkJob job(env, args);
  job.write(job.bids([](const Bid& bid) {
    return Row{bid.auction, bid.bidder, in_euro(bid.price), bid.dateTime, bid.extra};
  }));
}

}  // namespace
}  // namespace jobs::nexmark
