#include "operators/timestamp_operator.h"

#include <doctest/doctest.h>

#include "tests/support/operator_harness.h"

namespace sluice {
namespace {

struct Event {
  int64_t id = 0;
  EventTime at;
};
SLUICE_RECORD(Event, id, at);

WatermarkStrategy<Event> strategy() {
  return WatermarkStrategy<Event>::bounded_out_of_orderness(Duration(10))
      .with_timestamp(&Event::at);
}

TEST_CASE("timestamp_operator: records get new times, the old watermarks are dropped") {
  OperatorHarness<Event> harness(make_timestamp_operator(strategy()));
  REQUIRE(harness.open().is_ok());
  harness.push<Event>({{1, {100}}, {2, {90}}, {3, {120}}}, {7, 8, 9}, {{3, {9}}});
  const auto rows = harness.take();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].time == EventTime{100});
  CHECK(rows[1].time == EventTime{90});
  CHECK(rows[2].time == EventTime{120});
  // Semantics rule 11: max - bound - 1, after each record that raises it.
  CHECK(harness.take_watermarks() == std::vector<int64_t>{89, 109});
  harness.watermark(5000);
  CHECK(harness.take_watermarks().empty());
}

TEST_CASE("timestamp_operator: the MAX watermark at the end of the input passes") {
  OperatorHarness<Event> harness(make_timestamp_operator(strategy()));
  REQUIRE(harness.open().is_ok());
  harness.push<Event>({{1, {100}}}, {}, {{1, kMaxTime}});
  CHECK(harness.take_watermarks() == std::vector<int64_t>{kMaxTime.ms});
  harness.watermark(kMaxTime.ms);
  CHECK(harness.take_watermarks() == std::vector<int64_t>{kMaxTime.ms});
}

TEST_CASE("timestamp_operator: a batch that others hold keeps its times") {
  OperatorHarness<Event> harness(make_timestamp_operator(strategy()));
  REQUIRE(harness.open().is_ok());
  auto batch = TypedBatch<Event>::make(2);
  batch->push(Event{1, {100}}, EventTime{1});
  batch->push(Event{2, {200}}, EventTime{2}, RowKind::kDelete);
  harness.push_batch({batch, {}});
  CHECK(batch->time(0) == EventTime{1});
  const auto rows = harness.take();
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].time == EventTime{200});
  CHECK(rows[1].kind == RowKind::kDelete);
}

}  // namespace
}  // namespace sluice
