// Stream elements as bytes, in frames: the form in which a channel crosses processes.
//
// FrameEncoder runs on the sending task's thread, FrameDecoder on the receiver's. An element is
// encoded with the record codec into a buffer of the task's, cut into frames of at most
// kFrameBytes, numbered and given a checksum; one is decoded into the batch that was consumed
// before it. The decoder refuses anything but the next frame of its channel, intact: a gap or
// damage fails the attempt, it is never skipped.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/clock.h"
#include "core/codec.h"
#include "core/element.h"
#include "core/status.h"

namespace sluice {

inline constexpr size_t kFrameBytes = 256 * 1024;
/// Larger than this is no record any more; checked before memory is taken for it.
inline constexpr size_t kElementBytesMax = 64 * 1024 * 1024;
/// A buffer that had to grow beyond this for one element gives its memory back.
inline constexpr size_t kBufferBytesMax = 4 * kFrameBytes;

/// One frame of a channel, whose token goes with it.
struct Frame {
  uint64_t sequence = 0;
  uint32_t crc32c = 0;
  bool ends_element = true;
  std::string bytes;
};

class FrameEncoder {
 public:
  /// `token`: of the channel.
  FrameEncoder(const Clock* clock, uint64_t token) : clock_(clock), token_(token) {}
  /// Calls `emit` with the frames of the element, in order. `buffer` is emptied and filled.
  Status encode(const StreamElement& element, EncodeBuffer& buffer,
                const std::function<void(Frame)>& emit);

 private:
  const Clock* clock_;
  const uint64_t token_;
  uint64_t next_sequence_ = 0;
};

class FrameDecoder {
 public:
  /// `type`: of the records on this channel, `token` is its own.
  FrameDecoder(const Clock* clock, const RecordType* type, uint64_t token)
      : clock_(clock), type_(type), token_(token) {}
  /// The element that `frame` completes, or nothing yet.
  Result<std::optional<StreamElement>> take(Frame frame);
  /// A batch that was taken from here, in whose memory the next one may be decoded.
  void recycle(BatchPtr consumed) { spare_ = std::move(consumed); }

 private:
  Result<StreamElement> decode(std::string_view bytes);

  const Clock* clock_;
  const RecordType* type_;
  const uint64_t token_;
  uint64_t next_sequence_ = 0;
  std::string partial_;
  BatchPtr spare_;
};

/// Checksum of a frame: over its channel's token, its number, its end mark and its bytes.
uint32_t frame_checksum(uint64_t token, const Frame& frame);

}  // namespace sluice
