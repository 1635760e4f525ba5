#include "core/metrics.h"

#include <algorithm>
#include <cmath>

namespace sluice {

size_t Histogram::bucket_of(uint64_t value) {
  constexpr uint64_t kSub = 1U << kSubBits;
  if (value < kSub) return value;
  const int exponent = 63 - std::countl_zero(value);
  const uint64_t mantissa = (value >> (exponent - kSubBits)) & (kSub - 1);
  return static_cast<size_t>((static_cast<uint64_t>(exponent - kSubBits + 1) << kSubBits) +
                             mantissa);
}

int64_t Histogram::upper_bound_of(size_t bucket) {
  constexpr size_t kSub = size_t{1} << kSubBits;
  if (bucket < kSub) return static_cast<int64_t>(bucket);
  const int exponent = static_cast<int>(bucket >> kSubBits) + kSubBits - 1;
  const uint64_t mantissa = bucket & (kSub - 1);
  const uint64_t low = (uint64_t{1} << exponent) + (mantissa << (exponent - kSubBits));
  return static_cast<int64_t>(low + (uint64_t{1} << (exponent - kSubBits)) - 1);
}

void Histogram::record(int64_t value) {
  value = std::max<int64_t>(value, 0);
  auto& bucket = buckets_[bucket_of(static_cast<uint64_t>(value))];
  bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
}

int64_t Histogram::count() const {
  int64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

int64_t Histogram::quantile(double q) const {
  const int64_t total = count();
  if (total == 0) return 0;
  const auto wanted = static_cast<int64_t>(std::ceil(q * static_cast<double>(total)));
  int64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i].load(std::memory_order_relaxed);
    if (seen >= wanted && seen > 0) return std::min(upper_bound_of(i), max());
  }
  return max();
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    buckets_[i].fetch_add(other.buckets_[i].load(std::memory_order_relaxed),
                          std::memory_order_relaxed);
  }
  max_.store(std::max(max(), other.max()), std::memory_order_relaxed);
}

namespace {

template <class M>
M& find_or_add(std::map<std::string, std::unique_ptr<M>>& all, const std::string& name) {
  auto& slot = all[name];
  if (!slot) slot = std::make_unique<M>();
  return *slot;
}

}  // namespace

Counter& MetricGroup::counter(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return find_or_add(counters_, name);
}
Gauge& MetricGroup::gauge(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return find_or_add(gauges_, name);
}
Histogram& MetricGroup::histogram(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return find_or_add(histograms_, name);
}

void MetricGroup::for_each_counter(
    const std::function<void(const std::string&, int64_t)>& f) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, counter] : counters_) f(name, counter->value());
}
void MetricGroup::for_each_gauge(const std::function<void(const std::string&, int64_t)>& f) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, gauge] : gauges_) f(name, gauge->value());
}
void MetricGroup::for_each_histogram(
    const std::function<void(const std::string&, const Histogram&)>& f) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, histogram] : histograms_) f(name, *histogram);
}

}  // namespace sluice
