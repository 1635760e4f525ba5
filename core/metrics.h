// Counters, gauges and histograms of tasks, operators and user functions.
//
// One writer (the task) and any number of readers: values are relaxed atomics, so an update costs a
// plain add. Names are registered in open(); registering twice gives the same metric. A group
// outlives the operator that uses it.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sluice {

class Counter {
 public:
  void add(int64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// A value that is set, not summed.
class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// Counts by logarithmic buckets of 1/8 octave: quantiles are exact within 9 %. Values below zero
/// count as zero.
class Histogram {
 public:
  void record(int64_t value);
  int64_t count() const;
  /// The value below which the share q (0..1) of the records lie; 0 when empty.
  int64_t quantile(double q) const;
  int64_t max() const { return max_.load(std::memory_order_relaxed); }
  /// Adds the counts of another histogram.
  void merge(const Histogram& other);

 private:
  static constexpr int kSubBits = 3;
  static constexpr size_t kBuckets = (64 << kSubBits);
  static size_t bucket_of(uint64_t value);
  static int64_t upper_bound_of(size_t bucket);
  std::array<std::atomic<int64_t>, kBuckets> buckets_{};
  std::atomic<int64_t> max_{0};
};

/// The metrics of one operator or task. Registration locks; updates do not.
class MetricGroup {
 public:
  Counter& counter(const std::string& name);
  Gauge& gauge(const std::string& name);
  Histogram& histogram(const std::string& name);

  void for_each_counter(const std::function<void(const std::string&, int64_t)>& f) const;
  void for_each_gauge(const std::function<void(const std::string&, int64_t)>& f) const;
  void for_each_histogram(const std::function<void(const std::string&, const Histogram&)>& f) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Counter>> counters_;
  std::map<std::string, std::unique_ptr<Gauge>> gauges_;
  std::map<std::string, std::unique_ptr<Histogram>> histograms_;
};

}  // namespace sluice
