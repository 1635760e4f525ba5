#include "actors/fence.h"

namespace sluice {

const char* fence_verdict_name(FenceVerdict verdict) {
  switch (verdict) {
    case FenceVerdict::kAdmitted:
      return "admitted";
    case FenceVerdict::kOtherCluster:
      return "other cluster";
    case FenceVerdict::kOldEpoch:
      return "old epoch";
    case FenceVerdict::kUnknownSender:
      return "unknown sender";
    case FenceVerdict::kOldAttempt:
      return "old attempt";
    case FenceVerdict::kDamaged:
      return "damaged";
    case FenceVerdict::kOutOfOrder:
      return "out of order";
  }
  return "?";
}

FenceVerdict FenceGate::admit(const Fence& fence, const std::string& sender) {
  FenceVerdict verdict = FenceVerdict::kAdmitted;
  if (fence.cluster != cluster_) {
    verdict = FenceVerdict::kOtherCluster;
  } else if (fence.leader_epoch < epoch_) {
    verdict = FenceVerdict::kOldEpoch;
  } else if (!sender.empty() && fence.incarnation != sender) {
    verdict = FenceVerdict::kUnknownSender;
  } else {
    epoch_ = fence.leader_epoch;
  }
  count(verdict);
  return verdict;
}

int64_t FenceGate::dropped() const {
  int64_t sum = 0;
  for (size_t i = 1; i < counts_.size(); ++i) sum += counts_[i];
  return sum;
}

}  // namespace sluice
