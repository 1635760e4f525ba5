// The loops of queries without state and with windows.
#include <algorithm>
#include <array>

#include "tools/bench/loops/event_loop.h"
#include "tools/bench/loops/id_table.h"
#include "tools/bench/loops/loops.h"

namespace sluice::nexmark {

void loop_q0(const EventGenerator& generator, int64_t count) {
  for_each_buffered_bid(generator, count, [](const Bid& bid) { keep(bid); });
}

void loop_q1(const EventGenerator& generator, int64_t count) {
  for_each_buffered_bid(generator, count, [](const Bid& bid) {
    const int64_t thousandths = bid.price * 908;
    keep(thousandths);
    keep(bid);
  });
}

void loop_q2(const EventGenerator& generator, int64_t count) {
  for_each_buffered_bid(generator, count, [](const Bid& bid) {
    if (bid.auction % 123 == 0) keep(bid.price);
  });
}

void loop_q5(const EventGenerator& generator, int64_t count) {
  constexpr int64_t kPaneMs = 2000;
  std::array<IdTable<int64_t>, 5> panes;
  IdTable<int64_t> total;
  int64_t pane = 0;
  const auto fire = [&] {
    total.clear();
    int64_t most = 0;
    for (const IdTable<int64_t>& counts : panes) {
      counts.for_each(
          [&](int64_t id, int64_t bids) { most = std::max(most, total.at(id) += bids); });
    }
    keep(most);
  };
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    const int64_t at = bid.dateTime.ms / kPaneMs;
    if (at != pane) {
      fire();
      pane = at;
      panes[static_cast<size_t>(pane % 5)].clear();
    }
    ++panes[static_cast<size_t>(pane % 5)].at(bid.auction);
  });
  fire();
}

void loop_q7(const EventGenerator& generator, int64_t count) {
  int64_t window = 0;
  int64_t highest = 0;
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    const int64_t at = bid.dateTime.ms / 10'000;
    if (at != window) {
      keep(highest);
      highest = 0;
      window = at;
    }
    highest = std::max(highest, bid.price);
  });
  keep(highest);
}

void loop_q8(const EventGenerator& generator, int64_t count) {
  IdTable<int64_t> people;
  IdTable<int64_t> sellers;
  int64_t window = 0;
  int64_t matches = 0;
  for_each_event(generator, count, [&](const Event& event) {
    if (event.is_bid()) {
      keep(event);
      return;
    }
    const int64_t at = event.date_time().ms / 10'000;
    if (at != window) {
      people.clear();
      sellers.clear();
      window = at;
    }
    const int64_t id = event.is_person() ? event.person().id : event.auction().seller;
    if (event.is_person()) {
      people.at(id) = 1;
    } else {
      ++sellers.at(id);
    }
    matches += people.at(id) != 0 && sellers.at(id) == 1 ? 1 : 0;
  });
  keep(matches);
}

void loop_q10(const EventGenerator& generator, int64_t count) {
  int64_t minute = 0;
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    const int64_t at = bid.dateTime.ms / 60'000;
    if (at != minute) minute = at;
    keep(minute);
    keep(bid);
  });
}

void loop_q11(const EventGenerator& generator, int64_t count) {
  constexpr int64_t kGapMs = 10'000;
  struct Session {
    int64_t start = 0;
    int64_t last = 0;
    int64_t bids = 0;
  };
  IdTable<Session> sessions;
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    Session& session = sessions.at(bid.bidder);
    if (session.bids > 0 && bid.dateTime.ms - session.last > kGapMs) {
      keep(session);
      session = {};
    }
    if (session.bids++ == 0) session.start = bid.dateTime.ms;
    session.last = bid.dateTime.ms;
  });
  sessions.for_each([](int64_t, const Session& session) { keep(session); });
}

void loop_q12(const EventGenerator& generator, int64_t count) {
  IdTable<int64_t> counts;
  for_each_buffered_bid(generator, count, [&](const Bid& bid) { ++counts.at(bid.bidder); });
  counts.for_each([](int64_t, int64_t bids) { keep(bids); });
}

}  // namespace sluice::nexmark
