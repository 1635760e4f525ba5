#include "operators/pane_snapshot.h"

#include <vector>

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

/// Takes entries and keeps the key groups they came with.
class GroupsWritten final : public SnapshotWriter {
 public:
  Status begin_keyed_state(std::string_view /*name*/, std::string_view /*schema*/) override {
    return Status::ok();
  }
  Status put(int key_group, std::string_view /*key*/, std::string_view /*value*/) override {
    puts.push_back(key_group);
    return Status::ok();
  }
  Status erase(int key_group, std::string_view /*key*/) override {
    // A key may be written again after it was erased, not the other way round.
    CHECK((puts.empty() || puts.back() < key_group));
    erasures.push_back(key_group);
    return Status::ok();
  }
  Status add_item(std::string_view /*name*/, Redistribution /*mode*/,
                  std::string_view /*item*/) override {
    return Status::ok();
  }

  std::vector<int> puts;
  std::vector<int> erasures;
};

}  // namespace

TEST_CASE("pane_snapshot: several panes are written one key group after the other") {
  using Table = PaneTable<int64_t, PaneValue<int64_t>>;
  FrozenPanes<int64_t, int64_t> frozen(128, "", {});
  std::vector<Table> tables(4);
  for (size_t pane = 0; pane < tables.size(); ++pane) {
    for (int64_t key = 0; key < 1000; ++key) {
      tables[pane].add(key, static_cast<uint32_t>(stable_hash(key)), PaneValue<int64_t>(key));
    }
    const auto start = static_cast<int64_t>(pane) * 2000;
    if (pane == 0) {
      frozen.add_dropped(start, tables[pane].freeze());
    } else {
      frozen.add(start, tables[pane].freeze());
    }
  }
  // 3000 puts, and a delta would erase 1000 entries besides.
  CHECK(frozen.is_smaller_than_its_delta());
  CHECK_FALSE(FrozenPanes<int64_t, int64_t>(128, "", {}).is_smaller_than_its_delta());
  GroupsWritten delta;
  REQUIRE(frozen.write(delta, true).is_ok());
  CHECK(delta.erasures.size() == 1000);
  CHECK(delta.puts.size() == 3000);
  CHECK(std::is_sorted(delta.erasures.begin(), delta.erasures.end()));
  // In another order nearly every entry would begin a sorted run of its own.
  CHECK(std::is_sorted(delta.puts.begin(), delta.puts.end()));
  GroupsWritten whole;
  REQUIRE(frozen.write(whole, false).is_ok());
  CHECK(whole.erasures.empty());
  CHECK(whole.puts.size() == 3000);
  CHECK(std::is_sorted(whole.puts.begin(), whole.puts.end()));
}

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
