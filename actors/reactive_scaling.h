// Reactive mode: the parallelism of the job follows the slots there are. Decides when to change it.
//
// A number of slots counts once it has stood for the settle time, so that TaskManagers which start
// together lead to one change. Pure; one owner.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/time.h"

namespace sluice {

class ReactiveScaling {
 public:
  enum class Step {
    kNone,
    kRescale,  // The job runs: stop it with a snapshot and go on with `parallelism`.
    kRestart,  // It waits for slots that are gone: go on from the newest checkpoint.
  };
  struct Decision {
    Step step = Step::kNone;
    int parallelism = 0;
  };

  /// `most`: what the job can use.
  ReactiveScaling(int most, Duration settle) : most_(most), settle_(settle) {}

  /// With `slots` slots at `now_ns` and the job meant to run with `parallelism`.
  Decision decide(int64_t now_ns, int64_t slots, int parallelism) {
    if (slots != slots_) {
      slots_ = slots;
      since_ns_ = now_ns;
    }
    const int wanted = static_cast<int>(std::min<int64_t>(slots, most_));
    const bool has_settled = now_ns - since_ns_ >= settle_.count() * 1'000'000;
    if (wanted == 0 || wanted == parallelism || !has_settled) return {};
    return {wanted > parallelism ? Step::kRescale : Step::kRestart, wanted};
  }

 private:
  const int most_;
  const Duration settle_;
  int64_t slots_ = -1;
  int64_t since_ns_ = 0;
};

}  // namespace sluice
