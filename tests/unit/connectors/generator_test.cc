#include "connectors/generator.h"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

namespace sluice {
namespace {

struct Row {
  int64_t number = 0;
  Text text;
};
SLUICE_RECORD(Row, number, text);

auto rows_of(const GeneratorOptions& options) {
  return generate(options, [](int64_t n) {
    return Row{n, "a text that is long enough not to be inline " + std::to_string(n)};
  });
}

// All readers of a source, driven by hand.
template <class Source>
class Generating {
 public:
  Generating(const Source& source, int parallelism) : enumerator_(source.create_enumerator()) {
    context_.clock = &clock;
    REQUIRE(enumerator_->open(parallelism).is_ok());
    for (int i = 0; i < parallelism; ++i) add_reader(source);
  }
  void add_reader(const Source& source) {
    readers.push_back(source.create_reader());
    REQUIRE(readers.back()->open(context_).is_ok());
  }
  /// One poll of one reader; false when it has finished.
  bool poll(size_t reader, uint32_t rows_max) {
    auto batch = TypedBatch<Row>::make(rows_max);
    const auto result = readers[reader]->poll(*batch, rows_max);
    REQUIRE(result.is_ok());
    CHECK(batch->rows() <= rows_max);
    for (const Row& row : batch->values()) {
      CHECK(row.text.view().ends_with(" " + std::to_string(row.number)));
      numbers.push_back(row.number);
    }
    last_due_ns = result->due_ns;
    if (result->state != PollState::kNeedSplit) return true;
    const auto assignment = enumerator_->next(static_cast<int>(reader));
    for (const auto& split : assignment.splits) REQUIRE(readers[reader]->add_split(split).is_ok());
    return !assignment.no_more;
  }
  void drain(uint32_t rows_max) {
    for (bool any = true; any;) {
      any = false;
      for (size_t i = 0; i < readers.size(); ++i) any |= poll(i, rows_max);
    }
  }

  ManualClock clock;
  std::vector<int64_t> numbers;
  int64_t last_due_ns = -1;
  std::vector<std::unique_ptr<SourceReader<Row>>> readers;

 private:
  SourceContext context_;
  std::unique_ptr<SplitEnumerator> enumerator_;
};

std::vector<int64_t> up_to(int64_t count) {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) numbers[static_cast<size_t>(i)] = i;
  return numbers;
}

TEST_CASE("generator: any parallelism and batch size gives the same rows, one reader in order") {
  for (const int64_t count : {1, 999, 1000, 1001, 12'345}) {
    const auto source = rows_of({.count = count});
    CHECK(source.is_bounded());
    for (const int parallelism : {1, 2, 3, 8}) {
      for (const uint32_t rows : {1U, 77U, 1024U}) {
        if (rows == 1 && count > 1001) continue;
        Generating generating(source, parallelism);
        generating.drain(rows);
        if (parallelism > 1) std::sort(generating.numbers.begin(), generating.numbers.end());
        CHECK(bool(generating.numbers == up_to(count)));
      }
    }
  }
}

TEST_CASE("generator: every split that is given out has rows, so that none holds event time back") {
  for (const int64_t count : {1, 300, 1000, 1001, 3500, 100'000}) {
    for (const int parallelism : {1, 2, 8}) {
      BlockEnumerator enumerator(count);
      REQUIRE(enumerator.open(parallelism).is_ok());
      size_t splits = 0;
      for (auto given = enumerator.next(0); !given.no_more; given = enumerator.next(0)) {
        for (const SourceSplit& split : given.splits) {
          CHECK_FALSE(BlockSplit::of_split(split).value().is_finished());
          ++splits;
        }
      }
      CHECK(splits >= 1);
    }
  }
}

TEST_CASE("generator: restored at another parallelism it goes on exactly where it was") {
  const auto source = rows_of({.count = 9000});
  Generating before(source, 3);
  for (int round = 0; round < 7; ++round) {
    for (size_t i = 0; i < 3; ++i) (void)before.poll(i, 130);
  }
  std::vector<SourceSplit> splits;
  for (const auto& reader : before.readers) {
    for (auto& split : reader->snapshot()) splits.push_back(std::move(split));
  }
  Generating after(source, 2);
  for (size_t i = 0; i < splits.size(); ++i) {
    REQUIRE(after.readers[i % 2]->add_split(splits[i]).is_ok());
  }
  // Their own enumerator's splits are not asked for: all were handed out before.
  for (size_t i = 0; i < 2; ++i) {
    while (!after.readers[i]->snapshot().empty()) (void)after.poll(i, 500);
  }
  auto all = before.numbers;
  all.insert(all.end(), after.numbers.begin(), after.numbers.end());
  std::sort(all.begin(), all.end());
  CHECK(bool(all == up_to(9000)));
}

TEST_CASE("generator: a rate is that of all subtasks together, smooth to the millisecond") {
  const auto source = rows_of({.rows_per_second = 10'000});
  CHECK(!source.is_bounded());
  Generating generating(source, 2);
  size_t most_at_once = 0;
  for (int ms = 0; ms < 2000; ++ms) {
    const size_t before = generating.numbers.size();
    for (size_t i = 0; i < 2; ++i) (void)generating.poll(i, 1024);
    most_at_once = std::max(most_at_once, generating.numbers.size() - before);
    generating.clock.advance(Duration(1));
  }
  // Rows of a block are one subtask's, so the two take turns.
  CHECK(generating.numbers.size() > 19'900);
  CHECK(generating.numbers.size() <= 20'001);
  CHECK(most_at_once <= 25);
}

TEST_CASE("generator: the reader says when to come back") {
  const auto source = rows_of({.rows_per_second = 2});
  Generating generating(source, 1);
  (void)generating.poll(0, 10);
  (void)generating.poll(0, 10);
  CHECK(generating.numbers.size() == 1);
  (void)generating.poll(0, 10);
  CHECK(generating.readers[0]->next_poll_ms() == 500);
  generating.clock.advance(Duration(500));
  (void)generating.poll(0, 10);
  CHECK(generating.numbers.size() == 2);
  CHECK(generating.readers[0]->next_poll_ms() == Operator::kNoTimer);
}

TEST_CASE("generator: rows with a rate say when they were due, however late they are given out") {
  const auto source = rows_of({.rows_per_second = 1000});
  Generating generating(source, 1);
  (void)generating.poll(0, 10);
  const int64_t start_ns = generating.clock.steady_ns();
  (void)generating.poll(0, 10);
  CHECK(generating.last_due_ns == start_ns);
  generating.clock.advance(Duration(50));
  (void)generating.poll(0, 10);
  CHECK(generating.numbers.size() == 11);
  CHECK(generating.last_due_ns == start_ns + 1'000'000);
}

TEST_CASE("generator: ends after a time") {
  const auto source = rows_of({.run_for = Duration(50)});
  CHECK(source.is_bounded());
  Generating generating(source, 1);
  for (int round = 0; round < 20; ++round) CHECK(generating.poll(0, 100));
  generating.clock.advance(Duration(50));
  const size_t given = generating.numbers.size();
  generating.drain(100);
  CHECK(generating.numbers.size() == given);
}

TEST_CASE("generator: state of the enumerator is restored, damaged state refused") {
  BlockEnumerator before(5000);
  REQUIRE(before.open(2).is_ok());
  const auto given = before.next(0).splits;
  BlockEnumerator after(5000);
  REQUIRE(after.restore(before.snapshot()).is_ok());
  REQUIRE(after.open(2).is_ok());
  after.add_back(given);
  std::set<std::string> ids;
  for (auto next = after.next(0); !next.no_more; next = after.next(0)) {
    for (const auto& split : next.splits) ids.insert(split.id);
  }
  CHECK(ids == std::set<std::string>{"0/4", "1/4", "2/4", "3/4"});
  CHECK(after.restore("x").code() == StatusCode::kCorruption);
  CHECK(BlockSplit::of_split({"0/1", "short"}).status().code() == StatusCode::kCorruption);
}

}  // namespace
}  // namespace sluice
