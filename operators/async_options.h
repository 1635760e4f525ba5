// How asynchronous operations are run: order, timeout, capacity, retries.
#pragma once

#include <algorithm>
#include <functional>
#include <string>

#include "core/status.h"
#include "core/time.h"

namespace sluice {

enum class AsyncOrder {
  /// Results in the order of the records.
  kOrdered,
  /// Results as they come; none passes a watermark or barrier (semantics rule 44).
  kUnordered,
};

/// When and how often a failed attempt is repeated. All attempts together have the operation's
/// timeout.
struct AsyncRetry {
  static AsyncRetry none() { return {}; }
  static AsyncRetry fixed_delay(int attempts, Duration delay) {
    return exponential(attempts, delay, delay, 1);
  }
  /// delay, delay·factor, delay·factor², ... up to delay_max.
  static AsyncRetry exponential(int attempts, Duration delay, Duration delay_max,
                                double factor = 2) {
    AsyncRetry retry;
    retry.attempts_max = attempts;
    retry.delay = delay;
    retry.delay_max = delay_max;
    retry.factor = factor;
    return retry;
  }

  /// How long to wait after attempt `attempt` (1, 2, ...) failed.
  Duration delay_after(int attempt) const {
    double wait = static_cast<double>(delay.count());
    for (int i = 1; i < attempt && wait < static_cast<double>(delay_max.count()); ++i)
      wait *= factor;
    return Duration(static_cast<int64_t>(std::min(wait, static_cast<double>(delay_max.count()))));
  }

  int attempts_max = 1;
  Duration delay{0};
  Duration delay_max{0};
  double factor = 1;
  /// An operation that succeeds with no results at all is repeated, too; the last one counts.
  bool retry_empty = false;
  /// Which failures are worth another attempt; all when not set.
  std::function<bool(const std::string& error)> retry_if;
};

struct AsyncOptions {
  AsyncOrder order = AsyncOrder::kOrdered;
  /// Operations in flight per subtask; when reached the operator takes no more records.
  int capacity = 100;
  /// From the record's arrival to its result, retries included; 0 = for ever.
  Duration timeout{60'000};
  AsyncRetry retry;

  Status validate() const {
    if (capacity < 1) {
      return Status::invalid_argument("async_map: the capacity must be at least 1, not " +
                                      std::to_string(capacity));
    }
    if (timeout.count() < 0) {
      return Status::invalid_argument("async_map: the timeout must not be negative, but is " +
                                      to_text(timeout));
    }
    if (retry.attempts_max < 1) {
      return Status::invalid_argument("async_map: there must be at least 1 attempt, not " +
                                      std::to_string(retry.attempts_max));
    }
    return Status::ok();
  }
};

}  // namespace sluice
