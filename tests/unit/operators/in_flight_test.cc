// Data in flight into a snapshot and back, also at another parallelism (operators/in_flight.h).
#include "operators/in_flight.h"

#include <numeric>
#include <set>

#include <doctest/doctest.h>

#include "operators/partitioner.h"
#include "tests/support/memory_snapshot.h"

namespace sluice {
namespace {

struct Line {
  int64_t id = 0;
  Text text;
};
SLUICE_RECORD(Line, id, text);

struct NoCodec {
  explicit NoCodec(int v) : value(v) {}
  int value;
};

BatchPtr lines(int64_t first, int count) {
  auto batch = TypedBatch<Line>::make(static_cast<uint32_t>(count));
  for (int i = 0; i < count; ++i) {
    const ArenaScope scope(&batch->own_arena());
    batch->push(
        Line{first + i, Text("a text that is too long to be inline: " + std::to_string(first + i))},
        EventTime{first + i});
  }
  return batch;
}

TaskSpec spec_of(int subtask, int parallelism, int senders) {
  TaskSpec spec;
  spec.info.operator_name = "counter";
  spec.info.subtask = subtask;
  spec.info.parallelism = parallelism;
  spec.input_count = 1;
  spec.stages.resize(2);
  spec.input_edges.push_back({0, Partitioning::kHash,
                              make_key_selector_partitioner<Line>(&Line::id),
                              &record_type<Line>()});
  for (int i = 0; i < senders; ++i) spec.input_channels.push_back({0, 2, 0, i});
  OutputEdgeSpec out;
  out.type = &record_type<Line>();
  out.channels = 2;
  spec.edges.push_back(out);
  return spec;
}

const RecordType* type_of_stage(int /*stage*/, int /*input*/) { return &record_type<Line>(); }

InFlightState some_state(int64_t first) {
  InFlightState state;
  state.channel_watermarks = {EventTime{5}, EventTime{9}};
  state.input_watermarks = {EventTime{5}};
  state.watermark = EventTime{5};
  state.add(InFlight::Place::kEdge, 0, 1, 0, {lines(first, 2), {{2, EventTime{3}}}});
  state.add(InFlight::Place::kStage, 1, -1, 0, {lines(first + 100, 2), {}});
  state.add(InFlight::Place::kStage, 0, 1, 0,
            {lines(first + 200, 5), {{3, EventTime{4}}, {5, EventTime{5}}}},
            Cursor{.row = 3, .mark = 1});
  state.add(InFlight::Place::kChannel, 1, 1, 0, {lines(first + 300, 40), {{1, EventTime{7}}}});
  return state;
}

MemorySnapshot frozen(InFlightState state, const TaskSpec& spec) {
  MemorySnapshot snapshot;
  REQUIRE(freeze_in_flight(std::move(state), spec, nullptr)->write(snapshot, false).is_ok());
  return snapshot;
}

std::vector<int64_t> ids_of(const InFlight& item) {
  std::vector<int64_t> ids;
  for (const Line& line : batch_cast<Line>(*item.data.batch).values()) {
    CHECK(line.text.view() == "a text that is too long to be inline: " + std::to_string(line.id));
    ids.push_back(line.id);
  }
  return ids;
}

TEST_CASE("with the same shape everything returns to its place, watermarks included") {
  const TaskSpec spec = spec_of(1, 2, 2);
  const MemorySnapshot snapshot = frozen(some_state(0), spec);
  const auto reader = snapshot.reader(1, 2);
  const auto restored = restore_in_flight(reader, spec, type_of_stage);
  REQUIRE_MESSAGE(restored.is_ok(), restored.status().to_string());
  CHECK(restored->is_exact);
  const InFlightState& state = restored->state;
  CHECK(state.channel_watermarks == std::vector<EventTime>{EventTime{5}, EventTime{9}});
  CHECK(state.watermark == EventTime{5});
  REQUIRE(state.items.size() == 4);
  CHECK(state.items[0].place == InFlight::Place::kEdge);
  CHECK(state.items[0].channel == 1);
  CHECK(state.items[0].data.marks[0].row == 2);
  CHECK(ids_of(state.items[1]) == std::vector<int64_t>{100, 101});
  // What was processed before the barrier is left out, and operators begin with row 0.
  CHECK(ids_of(state.items[2]) == std::vector<int64_t>{203, 204});
  CHECK(state.items[2].channel == 1);
  REQUIRE(state.items[2].data.marks.size() == 1);
  CHECK(state.items[2].data.marks[0].row == 2);
  CHECK(state.items[3].place == InFlight::Place::kChannel);
  CHECK(state.items[3].index == 1);
  CHECK(state.items[3].data.batch->time(7) == EventTime{307});
}

TEST_CASE("semantics rule 24: at another parallelism each row has one owner, by key group") {
  MemorySnapshot snapshot = frozen(some_state(0), spec_of(0, 2, 2));
  snapshot.merge(frozen(some_state(1000), spec_of(1, 2, 2)));
  for (const int parallelism : {1, 3, 4}) {
    CAPTURE(parallelism);
    std::multiset<int64_t> ids;
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      const auto reader = snapshot.reader(subtask, parallelism);
      const auto restored =
          restore_in_flight(reader, spec_of(subtask, parallelism, 2), type_of_stage);
      REQUIRE_MESSAGE(restored.is_ok(), restored.status().to_string());
      CHECK_FALSE(restored->is_exact);
      int last_depth = INT32_MAX;
      for (const InFlight& item : restored->state.items) {
        CHECK(item.data.marks.empty());
        const bool is_edge = item.place == InFlight::Place::kEdge;
        const int depth = is_edge ? INT32_MAX : item.index;
        CHECK(depth <= last_depth);
        last_depth = depth;
        for (const int64_t id : ids_of(item)) {
          ids.insert(id);
          if (is_edge || item.index > 0) continue;
          CHECK(subtask_of_key_group(key_group_of(stable_hash(id), kDefaultMaxParallelism),
                                     parallelism, kDefaultMaxParallelism) == subtask);
        }
      }
    }
    CHECK(ids.size() == 2 * (2 + 2 + 2 + 40));
    CHECK(std::set<int64_t>(ids.begin(), ids.end()).size() == ids.size());
  }
}

TEST_CASE("another number of senders is another shape") {
  const MemorySnapshot snapshot = frozen(some_state(0), spec_of(0, 1, 2));
  const auto reader = snapshot.reader(0, 1);
  const auto restored = restore_in_flight(reader, spec_of(0, 1, 3), type_of_stage);
  REQUIRE(restored.is_ok());
  CHECK_FALSE(restored->is_exact);
}

TEST_CASE("data in flight of one subtask stays with it when the others stored none") {
  // Rebalanced rows could go to anybody: who gets them must not depend on who is asked.
  const auto rebalanced = [](int subtask, int senders) {
    TaskSpec spec = spec_of(subtask, 3, senders);
    spec.input_edges[0].partitioning = Partitioning::kRebalance;
    spec.input_edges[0].selector = {};
    return spec;
  };
  const MemorySnapshot snapshot = frozen(some_state(0), rebalanced(1, 2));
  for (const int senders : {2, 4}) {
    CAPTURE(senders);
    for (int subtask = 0; subtask < 3; ++subtask) {
      CAPTURE(subtask);
      const auto reader = snapshot.reader(subtask, 3);
      const auto restored = restore_in_flight(reader, rebalanced(subtask, senders), type_of_stage);
      REQUIRE(restored.is_ok());
      CHECK(restored->is_exact == (subtask == 1 && senders == 2));
      size_t rows = 0;
      for (const InFlight& item : restored->state.items) rows += item.data.rows();
      CHECK(rows == (subtask == 1 ? 2 + 2 + 2 + 40 : 0));
    }
  }
}

TEST_CASE("long texts survive the way to another parallelism") {
  InFlightState state = some_state(0);
  auto batch = TypedBatch<Line>::make(400);
  const std::string text(1000, 'x');
  for (int i = 0; i < 400; ++i) batch->push_copy(Line{i, Text::view(text)});
  state.add(InFlight::Place::kChannel, 0, 0, 0, {batch, {}});
  const MemorySnapshot snapshot = frozen(std::move(state), spec_of(0, 2, 2));
  size_t rows = 0;
  for (int subtask = 0; subtask < 3; ++subtask) {
    const auto reader = snapshot.reader(subtask, 3);
    const auto restored = restore_in_flight(reader, spec_of(subtask, 3, 2), type_of_stage);
    REQUIRE(restored.is_ok());
    for (const InFlight& item : restored->state.items) {
      for (const Line& line : batch_cast<Line>(*item.data.batch).values()) {
        rows += line.text.size() == text.size() ? 1 : 0;
      }
    }
  }
  CHECK(rows == 400);
}

TEST_CASE("damaged or foreign data in flight is refused") {
  const MemorySnapshot snapshot = frozen(some_state(0), spec_of(0, 1, 2));
  const auto reader = snapshot.reader(0, 1);
  TaskSpec shorter = spec_of(0, 1, 2);
  shorter.stages.resize(1);
  const auto gone = restore_in_flight(reader, shorter, type_of_stage);
  CHECK(gone.status().code() == StatusCode::kFailedPrecondition);
  MemorySnapshot damaged;
  for (const std::string& item : reader.items("in-flight")) {
    (void)damaged.add_item("in-flight", Redistribution::kUnion, item.substr(0, item.size() - 1));
  }
  const auto cut_short = damaged.reader(0, 1);
  CHECK(restore_in_flight(cut_short, spec_of(0, 1, 2), type_of_stage).status().code() ==
        StatusCode::kCorruption);
}

TEST_CASE("semantics rule 23: fixed partners, broadcast and records without a codec stay aligned") {
  InputEdgeSpec edge{0, Partitioning::kHash, {}, &record_type<Line>()};
  for (const Partitioning partitioning :
       {Partitioning::kHash, Partitioning::kRebalance, Partitioning::kShuffle,
        Partitioning::kGlobal, Partitioning::kCustom}) {
    edge.partitioning = partitioning;
    CHECK(may_overtake(edge));
  }
  for (const Partitioning partitioning :
       {Partitioning::kForward, Partitioning::kRescale, Partitioning::kBroadcast}) {
    edge.partitioning = partitioning;
    CHECK_FALSE(may_overtake(edge));
  }
  edge = {0, Partitioning::kHash, {}, &record_type<NoCodec>()};
  CHECK_FALSE(may_overtake(edge));
}

}  // namespace
}  // namespace sluice
