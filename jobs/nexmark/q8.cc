// Nexmark query 8: new users who start selling at once: people who came and opened an auction in the
// same 10 seconds, each name once.
#include <algorithm>

#include "api/stream.h"
#include "jobs/nexmark/nexmark_job.h"

namespace jobs::nexmark {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr Duration kWindow = 10s;

/// A person, or a seller's auction.
struct Arrival {
  int64_t id = 0;
  bool is_person = false;
  Text name;
};
SLUICE_RECORD(Arrival, id, is_person, name);

struct Row {
  int64_t id = 0;
  Text name;
  EventTime stime;
};
SLUICE_RECORD(Row, id, name, stime);

void join_arrivals(int64_t id, const TimeWindow& window, std::span<const Arrival> arrivals,
                   Collector<Row>& out) {
  const auto is_person = [](const Arrival& arrival) { return arrival.is_person; };
  if (std::all_of(arrivals.begin(), arrivals.end(), is_person)) return;
  for (size_t i = 0; i < arrivals.size(); ++i) {
    const Arrival& person = arrivals[i];
    if (!person.is_person) continue;
    const bool again = std::any_of(arrivals.begin(), arrivals.begin() + static_cast<long>(i),
                                   [&](const Arrival& earlier) {
                                     return earlier.is_person && earlier.name == person.name;
                                   });
    if (!again) out.collect({id, person.name, window.start});
  }
}

SLUICE_JOB(nexmark_q8) {
  const NexmarkJob job(env, args);
  const auto people =
      job.people([](const Person& person) { return Arrival{person.id, true, person.name}; });
  const auto sellers =
      job.auctions([](const Auction& auction) { return Arrival{auction.seller, false, {}}; });
  job.write(people.union_with(sellers)
                .key_by(&Arrival::id)
                .window(TumblingEventTimeWindows::of(kWindow))
                .apply<Row>(join_arrivals)
                .name("new sellers")
                .uid("new sellers"));
}

}  // namespace
}  // namespace jobs::nexmark
