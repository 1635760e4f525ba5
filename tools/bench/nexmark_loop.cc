// The same work without an engine: each query as one loop over the generator, rows going through a
// byte buffer as they would between two operators. The bound that the jobs are compared with.
//
//   bazel run //tools/bench:nexmark_loop -- --count 10000000      prints {"q0": events per core and
//   second}
//
// One thread; the best of three runs, because whatever disturbs a loop can only make it slower.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "api/arguments.h"
#include "connectors/nexmark/event_generator.h"

namespace sluice::nexmark {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);  // tidy:allow(clock): processor time, not wall time
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Keeps the compiler from leaving work out.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// A buffer that bids are written to as bytes and read from again.
class RowBuffer {
 public:
  RowBuffer() : bytes_(2 * kDrainBytes) {}
  template <class F>
  void add(const Bid& bid, F&& consume) {
    put(&bid.auction, 8);
    put(&bid.bidder, 8);
    put(&bid.price, 8);
    put(&bid.dateTime, 8);
    for (const Text* text : {&bid.channel, &bid.url, &bid.extra}) {
      const auto size = static_cast<uint32_t>(text->size());
      put(&size, 4);
      put(text->data(), size);
    }
    if (end_ > kDrainBytes) drain(consume);
  }
  template <class F>
  void drain(F&& consume) {
    const char* next = bytes_.data();
    const auto take = [&](void* to, size_t size) {
      std::memcpy(to, next, size);
      next += size;
    };
    while (next < bytes_.data() + end_) {
      Bid bid;
      take(&bid.auction, 8);
      take(&bid.bidder, 8);
      take(&bid.price, 8);
      take(&bid.dateTime, 8);
      for (Text* text : {&bid.channel, &bid.url, &bid.extra}) {
        uint32_t size = 0;
        take(&size, 4);
        *text = Text::view({next, size});
        next += size;
      }
      consume(bid);
    }
    end_ = 0;
  }

 private:
  static constexpr size_t kDrainBytes = 64 * 1024;
  void put(const void* data, size_t size) {
    std::memcpy(bytes_.data() + end_, data, size);
    end_ += size;
  }
  std::vector<char> bytes_;
  size_t end_ = 0;
};

/// Counts per id in open addressing; ids above 0.
class Counts {
 public:
  int64_t& at(int64_t id) {
    if (used_ * 2 > slots_.size()) grow();
    size_t place = splitmix64(static_cast<uint64_t>(id)) & (slots_.size() - 1);
    while (slots_[place].id != id) {
      if (slots_[place].id == 0) {
        slots_[place].id = id;
        ++used_;
        break;
      }
      place = (place + 1) & (slots_.size() - 1);
    }
    return slots_[place].count;
  }
  template <class F>
  void for_each(F&& f) const {
    for (const Slot& slot : slots_) {
      if (slot.id != 0) f(slot.id, slot.count);
    }
  }
  void clear() {
    std::fill(slots_.begin(), slots_.end(), Slot{});
    used_ = 0;
  }

 private:
  struct Slot {
    int64_t id = 0;
    int64_t count = 0;
  };
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    used_ = 0;
    for (const Slot& slot : old) {
      if (slot.id != 0) at(slot.id) = slot.count;
    }
  }
  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  size_t used_ = 0;
};

/// Calls on_event(event) for each.
template <class F>
void for_each_event(const EventGenerator& generator, int64_t count, F&& on_event) {
  const TextArenaRef texts(new TextArena());
  constexpr int64_t kClearEvery = 1024;
  for (int64_t position = 0; position < count; ++position) {
    if (position % kClearEvery == 0) texts->clear();
    const ArenaScope scope(texts.get());
    on_event(generator.event_at(position));
  }
}

/// Bids through the buffer, everything else only generated.
template <class F>
void for_each_buffered_bid(const EventGenerator& generator, int64_t count, F&& on_bid) {
  RowBuffer buffer;
  for_each_event(generator, count, [&](const Event& event) {
    if (event.is_bid()) {
      buffer.add(event.bid(), on_bid);
    } else {
      keep(event);
    }
  });
  buffer.drain(on_bid);
}

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
  std::array<Counts, 5> panes;
  Counts total;
  int64_t pane = 0;
  const auto fire = [&] {
    total.clear();
    int64_t most = 0;
    for (const Counts& counts : panes) {
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
  Counts people;
  Counts sellers;
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

struct Loop {
  const char* query;
  void (*run)(const EventGenerator& generator, int64_t count);
};
constexpr Loop kLoops[] = {{"q0", loop_q0}, {"q1", loop_q1}, {"q2", loop_q2},
                           {"q5", loop_q5}, {"q7", loop_q7}, {"q8", loop_q8}};
constexpr int kRuns = 3;

void measure_all(const EventGenerator& generator, int64_t count) {
  const char* separator = "{";
  for (const Loop& loop : kLoops) {
    double best = 0;
    for (int run = 0; run < kRuns; ++run) {
      const double begin = cpu_seconds();
      loop.run(generator, count);
      best = std::max(best, static_cast<double>(count) / (cpu_seconds() - begin));
    }
    std::printf("%s\"%s\": %.0f", separator, loop.query, best);
    separator = ", ";
  }
  std::printf("}\n");
}

int main_of_tool(const std::vector<std::string>& words) {
  const auto parsed = Arguments::parse(words);
  if (!parsed.is_ok()) {
    std::fprintf(stderr, "nexmark_loop: %s\n", parsed.status().message().c_str());
    return 2;
  }
  GeneratorConfig config;
  const auto count = parsed->get<int64_t>("count", 10'000'000, "events", at_least<int64_t>(1));
  config.events_per_second =
      parsed->get<int64_t>("event-rate", config.events_per_second,
                           "events per second of event time", at_least<int64_t>(1));
  const Status known = parsed->check_unknown();
  if (!known.is_ok()) {
    std::fprintf(stderr, "nexmark_loop: %s\n", known.message().c_str());
    return 2;
  }
  measure_all(EventGenerator(config), count);
  return 0;
}

}  // namespace
}  // namespace sluice::nexmark

int main(int count, char** words) {
  try {
    return sluice::nexmark::main_of_tool(std::vector<std::string>(words + 1, words + count));
  } catch (const sluice::ArgumentError& error) {
    std::fprintf(stderr, "nexmark_loop: %s\n", error.what());
    return 2;
  }
}
