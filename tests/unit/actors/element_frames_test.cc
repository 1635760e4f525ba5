#include "actors/element_frames.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "core/random.h"

namespace sluice {
namespace {

struct Reading {
  double value = 0;
  float low = 0;
  Text name;
};
SLUICE_RECORD(Reading, value, low, name);

BatchPtr readings(int rows, std::string_view name) {
  auto batch = TypedBatch<Reading>::make(static_cast<uint32_t>(rows));
  for (int i = 0; i < rows; ++i) {
    Reading reading;
    reading.value = i;
    reading.name = Text(name);
    batch->push_copy(reading, EventTime{i});
  }
  return batch;
}

constexpr uint64_t kToken = 0x1122334455667788;

std::vector<Frame> flushed(FrameEncoder& encoder) {
  std::vector<Frame> frames;
  encoder.flush([&](Frame frame) { frames.push_back(std::move(frame)); });
  return frames;
}

std::vector<Frame> frames_of(FrameEncoder& encoder, const StreamElement& element) {
  REQUIRE(encoder.encode(element).is_ok());
  return flushed(encoder);
}

StreamElement round_trip(FrameEncoder& encoder, FrameDecoder& decoder,
                         const StreamElement& element) {
  std::vector<StreamElement> whole;
  for (Frame& frame : frames_of(encoder, element)) {
    CHECK(whole.empty());
    auto taken = decoder.take(std::move(frame));
    REQUIRE(taken.is_ok());
    whole = std::move(*taken);
  }
  REQUIRE(whole.size() == 1);
  return std::move(whole[0]);
}

TEST_CASE("element_frames: every bit of a floating point number survives") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
  const std::vector<uint64_t> patterns = {
      0x7FF8000000000001, 0xFFF80000DEADBEEF, 0x7FF0000000000000, 0xFFF0000000000000,
      0x8000000000000000, 0x0000000000000001, 0x000FFFFFFFFFFFFF, 0x7FF0000000000001};
  auto batch = TypedBatch<Reading>::make(64);
  for (const uint64_t bits : patterns) {
    Reading reading;
    reading.value = std::bit_cast<double>(bits);
    reading.low = std::bit_cast<float>(static_cast<uint32_t>(bits >> 32));
    batch->push(reading);
  }
  const StreamElement back = round_trip(encoder, decoder, StreamElement::of_batch({batch, {}}));
  const auto& rows = batch_cast<Reading>(*back.data.batch);
  REQUIRE(rows.rows() == patterns.size());
  for (uint32_t i = 0; i < rows.rows(); ++i) {
    CHECK(std::bit_cast<uint64_t>(rows[i].value) == patterns[i]);
    CHECK(std::bit_cast<uint32_t>(rows[i].low) == static_cast<uint32_t>(patterns[i] >> 32));
  }
}

TEST_CASE("element_frames: rows, times, marks and control elements come out as they went in") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
  StreamElement element =
      StreamElement::of_batch({readings(10, "a name that does not fit inline"), {}});
  add_mark(element.data.marks, 4, EventTime{7});
  add_mark(element.data.marks, 10, EventTime{9});
  StreamElement back = round_trip(encoder, decoder, element);
  CHECK(back.data.rows() == 10);
  CHECK(back.data.batch->time(3) == EventTime{3});
  CHECK(batch_cast<Reading>(*back.data.batch)[9].name == "a name that does not fit inline");
  REQUIRE(back.data.marks.size() == 2);
  CHECK(back.data.marks[1].row == 10);
  CHECK(back.data.marks[1].watermark == EventTime{9});

  Barrier barrier;
  barrier.checkpoint = CheckpointId{12};
  barrier.kind = CheckpointKind::kSavepoint;
  barrier.triggered_ms = -5;
  barrier.unaligned_from_ms = 1234567890123;
  barrier.terminal = true;
  barrier.drain = true;
  back = round_trip(encoder, decoder, StreamElement::of_barrier(barrier));
  CHECK(back.kind == ElementKind::kBarrier);
  CHECK(back.barrier.checkpoint == CheckpointId{12});
  CHECK(back.barrier.kind == CheckpointKind::kSavepoint);
  CHECK(back.barrier.triggered_ms == -5);
  CHECK(back.barrier.unaligned_from_ms == 1234567890123);
  CHECK(back.barrier.terminal);
  CHECK(back.barrier.drain);
  for (const ElementKind kind :
       {ElementKind::kIdle, ElementKind::kActive, ElementKind::kEndOfData}) {
    CHECK(round_trip(encoder, decoder, StreamElement::of_kind(kind)).kind == kind);
  }
}

TEST_CASE("element_frames: a batch that was consumed is used again, one that is needed is not") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
  const std::string name = "a name that does not fit inline";
  StreamElement first =
      round_trip(encoder, decoder, StreamElement::of_batch({readings(10, name), {}}));
  const Batch* memory = first.data.batch.get();
  decoder.recycle(std::move(first.data.batch));
  const std::string other(300, 'o');
  StreamElement second =
      round_trip(encoder, decoder, StreamElement::of_batch({readings(40, other), {}}));
  CHECK(second.data.batch.get() == memory);
  REQUIRE(second.data.rows() == 40);
  CHECK(batch_cast<Reading>(*second.data.batch)[39].name.view() == other);
  CHECK(second.data.batch->time(39) == EventTime{39});
  // Somebody still looks at it.
  const BatchPtr kept = second.data.batch;
  decoder.recycle(std::move(second.data.batch));
  const StreamElement third =
      round_trip(encoder, decoder, StreamElement::of_batch({readings(3, name), {}}));
  CHECK(third.data.batch.get() != memory);
  CHECK(third.data.rows() == 3);
  CHECK(kept->rows() == 40);
}

TEST_CASE("element_frames: what is gathered leaves as one frame and comes out one by one") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
  const std::string first = "the first name, which is long";
  const std::string second = "another one that is not inline";
  REQUIRE(encoder.encode(StreamElement::of_batch({readings(20, first), {}})).is_ok());
  REQUIRE(encoder.encode(StreamElement::of_batch({readings(30, second), {}})).is_ok());
  REQUIRE(encoder.encode(StreamElement::of_kind(ElementKind::kEndOfData)).is_ok());
  CHECK(encoder.gathered_bytes() > 50 * first.size());
  std::vector<Frame> frames = flushed(encoder);
  REQUIRE(frames.size() == 1);
  CHECK(encoder.gathered_bytes() == 0);
  CHECK(flushed(encoder).empty());
  auto taken = decoder.take(std::move(frames[0]));
  REQUIRE(taken.is_ok());
  REQUIRE(taken->size() == 3);
  CHECK((*taken)[2].kind == ElementKind::kEndOfData);
  // Both batches point into the same bytes, whichever of them goes first.
  const BatchPtr kept = (*taken)[1].data.batch;
  CHECK(batch_cast<Reading>(*(*taken)[0].data.batch)[19].name.view() == first);
  decoder.recycle(std::move((*taken)[0].data.batch));
  taken->clear();
  CHECK(batch_cast<Reading>(*kept)[0].name.view() == second);
  CHECK(batch_cast<Reading>(*kept)[29].name.view() == second);
}

TEST_CASE("element_frames: there is room for one more like the last one") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  const StreamElement element = StreamElement::of_batch({readings(200, std::string(400, 'x')), {}});
  int joined = 0;
  for (; encoder.has_room(); ++joined) REQUIRE(encoder.encode(element).is_ok());
  CHECK(joined == 3);
  CHECK(flushed(encoder).size() == 1);
}

TEST_CASE("element_frames: a latency marker keeps its age on a host with another steady clock") {
  ManualClock sender(1000);
  FrameEncoder encoder(&sender, kToken);
  StreamElement marker = StreamElement::of_kind(ElementKind::kLatencyMarker);
  marker.marker_ns = sender.steady_ns() - 3'000'000;
  const ManualClock receiver(1002);  // 2 ms on the way.
  FrameDecoder decoder(&receiver, &record_type<Reading>(), kToken);
  const StreamElement back = round_trip(encoder, decoder, marker);
  CHECK(receiver.steady_ns() - back.marker_ns == 5'000'000);
}

TEST_CASE("element_frames: a batch larger than a frame comes in several, none above the cap") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
  const StreamElement element =
      StreamElement::of_batch({readings(2000, std::string(500, 'x')), {}});
  for (const Frame& frame : frames_of(encoder, element)) CHECK(frame.bytes.size() <= kFrameBytes);
  FrameEncoder fresh(&clock, kToken);
  CHECK(round_trip(fresh, decoder, element).data.rows() == 2000);
}

TEST_CASE("element_frames: a frame that is missing, repeated or damaged is refused") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  const StreamElement element = StreamElement::of_batch({readings(3, "n"), {}});
  std::vector<Frame> frames;
  frames.reserve(3);
  for (int i = 0; i < 3; ++i) frames.push_back(frames_of(encoder, element).front());
  {
    FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
    REQUIRE(decoder.take(frames[0]).is_ok());
    CHECK(decoder.take(frames[2]).status().code() == StatusCode::kCorruption);
  }
  {
    FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
    REQUIRE(decoder.take(frames[0]).is_ok());
    CHECK(decoder.take(frames[0]).status().code() == StatusCode::kCorruption);
  }
  for (size_t at = 0; at < frames[0].bytes.size(); ++at) {
    FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
    Frame damaged = frames[0];
    damaged.bytes[at] = static_cast<char>(damaged.bytes[at] ^ 0x10);
    CHECK(decoder.take(damaged).status().code() == StatusCode::kCorruption);
  }
  // A token that was damaged on the way leads to another channel, which expects the same number.
  FrameDecoder other(&clock, &record_type<Reading>(), kToken ^ 1);
  CHECK(other.take(frames[0]).status().code() == StatusCode::kCorruption);
}

TEST_CASE("element_frames: bytes that are no element are refused, whatever they are") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  const ByteBlock good =
      frames_of(encoder, StreamElement::of_batch({readings(3, "n"), {}})).front().bytes;
  // Each prefix with a checksum that fits.
  for (size_t size = 0; size < good.size(); ++size) {
    Frame frame;
    frame.bytes = ByteBlock(good.view().substr(0, size));
    frame.crc32c = frame_checksum(kToken, frame);
    FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
    CHECK(decoder.take(frame).status().code() == StatusCode::kCorruption);
  }
}

/// Reads each character, so that a sanitizer sees a text that points elsewhere.
size_t spaces_in(const StreamElement& element) {
  size_t spaces = 0;
  for (uint32_t row = 0; row < element.data.rows(); ++row) {
    const std::string_view name = batch_cast<Reading>(*element.data.batch)[row].name;
    spaces += static_cast<size_t>(std::count(name.begin(), name.end(), ' '));
  }
  return spaces;
}

TEST_CASE("element_frames: damage that the checksum misses reads nothing but the frame") {
  const ManualClock clock;
  FrameEncoder encoder(&clock, kToken);
  StreamElement element =
      StreamElement::of_batch({readings(4, "a name that does not fit inline"), {}});
  add_mark(element.data.marks, 2, EventTime{7});
  REQUIRE(encoder.encode(element).is_ok());
  REQUIRE(encoder.encode(StreamElement::of_barrier({})).is_ok());
  const ByteBlock good = flushed(encoder).front().bytes;
  Random random(11);
  FrameDecoder decoder(&clock, &record_type<Reading>(), kToken);
  int refused = 0;
  size_t spaces = 0;
  uint64_t sequence = 0;
  for (int round = 0; round < 20'000; ++round) {
    Frame frame;
    frame.sequence = sequence;
    frame.bytes = good;
    for (uint64_t left = 1 + random.below(3); left > 0; --left) {
      frame.bytes[random.below(good.size())] = static_cast<char>(random.next());
    }
    frame.crc32c = frame_checksum(kToken, frame);
    auto taken = decoder.take(std::move(frame));
    ++sequence;
    if (!taken.is_ok()) {
      CHECK(taken.status().code() == StatusCode::kCorruption);
      ++refused;
      continue;
    }
    for (StreamElement& each : *taken) {
      spaces += spaces_in(each);
      decoder.recycle(std::move(each.data.batch));
    }
  }
  CHECK(refused > 1000);
  CHECK(refused < 19'000);
  CHECK(spaces > 1000);
}

}  // namespace
}  // namespace sluice
