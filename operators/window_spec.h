// What a job says about a windowed stream, whatever runs in it.
#pragma once

#include <utility>

#include "core/status.h"
#include "operators/window_assigner.h"

namespace sluice {

template <WindowAssigner Assigner>
struct WindowSpec {
  Assigner assigner;
  /// Windows stay this much longer and fire again for each late element (event time only).
  Duration allowed_lateness{0};
  /// Side output of elements that no window took because they were late; -1 = drop and count them.
  int late_tag = -1;

  /// Says what is wrong with the arguments, for the user.
  Status validate() const {
    SLUICE_RETURN_IF_ERROR(assigner.validate());
    if (allowed_lateness.count() < 0) {
      return Status::invalid_argument("allowed lateness must not be negative, but is " +
                                      to_text(allowed_lateness));
    }
    return Status::ok();
  }
};

template <class Assigner>
WindowSpec(Assigner) -> WindowSpec<Assigner>;
template <class Assigner>
WindowSpec(Assigner, Duration) -> WindowSpec<Assigner>;
template <class Assigner>
WindowSpec(Assigner, Duration, int) -> WindowSpec<Assigner>;

/// The counter of elements that came too late for every window, dropped or side-output.
inline constexpr const char* kLateMetric = "late";

}  // namespace sluice
