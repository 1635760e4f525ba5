#include "actors/lease.h"

#include <algorithm>

namespace sluice {

void Lease::begin(int64_t asked_ns) {
  held_ = true;
  renewed_ns_ = asked_ns;
  // What was sent before belongs to another one.
  unanswered_.clear();
}

void Lease::give_back() {
  held_ = false;
  unanswered_.clear();
}

int64_t Lease::sent(int64_t now_ns) {
  if (unanswered_.size() == kUnansweredMax) unanswered_.pop_front();
  unanswered_.push_back({next_sequence_, now_ns});
  return next_sequence_++;
}

void Lease::answered(int64_t sequence) {
  while (!unanswered_.empty() && unanswered_.front().sequence <= sequence) {
    if (unanswered_.front().sequence == sequence) {
      renewed_ns_ = std::max(renewed_ns_, unanswered_.front().sent_ns);
    }
    unanswered_.pop_front();
  }
}

Lease::Verdict Lease::look(int64_t now_ns) {
  const int64_t gap_ns = looked_ns_ < 0 ? 0 : now_ns - looked_ns_;
  looked_ns_ = now_ns;
  if (!held_) return Verdict::kNone;
  if (gap_ns > length_ns_) return Verdict::kFrozen;
  if (now_ns - renewed_ns_ <= length_ns_) return Verdict::kHeld;
  held_ = false;
  return Verdict::kExpired;
}

bool HeartbeatWatch::beat(const std::string& who, int64_t now_ns) {
  const auto found = last_ns_.find(who);
  if (found == last_ns_.end()) return false;
  found->second = now_ns;
  return true;
}

std::vector<std::string> HeartbeatWatch::overdue(int64_t now_ns) {
  const int64_t gap_ns = looked_ns_ < 0 ? 0 : now_ns - looked_ns_;
  looked_ns_ = now_ns;
  std::vector<std::string> lost;
  if (gap_ns > timeout_ns_ / 2) {
    for (auto& [who, last_ns] : last_ns_) last_ns = now_ns;
    return lost;
  }
  for (auto it = last_ns_.begin(); it != last_ns_.end();) {
    if (now_ns - it->second > timeout_ns_) {
      lost.push_back(it->first);
      it = last_ns_.erase(it);
    } else {
      ++it;
    }
  }
  return lost;
}

}  // namespace sluice
