// Time to live of state: an entry that was not refreshed for `duration` counts as gone.
//
// Processing time only (semantics rule 39). Per value for value, reducing and aggregating state,
// per entry for lists and maps. Expired entries are never returned and never written to a snapshot;
// memory is reclaimed a few rows at a time while the job runs.
#pragma once

#include <cstdint>

#include "core/time.h"

namespace sluice {

/// What refreshes an entry.
enum class TtlUpdate : uint8_t { kOnWrite = 0, kOnReadAndWrite = 1 };

struct StateTtl {
  /// 0 = entries live for ever.
  Duration duration{0};
  TtlUpdate update = TtlUpdate::kOnWrite;

  bool is_on() const { return duration.count() > 0; }
  /// Whether an entry refreshed last at `touched_ms` is gone at `now_ms`.
  bool is_expired(int64_t touched_ms, int64_t now_ms) const {
    return is_on() && now_ms - touched_ms >= duration.count();
  }
  friend bool operator==(const StateTtl&, const StateTtl&) = default;
};

}  // namespace sluice
