// Stream elements as bytes, in frames: the form in which a channel crosses processes.
//
// FrameEncoder runs on the sending task's thread, FrameDecoder on the receiver's. Elements are
// encoded with the record codec, one behind the other while the task has more to do: a frame costs
// both processes a dozen system calls and waking two threads, however large it is. What was
// gathered leaves as one frame, numbered and with a checksum, or in several when it is larger than
// kFrameBytes. The buffer itself becomes the frame, and at the other end the frame stays as the
// memory of the texts of its rows; the rest of a batch is decoded into one consumed before. The
// decoder refuses anything but the next frame of its channel, intact: a gap or damage fails the
// attempt, it is never skipped.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/byte_block.h"
#include "core/clock.h"
#include "core/codec.h"
#include "core/element.h"
#include "core/status.h"

namespace sluice {

inline constexpr size_t kFrameBytes = 256 * 1024;
/// Larger than this is no record any more; checked before memory is taken for it.
inline constexpr size_t kElementBytesMax = 64 * 1024 * 1024;
/// More batches than this are not kept for a channel.
inline constexpr size_t kSparesMax = 8;

/// One frame of a channel, whose token goes with it.
struct Frame {
  uint64_t sequence = 0;
  uint32_t crc32c = 0;
  bool ends_element = true;  // Otherwise its last one goes on in the next frame.
  ByteBlock bytes;
};

class FrameEncoder {
 public:
  /// `token`: of the channel.
  FrameEncoder(const Clock* clock, uint64_t token) : clock_(clock), token_(token) {}
  /// Adds the element to what is gathered. Flush first when it would not fit, see has_room().
  Status encode(const StreamElement& element);
  /// Calls `emit` with what is gathered.
  void flush(const std::function<void(Frame)>& emit);
  size_t gathered_bytes() const { return buffer_.size(); }
  /// Whether an element like the last one still goes into the same frame.
  bool has_room() const { return buffer_.size() + last_bytes_ <= kFrameBytes; }

 private:
  const Clock* clock_;
  const uint64_t token_;
  uint64_t next_sequence_ = 0;
  EncodeBuffer buffer_;
  size_t last_bytes_ = 0;  // Of the element before.
  size_t room_ = 0;        // Of the frame before, and a little more.
};

class FrameDecoder {
 public:
  /// `type`: of the records on this channel, `token` is its own.
  FrameDecoder(const Clock* clock, const RecordType* type, uint64_t token)
      : clock_(clock), type_(type), token_(token) {}
  /// The elements that `frame` completes.
  Result<std::vector<StreamElement>> take(Frame frame);
  /// A batch that was taken from here, in whose memory the next one may be decoded.
  void recycle(BatchPtr consumed);

 private:
  Result<std::vector<StreamElement>> decode(ByteBlock bytes);
  StreamElement decode_one(ByteReader& reader);
  BatchPtr take_spare();

  const Clock* clock_;
  const RecordType* type_;
  const uint64_t token_;
  uint64_t next_sequence_ = 0;
  ByteBlock partial_;
  std::vector<BatchPtr> spares_;  // As many as can be on their way to the task at once.
};

/// Checksum of a frame: over its channel's token, its number, its end mark and its bytes.
uint32_t frame_checksum(uint64_t token, const Frame& frame);

}  // namespace sluice
