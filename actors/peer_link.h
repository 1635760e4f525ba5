// The connection from this process to one other TaskManager, as those see it who send over it.
//
// Invariants: at most kBytesMax bytes of frames are on their way at any time, what is more waits
// here (bounded by the channels' credit), so the shared socket stays short and one channel's flood
// does not stand in front of another's credit; frames leave in the order in which they were posted.
// What is sent is counted, and the count is told now and then: a message that the network made
// vanish (a bit of its address turned over, and without TLS nobody checks that one) shows at the
// other end even when nothing follows it. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "actors/wire.h"

namespace sluice {

class PeerLink {
 public:
  static constexpr uint64_t kBytesMax = 8 * 1024 * 1024;

  /// What hands a message to the network; called under the link's lock, must not block.
  struct Transport {
    std::function<void(DataFrame)> frame;
    std::function<void(CreditFrame)> credit;
    std::function<void(Wire<proto::OpenChannels>)> open;
    std::function<void(FramesTaken)> taken;
    std::function<void(SentSoFar)> sent;
  };
  PeerLink(std::string node, Transport transport, uint64_t bytes_max = kBytesMax)
      : node_(std::move(node)), transport_(std::move(transport)), bytes_max_(bytes_max) {}

  const std::string& node() const { return node_; }
  /// Before the first frame of the channels.
  void open(Wire<proto::OpenChannels> channels);
  void post(DataFrame frame);
  void grant(CreditFrame credit);
  /// The other side has taken `bytes` bytes.
  void taken(uint64_t bytes);
  /// This side has.
  void report_taken(uint64_t bytes);
  /// Tells the other side how many messages it must have got by now.
  void tell_sent();
  /// The connection is lost: what waits is dropped, and nothing is sent any more.
  void close();

  struct Look {
    uint64_t in_flight_bytes = 0;
    size_t waiting_frames = 0;
  };
  Look look() const;

 private:
  bool has_room() const { return in_flight_ == 0 || in_flight_ < bytes_max_; }
  void transmit(DataFrame frame);

  const std::string node_;
  Transport transport_;
  const uint64_t bytes_max_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  uint64_t in_flight_ = 0;
  uint64_t sent_ = 0;
  std::deque<DataFrame> waiting_;
};

}  // namespace sluice
