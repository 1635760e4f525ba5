#include "connectors/nexmark/nexmark_source.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace sluice::nexmark {
namespace {

// Readers driven by hand, with the enumerator beside them.
struct Readers {
  explicit Readers(const NexmarkOptions& options, int parallelism)
      : source(nexmark_events(options)) {
    enumerator = source.create_enumerator();
    REQUIRE(enumerator->open(parallelism).is_ok());
    context.clock = &clock;
    for (int i = 0; i < parallelism; ++i) {
      readers.push_back(source.create_reader());
      REQUIRE(readers.back()->open(context).is_ok());
    }
  }
  /// Takes the events of one poll; false when the reader has finished.
  bool poll(size_t reader, uint32_t rows, std::vector<Event>& into) {
    auto batch = TypedBatch<Event>::make(rows);
    auto result = [&] {
      const ArenaScope scope(&batch->own_arena());
      return readers[reader]->poll(*batch, rows);
    }();
    REQUIRE(result.is_ok());
    CHECK(batch->rows() <= rows);
    for (Event event : batch->values()) {
      // The thread's own arena outlives the test.
      move_texts_to(event, current_text_arena());
      into.push_back(event);
    }
    if (result->state != PollState::kNeedSplit) return true;
    auto assignment = enumerator->next(static_cast<int>(reader));
    for (const auto& split : assignment.splits) {
      REQUIRE(readers[reader]->add_split(split).is_ok());
    }
    return !assignment.no_more;
  }
  std::vector<Event> drain(uint32_t rows) {
    std::vector<Event> events;
    bool any = true;
    while (any) {
      any = false;
      for (size_t i = 0; i < readers.size(); ++i) any = poll(i, rows, events) || any;
    }
    return events;
  }

  NexmarkSource source;
  ManualClock clock;
  SourceContext context;
  std::unique_ptr<SplitEnumerator> enumerator;
  std::vector<std::unique_ptr<SourceReader<Event>>> readers;
};

bool before(const Event& a, const Event& b) { return encode_to_string(a) < encode_to_string(b); }

TEST_CASE("nexmark_source: any parallelism and batch size gives the same events") {
  NexmarkOptions options;
  options.count = 12'345;
  auto expected = Readers(options, 1).drain(1024);
  REQUIRE(expected.size() == 12'345);
  const EventGenerator generator{options.generator};
  // One reader gives them in the order of their numbers.
  for (int64_t number = 0; number < 12'345; ++number) {
    REQUIRE(expected[static_cast<size_t>(number)] == generator.event_at(number));
  }
  std::sort(expected.begin(), expected.end(), before);
  for (const int parallelism : {2, 3, 7, 20}) {
    CAPTURE(parallelism);
    auto events = Readers(options, parallelism).drain(77);
    std::sort(events.begin(), events.end(), before);
    CHECK(events == expected);
  }
}

TEST_CASE("nexmark_source: subtasks move through event time side by side") {
  NexmarkOptions options;
  options.count = 200'000;
  Readers readers(options, 4);
  std::vector<Event> events;
  for (int round = 0; round < 60; ++round) {
    std::vector<EventTime> reached;
    for (size_t i = 0; i < 4; ++i) {
      readers.poll(i, 500, events);
      if (!events.empty()) reached.push_back(events.back().date_time());
    }
    if (reached.empty()) continue;
    const auto [low, high] = std::minmax_element(reached.begin(), reached.end());
    // 4 blocks of 1000 events at 100 events a millisecond.
    CHECK((*high - *low).count() <= 40);
  }
}

TEST_CASE("nexmark_source: a snapshot continues exactly after the last event given out") {
  NexmarkOptions options;
  options.count = 10'500;
  auto expected = Readers(options, 1).drain(1000);
  std::sort(expected.begin(), expected.end(), before);
  Readers first(options, 2);
  std::vector<Event> events;
  for (int round = 0; round < 5; ++round) first.poll(0, 333, events);
  for (int round = 0; round < 9; ++round) first.poll(1, 125, events);
  Readers second(options, 3);
  REQUIRE(second.enumerator->restore(first.enumerator->snapshot()).is_ok());
  size_t to = 0;
  for (const auto& reader : first.readers) {
    for (const auto& split : reader->snapshot()) {
      REQUIRE(second.readers[to++ % 3]->add_split(split).is_ok());
    }
  }
  for (const Event& event : second.drain(200)) events.push_back(event);
  std::sort(events.begin(), events.end(), before);
  CHECK(events == expected);
}

TEST_CASE("nexmark_source: a rate gives events out when they are due") {
  NexmarkOptions options;
  options.count = 1000;
  options.rate = 100;
  Readers readers(options, 1);
  std::vector<Event> events;
  readers.poll(0, 1000, events);
  readers.poll(0, 1000, events);
  CHECK(events.size() == 1);
  readers.poll(0, 1000, events);
  CHECK(events.size() == 1);
  CHECK(readers.readers[0]->next_poll_ms() == 10);
  readers.clock.advance(Duration(10));
  readers.poll(0, 1000, events);
  CHECK(events.size() == 2);
  readers.clock.advance(Duration(1000));
  readers.poll(0, 1000, events);
  CHECK(events.size() == 102);
}

TEST_CASE("nexmark_source: a stream bounded by time ends then") {
  NexmarkOptions options;
  options.run_for = Duration(50);
  CHECK(nexmark_events(options).is_bounded());
  CHECK_FALSE(nexmark_events(NexmarkOptions{}).is_bounded());
  Readers readers(options, 1);
  std::vector<Event> events;
  for (int round = 0; round < 20; ++round) CHECK(readers.poll(0, 100, events));
  readers.clock.advance(Duration(50));
  bool more = true;
  const size_t given = events.size();
  for (int round = 0; round < 10 && more; ++round) more = readers.poll(0, 100, events);
  CHECK_FALSE(more);
  CHECK(events.size() == given);
}

TEST_CASE("nexmark_source: a damaged split is refused") {
  const auto reader = nexmark_events(NexmarkOptions{}).create_reader();
  CHECK(reader->add_split({"1/4", "short"}).code() == StatusCode::kCorruption);
}

}  // namespace
}  // namespace sluice::nexmark
