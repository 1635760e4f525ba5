#include "core/partitioning.h"

namespace sluice {

const char* partitioning_name(Partitioning partitioning) {
  switch (partitioning) {
    case Partitioning::kForward:
      return "FORWARD";
    case Partitioning::kHash:
      return "HASH";
    case Partitioning::kRebalance:
      return "REBALANCE";
    case Partitioning::kRescale:
      return "RESCALE";
    case Partitioning::kShuffle:
      return "SHUFFLE";
    case Partitioning::kBroadcast:
      return "BROADCAST";
    case Partitioning::kGlobal:
      return "GLOBAL";
    case Partitioning::kCustom:
      return "CUSTOM";
  }
  return "?";
}

}  // namespace sluice
