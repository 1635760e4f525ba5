// Evictors: drop elements of a window before or after its function runs. A window with an evictor
// keeps its raw elements with their timestamps (semantics rule 8); what is evicted is gone for
// good.
//
// An evictor has evict_before and evict_after(WindowElements<T>&, window, now); Evictor<T, W> is
// the base for custom ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "core/time.h"
#include "state/api/text_block.h"

namespace sluice {

/// The elements of one window in order of arrival, with their timestamps. Removing releases the
/// texts that the elements own (state/api/text_block.h).
template <class T>
class WindowElements {
 public:
  /// Both vectors have the same length and outlive this view.
  WindowElements(std::vector<T>& values, std::vector<EventTime>& times)
      : values_(values), times_(times) {}

  size_t size() const { return values_.size(); }
  const T& value(size_t i) const { return values_[i]; }
  EventTime time(size_t i) const { return times_[i]; }
  std::span<const T> values() const { return values_; }

  /// Drops the oldest arrivals.
  void remove_first(size_t count) {
    size_t left = std::min(count, values_.size());
    remove_if([&](const T&, EventTime) { return left > 0 && left-- > 0; });
  }
  /// Drops every element for which gone(value, time) holds; asked in order.
  template <class Gone>
  void remove_if(Gone&& gone) {
    size_t kept = 0;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (gone(std::as_const(values_[i]), times_[i])) {
        release_texts(values_[i]);
        continue;
      }
      if (kept != i) {
        values_[kept] = std::move(values_[i]);
        times_[kept] = times_[i];
      }
      ++kept;
    }
    values_.erase(values_.begin() + static_cast<std::ptrdiff_t>(kept), values_.end());
    times_.resize(kept);
  }

 private:
  std::vector<T>& values_;
  std::vector<EventTime>& times_;
};

/// Base of custom evictors.
template <class T, class W>
class Evictor {
 public:
  virtual ~Evictor() = default;
  virtual void evict_before(WindowElements<T>& elements, const W& window, EventTime now) = 0;
  virtual void evict_after(WindowElements<T>& /*elements*/, const W& /*window*/,
                           EventTime /*now*/) {}
};

enum class Evict { kBefore, kAfter };

namespace detail {

/// Calls Derived::evict before or after the function, as was asked for.
template <class Derived>
struct EvictOnce {
  template <class T, class W>
  void evict_before(WindowElements<T>& elements, const W&, EventTime) const {
    if (when == Evict::kBefore) static_cast<const Derived*>(this)->evict(elements);
  }
  template <class T, class W>
  void evict_after(WindowElements<T>& elements, const W&, EventTime) const {
    if (when == Evict::kAfter) static_cast<const Derived*>(this)->evict(elements);
  }
  Evict when = Evict::kBefore;
};

}  // namespace detail

/// Keeps the `count` elements that came last.
struct CountEvictor : detail::EvictOnce<CountEvictor> {
  static CountEvictor of(int64_t count, Evict when = Evict::kBefore) { return {{when}, count}; }
  template <class T>
  void evict(WindowElements<T>& elements) const {
    const auto keep = static_cast<size_t>(std::max<int64_t>(0, count));
    if (elements.size() > keep) elements.remove_first(elements.size() - keep);
  }
  int64_t count = 0;
};

/// Keeps the elements newer than the newest one minus `size`.
struct TimeEvictor : detail::EvictOnce<TimeEvictor> {
  static TimeEvictor of(Duration size, Evict when = Evict::kBefore) { return {{when}, size}; }
  template <class T>
  void evict(WindowElements<T>& elements) const {
    EventTime newest = kNoTimestamp;
    for (size_t i = 0; i < elements.size(); ++i) newest = std::max(newest, elements.time(i));
    if (newest == kNoTimestamp) return;
    const EventTime cutoff = saturating_add(newest, -size);
    elements.remove_if([&](const T&, EventTime time) { return time <= cutoff; });
  }
  Duration size{0};
};

/// Drops the elements whose delta to the last one is at least the threshold.
template <class Delta>
struct DeltaEvictor : detail::EvictOnce<DeltaEvictor<Delta>> {
  static DeltaEvictor of(double threshold, Delta delta, Evict when = Evict::kBefore) {
    return {{when}, threshold, std::move(delta)};
  }
  template <class T>
  void evict(WindowElements<T>& elements) const {
    if (elements.size() == 0) return;
    // Decided first, because removing moves the last element.
    std::vector<bool> gone(elements.size());
    const T& last = elements.value(elements.size() - 1);
    for (size_t i = 0; i < gone.size(); ++i) {
      gone[i] = static_cast<double>(std::invoke(delta, elements.value(i), last)) >= threshold;
    }
    size_t i = 0;
    elements.remove_if([&](const T&, EventTime) { return gone[i++]; });
  }
  double threshold = 0;
  Delta delta;
};

/// Stands where no evictor is used.
struct NoEvictor {};

}  // namespace sluice
