// Excludes two threads from a page that the table writes to while a frozen view still reads it: the
// task that owns the table, and the I/O thread that writes the view.
//
// The task never waits. The view is closed when it needs the page no more; open() belongs to the
// next view, once no other one holds the page.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace sluice {

class ViewLock {
 public:
  enum class Entry { kEntered, kBusy, kClosed };

  /// Only while no other thread knows the page.
  void open() { state_.store(kOpen, std::memory_order_relaxed); }

  /// The task: leave() after kEntered.
  Entry try_enter() {
    uint32_t seen = kOpen;
    if (state_.compare_exchange_strong(seen, kHeld, std::memory_order_acquire)) {
      return Entry::kEntered;
    }
    return seen == kClosed ? Entry::kClosed : Entry::kBusy;
  }
  /// The view, of an open page. The task holds the lock for as long as it takes to copy a row.
  void enter() {
    uint32_t seen = kOpen;
    while (!state_.compare_exchange_weak(seen, kHeld, std::memory_order_acquire)) {
      seen = kOpen;
      std::this_thread::yield();
    }
  }
  void leave() { state_.store(kOpen, std::memory_order_release); }
  /// In place of leave(): the view reads nothing more.
  void close() { state_.store(kClosed, std::memory_order_release); }

 private:
  static constexpr uint32_t kClosed = 0;
  static constexpr uint32_t kOpen = 1;
  static constexpr uint32_t kHeld = 2;

  std::atomic<uint32_t> state_{kClosed};
};

}  // namespace sluice
