// Nexmark query 8: new users who start selling at once: people who came and opened an auction in
// the same 10 seconds, each name once.
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
    const bool again = std::any_of(
        arrivals.begin(), arrivals.begin() + static_cast<long>(i),
        [&](const Arrival& earlier) { return earlier.is_person && earlier.name == person.name; });
    if (!again) out.collect({id, person.name, window.start});
  }
}

SLUICE_JOB(nexmark_q8) {
  const NexmarkJob job(env, args);
  // One stream of both, so that what is late does not depend on how two streams meet.
  const auto arrivals = job.events([](const Event& event, Collector<Arrival>& out) {
    if (event.is_person()) {
      out.collect({event.person().id, true, event.person().name});
    } else if (event.is_auction()) {
      out.collect({event.auction().seller, false, {}});
    }
  });
  job.write(arrivals.key_by(&Arrival::id)
                .window(TumblingEventTimeWindows::of(kWindow))
                .apply<Row>(join_arrivals)
                .name("new sellers")
                .uid("new sellers"));
}

}  // namespace
}  // namespace jobs::nexmark
