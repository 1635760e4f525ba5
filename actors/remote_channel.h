// The two ends of a channel whose other end is in another process.
//
// RemoteOutput belongs to the sending task's thread: it encodes and hands frames to the connection.
// RemoteInput is made when the sender opens the channel and belongs to the receiving task's thread.
// It gives credit back in groups of a quarter of the channel's: a message for each batch would cost
// as much as the batch. Nobody waits for what it holds back, since a sender without credit has
// three quarters still to be consumed.
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
  /// `window`: the channel's credits in all.
  void grant(uint32_t credits, uint32_t window, BatchPtr consumed) {
    if (decoder_) decoder_->recycle(std::move(consumed));
    held_back_ += credits;
    if (held_back_ * 4 < window) return;
    link_->grant(make_credit(token_, std::exchange(held_back_, 0)));
  }

 private:
  const uint64_t token_;
  const std::shared_ptr<PeerLink> link_;
  std::optional<FrameDecoder> decoder_;
  uint32_t held_back_ = 0;
};

}  // namespace sluice
