#include "actors/peer_link.h"

#include <algorithm>
#include <utility>

namespace sluice {

void PeerLink::open(Wire<proto::OpenChannels> channels) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  ++sent_;
  transport_.open(std::move(channels));
}

void PeerLink::post(DataFrame frame) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (waiting_.empty() && has_room()) {
    transmit(std::move(frame));
  } else {
    waiting_.push_back(std::move(frame));
  }
}

void PeerLink::grant(CreditFrame credit) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  ++sent_;
  transport_.credit(credit);
}

void PeerLink::report_taken(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  ++sent_;
  transport_.taken({bytes});
}

void PeerLink::tell_sent() {
  const std::lock_guard lock(mutex_);
  if (!closed_) transport_.sent(make_sent_so_far(sent_));
}

void PeerLink::taken(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  in_flight_ -= std::min(bytes, in_flight_);
  while (!closed_ && !waiting_.empty() && has_room()) {
    DataFrame next = std::move(waiting_.front());
    waiting_.pop_front();
    transmit(std::move(next));
  }
}

void PeerLink::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  waiting_.clear();
  // Handles of the lost connection go, too.
  transport_ = {};
}

PeerLink::Look PeerLink::look() const {
  const std::lock_guard lock(mutex_);
  return {in_flight_, waiting_.size()};
}

void PeerLink::transmit(DataFrame frame) {
  in_flight_ += frame.bytes.size();
  ++sent_;
  transport_.frame(std::move(frame));
}

}  // namespace sluice
