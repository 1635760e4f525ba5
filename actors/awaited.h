// A value that one thread waits for and another sets, once. Shared by both: whoever sets it may do
// so after nobody waits any more.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "core/time.h"

namespace sluice {

template <class T>
class Awaited {
 public:
  /// The first value stays.
  void set(T value) {
    const std::lock_guard lock(mutex_);
    if (!value_) value_ = std::move(value);
    changed_.notify_all();
  }
  /// The value, or nothing after `timeout`.
  std::optional<T> wait(Duration timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [&] { return value_.has_value(); });
    return value_;
  }
  std::optional<T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

}  // namespace sluice
