// The two ends of a channel whose other end is in another process.
//
// RemoteOutput belongs to the sending task's thread: it encodes, and hands frames to the connection
// when enough is gathered or somebody waits for it (a barrier); the task flushes it before it
// waits. RemoteInput is made when the sender opens the channel and belongs to the receiving task's
// thread. It gives credit back in groups of half of the channel's: a message for each batch would
// cost as much as the batch. Nobody waits for what it holds back, since of a sender without credit
// more than half is still to be consumed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/element_frames.h"
#include "actors/peer_link.h"

namespace sluice {

class RemoteOutput {
 public:
  RemoteOutput(uint64_t token, std::shared_ptr<PeerLink> link, const Clock* clock)
      : token_(token), link_(std::move(link)), encoder_(clock, token) {}

  Status send(const StreamElement& element) {
    if (!encoder_.has_room()) flush();
    Status encoded = encoder_.encode(element);
    if (element.kind != ElementKind::kBatch) flush();
    return encoded;
  }
  void flush() {
    encoder_.flush([this](Frame frame) {
      link_->post(DataFrame{token_, frame.sequence, frame.crc32c, frame.ends_element,
                            std::move(frame.bytes)});
    });
  }
  size_t gathered_bytes() const { return encoder_.gathered_bytes(); }

 private:
  const uint64_t token_;
  const std::shared_ptr<PeerLink> link_;
  FrameEncoder encoder_;
};

/// What the channels of one task gather, bounded in bytes and in time.
class RemoteOutputs {
 public:
  /// A frame like this is worth what it costs; more would only wait.
  static constexpr size_t kGatheredBytesMax = kFrameBytes;
  static constexpr int64_t kGatherNs = 500'000;

  explicit RemoteOutputs(const Clock* clock) : clock_(clock) {}

  Status send(RemoteOutput& output, const StreamElement& element) {
    const size_t before = output.gathered_bytes();
    Status sent = output.send(element);
    gathered_bytes_ += output.gathered_bytes() - before;
    if (output.gathered_bytes() == 0) return sent;
    if (gathering_.empty()) since_ns_ = clock_->steady_ns();
    if (before == 0) gathering_.push_back(&output);
    if (gathered_bytes_ >= kGatheredBytesMax) {
      flush();
    } else {
      flush_old();
    }
    return sent;
  }
  void flush() {
    for (RemoteOutput* output : gathering_) output->flush();
    gathering_.clear();
    gathered_bytes_ = 0;
  }
  /// Flushes when something has waited for kGatherNs.
  void flush_old() {
    if (!gathering_.empty() && clock_->steady_ns() - since_ns_ >= kGatherNs) flush();
  }

 private:
  const Clock* clock_;
  std::vector<RemoteOutput*> gathering_;  // One that was flushed meanwhile is no harm.
  size_t gathered_bytes_ = 0;
  int64_t since_ns_ = 0;  // Of the first one.
};

class RemoteInput {
 public:
  RemoteInput(uint64_t token, std::shared_ptr<PeerLink> link)
      : token_(token), link_(std::move(link)) {}

  Result<std::vector<StreamElement>> take(Frame frame, const Clock* clock, const RecordType* type) {
    if (!decoder_) decoder_.emplace(clock, type, token_);
    return decoder_->take(std::move(frame));
  }
  /// `window`: the channel's credits in all.
  void grant(uint32_t credits, uint32_t window, BatchPtr consumed) {
    if (decoder_) decoder_->recycle(std::move(consumed));
    held_back_ += credits;
    if (held_back_ * 2 < window) return;
    link_->grant(make_credit(token_, std::exchange(held_back_, 0)));
  }

 private:
  const uint64_t token_;
  const std::shared_ptr<PeerLink> link_;
  std::optional<FrameDecoder> decoder_;
  uint32_t held_back_ = 0;
};

}  // namespace sluice
