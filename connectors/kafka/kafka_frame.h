// A message to be produced, as bytes: what the sink keeps of an epoch until its checkpoint
// completes, and what the plain writer hands to the producer.
//
//   frame = u32 size of the rest, u8 flags, i32 partition, i64 timestamp,
//           [u32 size, key], [u32 size, value], [u16 count, { u32 size, name, u32 size, value }]
//
// The form is in checkpoints. Partition -1 lets librdkafka's partitioner choose.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/codec.h"
#include "core/time.h"

namespace sluice {

struct KafkaFrame {
  static constexpr uint8_t kHasKey = 1;
  static constexpr uint8_t kHasValue = 2;
  static constexpr uint8_t kHasHeaders = 4;

  int32_t partition = -1;
  EventTime timestamp = kNoTimestamp;
  bool has_key = false;
  bool has_value = false;
  std::string_view key;
  std::string_view value;
  /// The count and what follows; empty when there are none.
  std::string_view headers;

  /// Reads the next frame; false at the end or when the bytes are damaged (reader.failed()).
  static bool read(ByteReader& reader, KafkaFrame& frame);
};

/// Appends frames to a string. Order per frame: begin, key?, value?, header*, end.
class KafkaFrameWriter {
 public:
  explicit KafkaFrameWriter(std::string& out) : out_(out) {}

  void begin() {
    start_ = out_.size();
    flags_ = 0;
    headers_ = 0;
    out_.append(kFixedBytes, '\0');
  }
  void set_partition(int32_t partition) { partition_ = partition; }
  void set_timestamp(EventTime timestamp) { timestamp_ = timestamp; }
  /// `append(std::string&)` writes the bytes.
  template <class Append>
  void key(Append&& append) {
    flags_ |= KafkaFrame::kHasKey;
    sized(std::forward<Append>(append));
  }
  template <class Append>
  void value(Append&& append) {
    flags_ |= KafkaFrame::kHasValue;
    sized(std::forward<Append>(append));
  }
  void header(std::string_view name, std::string_view value) {
    if (headers_ == 0) {
      flags_ |= KafkaFrame::kHasHeaders;
      headers_at_ = out_.size();
      out_.append(sizeof(uint16_t), '\0');
    }
    SLUICE_CHECK(headers_ < UINT16_MAX);
    ++headers_;
    ByteWriter writer(out_);
    writer.text(name);
    writer.text(value);
  }
  /// Bytes of the finished frame.
  size_t end() {
    if (headers_ > 0) std::memcpy(out_.data() + headers_at_, &headers_, sizeof(headers_));
    const auto size = static_cast<uint32_t>(out_.size() - start_ - sizeof(uint32_t));
    char* at = out_.data() + start_;
    std::memcpy(at, &size, 4);
    std::memcpy(at + 4, &flags_, 1);
    std::memcpy(at + 5, &partition_, 4);
    std::memcpy(at + 9, &timestamp_.ms, 8);
    partition_ = -1;
    timestamp_ = kNoTimestamp;
    return out_.size() - start_;
  }
  /// Takes the frame back as if it had not begun.
  void abandon() { out_.resize(start_); }

 private:
  static constexpr size_t kFixedBytes = 4 + 1 + 4 + 8;

  template <class Append>
  void sized(Append&& append) {
    const size_t at = out_.size();
    out_.append(sizeof(uint32_t), '\0');
    append(out_);
    const auto size = static_cast<uint32_t>(out_.size() - at - sizeof(uint32_t));
    std::memcpy(out_.data() + at, &size, sizeof(size));
  }

  std::string& out_;
  size_t start_ = 0;
  size_t headers_at_ = 0;
  uint8_t flags_ = 0;
  uint16_t headers_ = 0;
  int32_t partition_ = -1;
  EventTime timestamp_ = kNoTimestamp;
};

}  // namespace sluice
