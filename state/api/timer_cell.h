// The timers of one key: a hidden cell of its row, so timers are keyed state like any other.
//
// A set of (domain, time, namespace): registering twice is one timer (semantics rule 18). The usual
// one timer per key stands in the cell itself; more move into a box with a sorted set per domain.
//
// `hint` is the time under which the row stands in the heap of the timer service
// (operators/timer_service.h): a heap entry for another time is stale. Hints are no state: they are
// not written to snapshots. The hint of an empty cell stays in its bytes while the row lives.
#pragma once

#include <cstdint>
#include <limits>

#include "state/api/cell_type.h"
#include "state/api/chunked_map.h"
#include "state/api/cow_box.h"

namespace sluice {

/// Which clock a timer follows. Persisted: do not renumber.
enum class TimerDomain : uint8_t { kEvent = 0, kProcessing = 1 };

struct Timer {
  int64_t time;
  /// What the timer is about, within its key: the start of a window, or 0.
  int64_t name_space;
  friend constexpr auto operator<=>(const Timer&, const Timer&) = default;
};

/// Timers of a key with more than one: reference counted like a CowBox.
using TimerSet = ChunkedMap<Timer, NoValue>;
struct TimerSets {
  TimerSet sets[2];  // By domain.
};

/// The bytes of the cell. All zero means no timer and no hint.
struct TimerCell {
  static constexpr int64_t kNoTime = std::numeric_limits<int64_t>::max();

  /// Adds a timer; false when it was there.
  bool add(TimerDomain domain, const Timer& timer);
  /// False when there was none.
  bool remove(TimerDomain domain, const Timer& timer);
  bool contains(TimerDomain domain, const Timer& timer) const;
  bool is_empty() const { return mode_ == Mode::kNone; }
  /// The earliest timer of a domain; false when there is none.
  bool first(TimerDomain domain, Timer& timer) const;
  size_t size() const;
  /// Releases the box, if any.
  void clear();

  /// The time in the heap, kNoTime when there is no entry that counts.
  int64_t hint(TimerDomain domain) const {
    const auto d = static_cast<size_t>(domain);
    return (hinted_ & (1U << d)) != 0 ? hints_[d] : kNoTime;
  }
  void set_hint(TimerDomain domain, int64_t time) {
    const auto d = static_cast<size_t>(domain);
    hints_[d] = time;
    hinted_ = static_cast<uint8_t>(time == kNoTime ? hinted_ & ~(1U << d) : hinted_ | (1U << d));
  }

  /// "timers" cannot be a user's state: names of users do not start with an underscore.
  static constexpr const char* kStateName = "_timers";
  static const CellType* type();
  static CellSchema schema();

 private:
  enum class Mode : uint8_t { kNone = 0, kOne = 1, kSets = 2 };
  using Box = CowBox<TimerSets>;

  TimerSets& writable_sets();
  const TimerSet& set_of(TimerDomain domain) const {
    return box_->value().sets[static_cast<size_t>(domain)];
  }
  static void write(const char* cell, const CellContext& context, CellWriter& out);
  static Status read(char* cell, bool& is_present, const CellContext& context,
                     std::string_view suffix, std::string_view value);

  int64_t hints_[2];
  union {
    Timer one_;
    Box* box_;
  };
  Mode mode_;
  TimerDomain one_domain_;
  uint8_t hinted_;  // Bit per domain: hints_ counts.
};

}  // namespace sluice
