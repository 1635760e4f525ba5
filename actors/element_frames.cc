#include "actors/element_frames.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "core/codec.h"
#include "core/crc32c.h"

namespace sluice {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
/// From this size on a frame says how much room the next one may need.
constexpr size_t kRoomKept = 4096;

void encode_barrier(const Barrier& barrier, ByteWriter& writer) {
  writer.fixed(barrier.checkpoint.value);
  writer.fixed(static_cast<uint8_t>(barrier.kind));
  writer.fixed(barrier.triggered_ms);
  writer.fixed(barrier.unaligned_from_ms);
  writer.fixed(static_cast<uint8_t>((barrier.terminal ? 1 : 0) | (barrier.drain ? 2 : 0)));
}

Barrier decode_barrier(ByteReader& reader) {
  Barrier barrier;
  barrier.checkpoint = CheckpointId{reader.fixed<int64_t>()};
  const auto kind = reader.fixed<uint8_t>();
  if (kind > static_cast<uint8_t>(CheckpointKind::kSavepoint)) reader.fail();
  barrier.kind = static_cast<CheckpointKind>(kind);
  barrier.triggered_ms = reader.fixed<int64_t>();
  barrier.unaligned_from_ms = reader.fixed<int64_t>();
  const auto flags = reader.fixed<uint8_t>();
  barrier.terminal = (flags & 1) != 0;
  barrier.drain = (flags & 2) != 0;
  return barrier;
}

void encode_data(const StreamBatch& data, ByteWriter& writer) {
  writer.fixed(static_cast<uint32_t>(data.marks.size()));
  for (const Mark& mark : data.marks) {
    writer.fixed(mark.row);
    writer.fixed(mark.watermark.ms);
  }
  writer.fixed(static_cast<uint8_t>(data.batch ? 1 : 0));
  if (data.batch) data.batch->encode(writer);
}

StreamBatch decode_data(ByteReader& reader, const RecordType& type, BatchPtr spare) {
  StreamBatch data;
  const uint32_t marks = reader.count();
  for (uint32_t i = 0; i < marks && !reader.failed(); ++i) {
    const auto row = reader.fixed<uint32_t>();
    data.marks.push_back({row, EventTime{reader.fixed<int64_t>()}});
  }
  if (reader.fixed<uint8_t>() != 0) {
    data.batch = type.decode_batch(reader, std::move(spare));
    if (!data.batch) reader.fail();
  }
  for (const Mark& mark : data.marks) {
    if (mark.row > data.rows()) reader.fail();
  }
  return data;
}

}  // namespace

uint32_t frame_checksum(uint64_t token, const Frame& frame) {
  const std::array<uint64_t, 2> head = {token, frame.sequence * 2 + (frame.ends_element ? 1 : 0)};
  const uint32_t of_head = crc32c(0, head.data(), sizeof head);
  return crc32c(of_head, frame.bytes.data(), frame.bytes.size());
}

Status FrameEncoder::encode(const StreamElement& element) {
  const size_t before = buffer_.size();
  if (before == 0) buffer_.clear(room_);
  ByteWriter& writer = buffer_;
  writer.fixed(static_cast<uint8_t>(element.kind));
  switch (element.kind) {
    case ElementKind::kBatch:
      encode_data(element.data, writer);
      break;
    case ElementKind::kBarrier:
    case ElementKind::kCancelBarrier:
      encode_barrier(element.barrier, writer);
      break;
    case ElementKind::kLatencyMarker:
      // The steady clock of another host has another start: sent as wall time.
      writer.fixed(element.marker_ns - clock_->steady_ns() + clock_->wall_ms() * kNsPerMs);
      break;
    case ElementKind::kIdle:
    case ElementKind::kActive:
    case ElementKind::kEndOfData:
      break;
  }
  last_bytes_ = buffer_.size() - before;
  if (last_bytes_ > kElementBytesMax) {
    return Status::resource_exhausted("a batch of " + std::to_string(last_bytes_) +
                                      " bytes is larger than a channel takes");
  }
  return Status::ok();
}

void FrameEncoder::flush(const std::function<void(Frame)>& emit) {
  const auto emit_frame = [&](ByteBlock part, bool ends_element) {
    Frame frame{next_sequence_++, 0, ends_element, std::move(part)};
    frame.crc32c = frame_checksum(token_, frame);
    emit(std::move(frame));
  };
  const std::string_view bytes = buffer_.view();
  if (bytes.empty()) return;
  if (bytes.size() <= kFrameBytes) {
    if (bytes.size() >= kRoomKept) room_ = bytes.size() + bytes.size() / 16;
    emit_frame(buffer_.take(), true);
    return;
  }
  for (size_t at = 0; at < bytes.size(); at += kFrameBytes) {
    emit_frame(ByteBlock(bytes.substr(at, kFrameBytes)), at + kFrameBytes >= bytes.size());
  }
  // What one huge element took is given back.
  buffer_.trim(kFrameBytes);
}

Result<std::vector<StreamElement>> FrameDecoder::take(Frame frame) {
  if (frame.sequence != next_sequence_) {
    return Status::corruption("frame " + std::to_string(frame.sequence) + " where frame " +
                              std::to_string(next_sequence_) + " was due: data was lost");
  }
  if (frame.crc32c != frame_checksum(token_, frame)) {
    return Status::corruption("frame " + std::to_string(frame.sequence) +
                              " does not match its checksum");
  }
  ++next_sequence_;
  if (partial_.size() + frame.bytes.size() > kElementBytesMax) {
    return Status::corruption("an element larger than a channel takes");
  }
  ByteBlock whole = std::exchange(partial_, ByteBlock());
  if (whole.empty()) {
    whole = std::move(frame.bytes);
  } else {
    const size_t before = whole.size();
    const size_t after = before + frame.bytes.size();
    if (after > whole.capacity()) whole.reserve(std::max(after, 2 * whole.capacity()));
    whole.resize(after);
    std::memcpy(whole.data() + before, frame.bytes.data(), frame.bytes.size());
  }
  if (!frame.ends_element) {
    partial_ = std::move(whole);
    return std::vector<StreamElement>();
  }
  return decode(std::move(whole));
}

void FrameDecoder::recycle(BatchPtr consumed) {
  if (!consumed || !consumed->is_unique() || spares_.size() >= kSparesMax) return;
  consumed->reset(0);  // The frame that it came in is not needed any more.
  spares_.push_back(std::move(consumed));
}

BatchPtr FrameDecoder::take_spare() {
  if (spares_.empty()) return {};
  BatchPtr spare = std::move(spares_.back());
  spares_.pop_back();
  return spare;
}

Result<std::vector<StreamElement>> FrameDecoder::decode(ByteBlock bytes) {
  const auto block = std::make_shared<const ByteBlock>(std::move(bytes));
  ByteReader reader(block->view(), TextBytes::kStayPut);
  std::vector<StreamElement> elements;
  do {
    const size_t before = reader.remaining();
    elements.push_back(decode_one(reader));
    const StreamBatch& data = elements.back().data;
    if (data.batch && type_->contains_text) data.batch->hold(block, before - reader.remaining());
  } while (!reader.at_end());
  if (reader.failed()) {
    return Status::corruption("a frame of " + std::to_string(block->size()) +
                              " bytes cannot be read");
  }
  return elements;
}

StreamElement FrameDecoder::decode_one(ByteReader& reader) {
  StreamElement element;
  const auto kind = reader.fixed<uint8_t>();
  if (kind > static_cast<uint8_t>(ElementKind::kEndOfData)) reader.fail();
  element.kind = static_cast<ElementKind>(kind);
  switch (element.kind) {
    case ElementKind::kBatch:
      element.data = decode_data(reader, *type_, take_spare());
      break;
    case ElementKind::kBarrier:
    case ElementKind::kCancelBarrier:
      element.barrier = decode_barrier(reader);
      break;
    case ElementKind::kLatencyMarker:
      element.marker_ns =
          reader.fixed<int64_t>() - clock_->wall_ms() * kNsPerMs + clock_->steady_ns();
      break;
    default:
      break;
  }
  return element;
}

}  // namespace sluice
