// Who sent a message, under which leader, for which attempt: what keeps the words of processes that
// were given up from having an effect.
//
// A connection that broke may still deliver what was sent before, seconds later; so every message
// between processes carries a Fence, and the receiver's FenceGate drops what is not of the present.
// Drops are counted by reason. Plain; one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace sluice {

struct Fence {
  std::string cluster;
  /// Of the sender's process: random, new with every start.
  std::string incarnation;
  int64_t leader_epoch = 0;
  /// 0: not about one job.
  uint64_t job = 0;
  int32_t attempt = 0;
};

enum class FenceVerdict {
  kAdmitted,
  kOtherCluster,
  kOldEpoch,
  kUnknownSender,  // A process that was replaced, or never registered.
  kOldAttempt,
  kDamaged,     // Its checksum does not match, so nothing of it can be believed.
  kOutOfOrder,  // Behind one that is missing, or of an earlier registration.
};
inline constexpr size_t kFenceVerdicts = 7;
const char* fence_verdict_name(FenceVerdict verdict);

class FenceGate {
 public:
  explicit FenceGate(std::string cluster) : cluster_(std::move(cluster)) {}

  /// `sender`: the incarnation expected; empty = any. A higher epoch than seen before is the new
  /// leader's.
  FenceVerdict admit(const Fence& fence, const std::string& sender);
  /// For what is known only after the fence itself passed: an attempt that is over, and the like.
  void count(FenceVerdict verdict) { ++counts_[static_cast<size_t>(verdict)]; }

  int64_t epoch() const { return epoch_; }
  void raise_epoch(int64_t epoch) {
    if (epoch > epoch_) epoch_ = epoch;
  }
  int64_t dropped(FenceVerdict verdict) const { return counts_[static_cast<size_t>(verdict)]; }
  int64_t dropped() const;

 private:
  const std::string cluster_;
  int64_t epoch_ = 0;
  std::array<int64_t, kFenceVerdicts> counts_{};
};

}  // namespace sluice
