// All time comes through here: no other file reads the operating system's clock.
//
// Wall time (milliseconds since the epoch) is for processing-time windows, timers and TTL. Steady
// time (nanoseconds, arbitrary start) is for measuring and deadlines. Both calls are thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/time.h"

namespace sluice {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since the epoch; may jump when the machine's clock is set.
  virtual int64_t wall_ms() const = 0;
  /// Nanoseconds that never go back.
  virtual int64_t steady_ns() const = 0;
};

/// The machine's clocks. One shared instance that lives for ever.
const Clock& system_clock();

/// A clock that stands until it is moved; for tests and simulation.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t start_ms = 0) : now_ns_(start_ms * 1'000'000) {}
  int64_t wall_ms() const override { return now_ns_.load() / 1'000'000; }
  int64_t steady_ns() const override { return now_ns_.load(); }
  void advance(Duration by) { now_ns_ += by.count() * 1'000'000; }
  void set_ms(int64_t now_ms) { now_ns_ = now_ms * 1'000'000; }

 private:
  std::atomic<int64_t> now_ns_;
};

}  // namespace sluice
