#include "api/collection_source.h"

#include <limits>
#include <vector>

#include <doctest/doctest.h>

namespace sluice {
namespace {

const auto kSame = [](int64_t n) { return n; };
using Numbers = SequenceSource<int64_t, decltype(kSame)>;

/// Reads everything with `readers` readers that ask in turn, `rows` at a time.
std::vector<int64_t> read_all(const Source<int64_t>& source, int readers, uint32_t rows) {
  auto enumerator = source.create_enumerator();
  REQUIRE(enumerator->open(readers).is_ok());
  std::vector<std::unique_ptr<SourceReader<int64_t>>> all;
  all.reserve(static_cast<size_t>(readers));
  for (int i = 0; i < readers; ++i) all.push_back(source.create_reader());
  std::vector<int64_t> values;
  int finished = 0;
  for (int turn = 0; finished < readers; turn = (turn + 1) % readers) {
    if (!all[turn]) continue;
    auto batch = TypedBatch<int64_t>::make(rows);
    const auto result = all[turn]->poll(*batch, rows);
    REQUIRE(result.is_ok());
    for (const int64_t value : batch->values()) values.push_back(value);
    if (result->state != PollState::kNeedSplit) continue;
    const auto assignment = enumerator->next(turn);
    for (const auto& split : assignment.splits) REQUIRE(all[turn]->add_split(split).is_ok());
    if (assignment.no_more && assignment.splits.empty()) {
      all[turn].reset();
      ++finished;
    }
  }
  return values;
}

TEST_CASE("collection_source: elements come in order") {
  const CollectionSource<int64_t> source({5, 3, 9});
  CHECK(source.parallelism_max() == 1);
  CHECK(read_all(source, 1, 2) == std::vector<int64_t>{5, 3, 9});
  CHECK(read_all(CollectionSource<int64_t>({}), 1, 2).empty());
}

TEST_CASE("sequence_source: every number once for any number of readers") {
  for (const int readers : {1, 2, 3, 8}) {
    auto values = read_all(Numbers(-5, 94, kSame, "n"), readers, 7);
    std::sort(values.begin(), values.end());
    REQUIRE(values.size() == 100);
    for (int64_t i = 0; i < 100; ++i) CHECK(values[static_cast<size_t>(i)] == i - 5);
  }
  CHECK(read_all(Numbers(3, 3, kSame, "n"), 4, 7) == std::vector<int64_t>{3});
  CHECK(read_all(Numbers(3, 2, kSame, "n"), 4, 7).empty());
}

TEST_CASE("sequence_source: huge ranges are cut without overflow") {
  const Numbers source(0, std::numeric_limits<int64_t>::max() - 1, kSame, "n");
  auto enumerator = source.create_enumerator();
  REQUIRE(enumerator->open(4).is_ok());
  auto reader = source.create_reader();
  REQUIRE(reader->add_split(enumerator->next(0).splits.at(0)).is_ok());
  auto batch = TypedBatch<int64_t>::make(4);
  REQUIRE(reader->poll(*batch, 4).is_ok());
  CHECK((*batch)[3] == 3);
}

TEST_CASE("collection_source: a reader goes on exactly after the last row it gave") {
  const CollectionSource<int64_t> source({1, 2, 3, 4, 5});
  auto enumerator = source.create_enumerator();
  REQUIRE(enumerator->open(1).is_ok());
  auto reader = source.create_reader();
  REQUIRE(reader->add_split(enumerator->next(0).splits.at(0)).is_ok());
  auto batch = TypedBatch<int64_t>::make(8);
  REQUIRE(reader->poll(*batch, 3).is_ok());
  const auto splits = reader->snapshot();
  REQUIRE(splits.size() == 1);
  auto restored = source.create_reader();
  REQUIRE(restored->add_split(splits[0]).is_ok());
  auto rest = TypedBatch<int64_t>::make(8);
  const auto result = restored->poll(*rest, 8);
  REQUIRE(result.is_ok());
  CHECK(result->split_finished);
  REQUIRE(rest->rows() == 2);
  CHECK((*rest)[0] == 4);
  CHECK(restored->snapshot().empty());
}

TEST_CASE("collection_source: an enumerator hands out after restore what it had not before") {
  const Numbers source(0, 99, kSame, "n");
  auto enumerator = source.create_enumerator();
  REQUIRE(enumerator->open(2).is_ok());
  const auto first = enumerator->next(0);
  auto restored = source.create_enumerator();
  REQUIRE(restored->restore(enumerator->snapshot()).is_ok());
  REQUIRE(restored->open(2).is_ok());
  restored->add_back(first.splits);
  int splits = 0;
  while (true) {
    const auto assignment = restored->next(0);
    if (assignment.splits.empty()) break;
    splits += static_cast<int>(assignment.splits.size());
  }
  CHECK(splits == 8);
  CHECK_FALSE(source.create_enumerator()->restore("\x05").is_ok());
}

TEST_CASE("collection_source: texts are copied and outlive what they came from") {
  std::vector<Text> texts;
  {
    std::string gone = "a text that is too long to be inline";
    texts.push_back(Text::view(gone));
    const CollectionSource<Text> source(texts);
    gone.assign(gone.size(), 'x');
    auto reader = source.create_reader();
    auto enumerator = source.create_enumerator();
    REQUIRE(enumerator->open(1).is_ok());
    REQUIRE(reader->add_split(enumerator->next(0).splits.at(0)).is_ok());
    auto batch = TypedBatch<Text>::make(1);
    REQUIRE(reader->poll(*batch, 1).is_ok());
    CHECK((*batch)[0].str() == "a text that is too long to be inline");
  }
}

}  // namespace
}  // namespace sluice
