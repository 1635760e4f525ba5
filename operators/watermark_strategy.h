// How timestamps and watermarks are made from records, per split inside a source.
//
// A WatermarkGenerator sees every record of one split in order and says after each which watermark
// holds. Watermark W promises that no record with time ≤ W follows (semantics rule 11): bounded out
// of orderness gives max time − bound − 1 ms.
//
// Marks are a function of the records only, never of batch size or clock: a mark stands after each
// record that raises the watermark. Thin them with every_rows(n).
#pragma once

#include <algorithm>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/batch.h"
#include "core/time.h"

namespace sluice {

/// A generator written by a job author: on_event() returns the watermark after the record, or
/// kMinTime while nothing is known. It must never go back (a lower value is ignored).
template <class T>
class WatermarkGenerator {
 public:
  virtual ~WatermarkGenerator() = default;
  virtual EventTime on_event(const T& record, EventTime time) = 0;
};

/// Stamps batches of one split; one virtual call per batch.
template <class T>
class SplitTimeline {
 public:
  virtual ~SplitTimeline() = default;
  /// Sets the times of rows [from, rows) and appends the marks of this split's own watermark.
  virtual void stamp(TypedBatch<T>& batch, Marks& marks) = 0;
};

template <class T>
class WatermarkStrategy {
 public:
  /// No event time at all: no timestamps are set (those of the source stay) and no watermark but
  /// the final MAX is emitted.
  static WatermarkStrategy none() { return WatermarkStrategy(Kind::kNone, Duration(0)); }
  /// Records may come up to `bound` later than the latest one seen.
  static WatermarkStrategy bounded_out_of_orderness(Duration bound) {
    return WatermarkStrategy(Kind::kBounded, bound);
  }
  /// Times never go back.
  static WatermarkStrategy monotonous() { return WatermarkStrategy(Kind::kBounded, Duration(0)); }
  /// Watermarks from the author's own generator, one per split.
  static WatermarkStrategy custom(std::function<std::unique_ptr<WatermarkGenerator<T>>()> make) {
    WatermarkStrategy strategy(Kind::kCustom, Duration(0));
    strategy.make_generator_ = std::move(make);
    return strategy;
  }

  /// Takes the time from a field of type EventTime, `.with_timestamp(&Flight::scheduled)`, or from
  /// a function `EventTime(const T&)`.
  template <class F>
  requires std::is_invocable_r_v<EventTime, const F&, const T&> WatermarkStrategy
  with_timestamp(F extract)
  const;
  /// Without data for `timeout` (not counting back pressure and alignment pauses, rule 15) the
  /// split counts as idle.
  WatermarkStrategy with_idleness(Duration timeout) const {
    auto copy = *this;
    copy.idle_timeout_ = timeout;
    return copy;
  }
  /// Sources of one group do not run ahead of the slowest by more than `drift_max` (rule 16).
  WatermarkStrategy with_alignment(std::string group, Duration drift_max) const {
    auto copy = *this;
    copy.alignment_group_ = std::move(group);
    copy.alignment_drift_max_ = drift_max;
    return copy;
  }
  /// Looks at the watermark only after every n-th record of a split: fewer marks, later firing.
  WatermarkStrategy every_rows(uint32_t n) const {
    auto copy = *this;
    copy.every_rows_ = std::max<uint32_t>(1, n);
    return copy;
  }

  std::unique_ptr<SplitTimeline<T>> make_timeline() const { return make_timeline_(*this); }
  bool emits_watermarks() const { return kind_ != Kind::kNone; }
  std::optional<Duration> idle_timeout() const { return idle_timeout_; }
  const std::string& alignment_group() const { return alignment_group_; }
  Duration alignment_drift_max() const { return alignment_drift_max_; }

 private:
  enum class Kind { kNone, kBounded, kCustom };
  WatermarkStrategy(Kind kind, Duration bound);

  template <class Extract>
  class Timeline;

  Kind kind_;
  Duration bound_;
  uint32_t every_rows_ = 1;
  std::optional<Duration> idle_timeout_;
  std::string alignment_group_;
  Duration alignment_drift_max_{0};
  std::function<std::unique_ptr<WatermarkGenerator<T>>()> make_generator_;
  // Typed on the extractor, so the loop over a batch is inlined.
  std::function<std::unique_ptr<SplitTimeline<T>>(const WatermarkStrategy&)> make_timeline_;
};

// ---- implementation -----------------------------------------------------------------------------

namespace detail {
/// Keeps the time the source set.
struct SourceTime {};
}  // namespace detail

template <class T>
template <class Extract>
class WatermarkStrategy<T>::Timeline final : public SplitTimeline<T> {
 public:
  Timeline(const WatermarkStrategy& strategy, Extract extract)
      : kind_(strategy.kind_),
        bound_(strategy.bound_),
        every_rows_(strategy.every_rows_),
        extract_(std::move(extract)) {
    if (kind_ == Kind::kCustom) generator_ = strategy.make_generator_();
  }

  void stamp(TypedBatch<T>& batch, Marks& marks) override {
    const uint32_t rows = batch.rows();
    if constexpr (!std::is_same_v<Extract, detail::SourceTime>) {
      std::vector<EventTime> times(rows);
      for (uint32_t row = 0; row < rows; ++row) times[row] = std::invoke(extract_, batch[row]);
      batch.set_times(std::move(times));
    }
    if (kind_ == Kind::kNone) return;
    for (uint32_t row = 0; row < rows; ++row) {
      const EventTime time = batch.time(row);
      EventTime watermark = kMinTime;
      if (kind_ == Kind::kBounded) {
        if (time > newest_) newest_ = time;
        if (newest_ == kMinTime) continue;
        watermark = saturating_add(newest_, -bound_ - Duration(1));
      } else {
        watermark = std::max(current_, generator_->on_event(batch[row], time));
      }
      if (++rows_since_look_ < every_rows_) continue;
      rows_since_look_ = 0;
      if (watermark > current_) {
        current_ = watermark;
        marks.push_back({row + 1, watermark});
      }
    }
  }

 private:
  Kind kind_;
  Duration bound_;
  uint32_t every_rows_;
  uint32_t rows_since_look_ = 0;
  Extract extract_;
  std::unique_ptr<WatermarkGenerator<T>> generator_;
  EventTime newest_ = kMinTime;
  EventTime current_ = kMinTime;
};

template <class T>
WatermarkStrategy<T>::WatermarkStrategy(Kind kind, Duration bound) : kind_(kind), bound_(bound) {
  make_timeline_ = [](const WatermarkStrategy& strategy) -> std::unique_ptr<SplitTimeline<T>> {
    return std::make_unique<Timeline<detail::SourceTime>>(strategy, detail::SourceTime{});
  };
}

template <class T>
template <class F>
requires std::is_invocable_r_v<EventTime, const F&, const T&> WatermarkStrategy<T>
WatermarkStrategy<T>::with_timestamp(F extract)
const {
  auto copy = *this;
  copy.make_timeline_ =
      [extract](const WatermarkStrategy& strategy) -> std::unique_ptr<SplitTimeline<T>> {
    return std::make_unique<Timeline<F>>(strategy, extract);
  };
  return copy;
}

}  // namespace sluice
