// The options of heartbeats; rows of core/options_table.cc.
#pragma once

#include "core/options.h"

namespace sluice::options {

inline constexpr OptionKey<Duration> kHeartbeatInterval{"heartbeat.interval"};
inline constexpr OptionKey<Duration> kHeartbeatTimeout{"heartbeat.timeout"};

}  // namespace sluice::options
