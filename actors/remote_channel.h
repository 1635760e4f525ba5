// The two ends of a channel whose other end is in another process.
//
// RemoteOutput belongs to the sending task's thread: it encodes and hands frames to the connection.
// RemoteInput is made when the sender opens the channel and belongs to the receiving task's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "actors/element_frames.h"
#include "actors/peer_link.h"

namespace sluice {

class RemoteOutput {
 public:
  RemoteOutput(uint64_t token, std::shared_ptr<PeerLink> link, const Clock* clock)
      : token_(token), link_(std::move(link)), encoder_(clock, token) {}

  Status send(const StreamElement& element, EncodeBuffer& buffer) {
    return encoder_.encode(element, buffer, [this](Frame frame) {
      link_->post(DataFrame{token_, frame.sequence, frame.crc32c, frame.ends_element,
                            std::move(frame.bytes)});
    });
  }

 private:
  const uint64_t token_;
  const std::shared_ptr<PeerLink> link_;
  FrameEncoder encoder_;
};

class RemoteInput {
 public:
  RemoteInput(uint64_t token, std::shared_ptr<PeerLink> link)
      : token_(token), link_(std::move(link)) {}

  Result<std::optional<StreamElement>> take(Frame frame, const Clock* clock,
                                            const RecordType* type) {
    if (!decoder_) decoder_.emplace(clock, type, token_);
    return decoder_->take(std::move(frame));
  }
  void grant(uint32_t credits, BatchPtr consumed) {
    if (decoder_) decoder_->recycle(std::move(consumed));
    link_->grant(make_credit(token_, credits));
  }

 private:
  const uint64_t token_;
  const std::shared_ptr<PeerLink> link_;
  std::optional<FrameDecoder> decoder_;
};

}  // namespace sluice
