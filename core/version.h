// The version of Sluice, as stored in snapshots and printed to users.
#pragma once

namespace sluice {

inline constexpr const char* kSluiceVersion = "0.1.0";

}  // namespace sluice
