#include "operators/pane_snapshot.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

template <class K, class Acc, class StoredK, class StoredAcc>
std::string refusal() {
  const auto schema = stored_accumulator_schema<K, Acc>(pane_schema_text<StoredK, StoredAcc>());
  if (schema.is_ok()) return "";
  CHECK(schema.status().code() == StatusCode::kFailedPrecondition);
  return schema.status().message();
}

}  // namespace

TEST_CASE("pane_snapshot: accumulators may become wider, keys may not change") {
  CHECK(pane_schema_text<Text, int32_t>() == "((text,time),i32)");
  CHECK(refusal<Text, int64_t, Text, int32_t>().empty());
  CHECK(refusal<Text, int32_t, Text, int64_t>() ==
        "state 'panes': accumulator: value: stored as i64, now i32");
  CHECK(
      refusal<int64_t, int32_t, int32_t, int32_t>() ==
      "state 'panes': the key was stored as (i32,time) and is now (i64,time); keys cannot change");
  const auto other = stored_accumulator_schema<Text, int32_t>("i32");
  CHECK(other.status().code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("pane_snapshot: the accumulator's part of the stored schema is what values are read by") {
  const auto schema = stored_accumulator_schema<Text, int64_t>("((text,time),i32)");
  REQUIRE(schema.is_ok());
  CHECK(to_text(*schema) == "i32");
}

}  // namespace sluice
