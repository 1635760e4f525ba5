// When barriers overtake and what is recorded (operators/channel_recorder.h).
#include "operators/channel_recorder.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

StreamElement barrier(int64_t id, int64_t from_ms = 0,
                      CheckpointKind kind = CheckpointKind::kUnaligned) {
  Barrier barrier;
  barrier.checkpoint = CheckpointId{id};
  barrier.kind = kind;
  barrier.unaligned_from_ms = from_ms;
  return StreamElement::of_barrier(barrier);
}

StreamElement rows(int64_t value) {
  auto batch = TypedBatch<int64_t>::make(1);
  batch->push(value);
  return StreamElement::of_batch({std::move(batch), {}});
}

StreamElement end() { return StreamElement::of_kind(ElementKind::kEndOfData); }

int64_t value_of(const InFlight& item) { return batch_cast<int64_t>(*item.data.batch)[0]; }

TEST_CASE("semantics rule 23: the first barrier is acted on, later rows of others are recorded") {
  ChannelRecorder recorder({true, true, true});
  recorder.on_arrival(1, rows(1));
  CHECK_FALSE(recorder.due(0));
  recorder.on_arrival(1, barrier(7));
  REQUIRE(recorder.due(0));
  CHECK(recorder.due(0)->checkpoint == CheckpointId{7});
  CHECK(recorder.must_record(0));
  CHECK(recorder.must_record(1));
  recorder.overtake();
  recorder.on_arrival(1, rows(2));  // Behind its barrier.
  recorder.on_arrival(0, rows(3));
  recorder.on_arrival(0, barrier(7));
  recorder.on_arrival(0, rows(4));
  CHECK_FALSE(recorder.is_complete());
  recorder.on_arrival(2, rows(5));
  recorder.on_arrival(2, end());
  REQUIRE(recorder.is_complete());
  const auto recorded = recorder.take();
  REQUIRE(recorded.size() == 2);
  CHECK(value_of(recorded[0]) == 3);
  CHECK(value_of(recorded[1]) == 5);
  CHECK(recorded[1].index == 2);
  CHECK_FALSE(recorder.is_recording());
}

TEST_CASE("semantics rule 25: a barrier that already waits overtakes when its time has come") {
  ChannelRecorder recorder({true, true});
  recorder.on_arrival(0, barrier(1, 500));
  CHECK(recorder.due_ms() == 500);
  CHECK_FALSE(recorder.due(499));
  CHECK(recorder.due(500));
  // Until then it may be processed in order: nothing of that channel is overtaken.
  recorder.on_delivered(0, CheckpointId{1});
  CHECK_FALSE(recorder.must_record(0));
  CHECK(recorder.must_record(1));
}

TEST_CASE("a barrier that was aligned in time is settled") {
  ChannelRecorder recorder({true, true});
  recorder.on_arrival(0, barrier(1, 500));
  recorder.resolved(CheckpointId{1});
  CHECK(recorder.due_ms() == ChannelRecorder::kNever);
  recorder.on_arrival(1, barrier(1, 500));
  CHECK_FALSE(recorder.due(1000));
}

TEST_CASE("channels between fixed partners are waited for and never recorded") {
  ChannelRecorder recorder({true, false});
  recorder.on_arrival(0, barrier(1));
  CHECK_FALSE(recorder.due(0));
  recorder.on_arrival(1, barrier(1));
  CHECK_FALSE(recorder.due(0));  // It is behind data.
  recorder.on_delivered(1, CheckpointId{1});
  REQUIRE(recorder.due(0));
  CHECK_FALSE(recorder.must_record(1));
  recorder.overtake();
  CHECK(recorder.is_complete());
  CHECK(recorder.take().empty());
}

TEST_CASE("with fixed partners alone nothing is ever overtaken") {
  ChannelRecorder recorder({false, false});
  recorder.on_arrival(0, barrier(1));
  recorder.on_delivered(0, CheckpointId{1});
  recorder.on_delivered(1, CheckpointId{1});
  CHECK_FALSE(recorder.due(1000));
}

TEST_CASE("a newer barrier, a cancel marker or an abort ends the recording") {
  for (const int how : {0, 1, 2}) {
    CAPTURE(how);
    ChannelRecorder recorder({true, true});
    recorder.on_arrival(0, barrier(1));
    recorder.overtake();
    recorder.on_arrival(1, rows(1));
    if (how == 0) recorder.on_arrival(0, barrier(2));
    if (how == 1) {
      StreamElement cancel = StreamElement::of_kind(ElementKind::kCancelBarrier);
      cancel.barrier.checkpoint = CheckpointId{1};
      recorder.on_arrival(1, cancel);
    }
    if (how == 2) recorder.resolved(CheckpointId{1});
    CHECK_FALSE(recorder.is_recording());
    recorder.on_arrival(1, barrier(1));  // Late.
    CHECK(recorder.due(0).has_value() == (how == 0));
    recorder.on_arrival(1, barrier(3));
    REQUIRE(recorder.due(0));
    CHECK(recorder.due(0)->checkpoint == CheckpointId{3});
    recorder.overtake();
    recorder.on_arrival(0, barrier(3));
    CHECK(recorder.is_complete());
    CHECK(recorder.take().empty());
  }
}

TEST_CASE("barriers of savepoints and aligned checkpoints are left to alignment") {
  ChannelRecorder recorder({true});
  recorder.on_arrival(0, barrier(1, 0, CheckpointKind::kSavepoint));
  recorder.on_arrival(0, barrier(2, 0, CheckpointKind::kAligned));
  recorder.on_arrival(0, barrier(3, 0, CheckpointKind::kAtLeastOnce));
  CHECK_FALSE(recorder.due(0));
}

}  // namespace
}  // namespace sluice
