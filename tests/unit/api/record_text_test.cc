#include "api/record_text.h"

#include <limits>

#include <doctest/doctest.h>

#include "api/collect_sink.h"

namespace sluice {
namespace {

enum class Colour { kRed = 1 };

struct Inner {
  Text name;
  std::optional<int32_t> gate;
};
SLUICE_RECORD(Inner, name, gate);

struct Outer {
  bool open = false;
  double ratio = 0;
  EventTime at;
  Duration lasts{0};
  std::vector<Inner> inner;
  std::map<std::string, int64_t> counts;
  std::pair<Colour, Bytes> pair;
};
SLUICE_RECORD(Outer, open, ratio, at, lasts, inner, counts, pair);

TEST_CASE("record_text: every kind of field has a text") {
  const Outer outer{true,
                    0.5,
                    EventTime{0},
                    90min,
                    {{"a", 3}, {"b", std::nullopt}},
                    {{"x", -1}},
                    {Colour::kRed, Bytes{"\x01\xff"}}};
  CHECK(
      record_text(outer) ==
      "{open: true, ratio: 0.5, at: 1970-01-01T00:00:00Z, lasts: 90m, inner: [{name: a, gate: 3}, "
      "{name: b, gate: none}], counts: [(x, -1)], pair: (1, 0x01ff)}");
  CHECK(record_text(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(record_text(std::numeric_limits<int64_t>::min()) == "-9223372036854775808");
  CHECK(record_text(uint8_t{200}) == "200");
  CHECK(record_text(Decimal::of(-1990, 2)) == "-19.9");
}

TEST_CASE("collect_sink: a transaction that is committed twice counts once") {
  auto records = std::make_shared<CollectedRecords>();
  const CollectSink<Text> sink(records);
  auto writer = sink.create_writer();
  auto batch = TypedBatch<Text>::make(2);
  batch->push(Text("one"));
  batch->push(Text("two, which is too long to be inline"));
  uint32_t row = 0;
  REQUIRE(writer->write(*batch, row).is_ok());
  CHECK(row == 2);
  const auto prepared = writer->prepare_commit(CheckpointId{1});
  REQUIRE(prepared.is_ok());
  REQUIRE(prepared->size() == 1);
  CHECK(writer->prepare_commit(CheckpointId{2})->empty());
  CHECK(records->decode_all<Text>()->empty());
  auto committer = sink.create_committer();
  const Committable committable{prepared->front(), CheckpointId{1}, 0};
  std::string error;
  CHECK(committer->commit(committable, error) == CommitOutcome::kCommitted);
  CHECK(committer->commit(committable, error) == CommitOutcome::kAlreadyCommitted);
  const auto all = records->decode_all<Text>();
  REQUIRE(all.is_ok());
  REQUIRE(all->size() == 2);
  CHECK((*all)[1].str() == "two, which is too long to be inline");
}

}  // namespace
}  // namespace sluice
