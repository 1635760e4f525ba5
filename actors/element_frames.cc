#include "actors/element_frames.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/codec.h"
#include "core/crc32c.h"

namespace sluice {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

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

Status FrameEncoder::encode(const StreamElement& element, EncodeBuffer& buffer,
                            const std::function<void(Frame)>& emit) {
  ByteWriter& writer = buffer.clear();
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
  const std::string_view bytes = buffer.view();
  if (bytes.size() > kElementBytesMax) {
    return Status::resource_exhausted("a batch of " + std::to_string(bytes.size()) +
                                      " bytes is larger than a channel takes");
  }
  for (size_t at = 0; at < bytes.size(); at += kFrameBytes) {
    Frame frame;
    frame.sequence = next_sequence_++;
    frame.ends_element = at + kFrameBytes >= bytes.size();
    frame.bytes = bytes.substr(at, kFrameBytes);
    frame.crc32c = frame_checksum(token_, frame);
    emit(std::move(frame));
  }
  buffer.trim(kBufferBytesMax);
  return Status::ok();
}

Result<std::optional<StreamElement>> FrameDecoder::take(Frame frame) {
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
  if (!frame.ends_element) {
    partial_ += frame.bytes;
    return std::optional<StreamElement>();
  }
  std::string whole = std::exchange(partial_, std::string());
  if (whole.empty()) {
    whole = std::move(frame.bytes);
  } else {
    whole += frame.bytes;
  }
  SLUICE_ASSIGN_OR_RETURN(StreamElement element, decode(whole));
  return std::optional<StreamElement>(std::move(element));
}

Result<StreamElement> FrameDecoder::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  StreamElement element;
  const auto kind = reader.fixed<uint8_t>();
  if (kind > static_cast<uint8_t>(ElementKind::kEndOfData)) reader.fail();
  element.kind = static_cast<ElementKind>(kind);
  switch (element.kind) {
    case ElementKind::kBatch:
      element.data = decode_data(reader, *type_, std::move(spare_));
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
  if (reader.failed() || !reader.at_end()) {
    return Status::corruption("an element of " + std::to_string(bytes.size()) +
                              " bytes cannot be read");
  }
  return element;
}

}  // namespace sluice
