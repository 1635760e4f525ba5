#include "actors/restart_policy.h"

#include <algorithm>
#include <deque>

#include "core/check.h"
#include "core/random.h"

namespace sluice {
namespace {

class NoRestart final : public RestartPolicy {
 public:
  std::optional<Duration> on_failure(int64_t /*now_ms*/) override { return std::nullopt; }
  std::string describe() const override { return "none"; }
};

class FixedDelay final : public RestartPolicy {
 public:
  FixedDelay(int64_t attempts, Duration delay) : attempts_(attempts), delay_(delay) {}

  std::optional<Duration> on_failure(int64_t /*now_ms*/) override {
    if (used_ >= attempts_) return std::nullopt;
    ++used_;
    return delay_;
  }
  std::string describe() const override {
    return "fixed-delay (" + std::to_string(attempts_) + " times, " + to_text(delay_) + ")";
  }

 private:
  const int64_t attempts_;
  const Duration delay_;
  int64_t used_ = 0;
};

class FailureRate final : public RestartPolicy {
 public:
  FailureRate(int64_t failures_max, Duration interval, Duration delay)
      : failures_max_(failures_max), interval_(interval), delay_(delay) {}

  std::optional<Duration> on_failure(int64_t now_ms) override {
    while (!failures_.empty() && now_ms - failures_.front() > interval_.count()) {
      failures_.pop_front();
    }
    failures_.push_back(now_ms);
    if (static_cast<int64_t>(failures_.size()) > failures_max_) return std::nullopt;
    return delay_;
  }
  std::string describe() const override {
    return "failure-rate (" + std::to_string(failures_max_) + " in " + to_text(interval_) + ")";
  }

 private:
  const int64_t failures_max_;
  const Duration interval_;
  const Duration delay_;
  std::deque<int64_t> failures_;
};

class ExponentialDelay final : public RestartPolicy {
 public:
  struct Limits {
    Duration initial;
    Duration max;
    Duration reset;
    int64_t attempts;  // 0 = no limit.
  };
  ExponentialDelay(Limits limits, uint64_t seed)
      : limits_(limits), random_(seed), next_(limits.initial) {}

  std::optional<Duration> on_failure(int64_t now_ms) override {
    // It ran well since the restart that followed the last failure.
    if (attempts_ > 0 && now_ms - restarted_ms_ >= limits_.reset.count()) {
      attempts_ = 0;
      next_ = limits_.initial;
    }
    if (limits_.attempts > 0 && attempts_ >= limits_.attempts) return std::nullopt;
    ++attempts_;
    const auto base = static_cast<double>(next_.count());
    const double factor = 1 + kRestartJitter * (2 * random_.real() - 1);
    const Duration delay(std::min(limits_.max.count(), static_cast<int64_t>(base * factor)));
    next_ = std::min(limits_.max, std::max(next_ * 2, Duration(1)));
    restarted_ms_ = now_ms + delay.count();
    return delay;
  }
  std::string describe() const override {
    return "exponential-delay (" + to_text(limits_.initial) + " to " + to_text(limits_.max) + ")";
  }

 private:
  const Limits limits_;
  Random random_;
  Duration next_;
  int64_t attempts_ = 0;
  int64_t restarted_ms_ = 0;
};

}  // namespace

std::unique_ptr<RestartPolicy> make_restart_policy(const Options& options, bool checkpointing,
                                                   uint64_t seed) {
  std::string type = options.get(options::kRestartStrategy);
  if (type == "auto") type = checkpointing ? "exponential-delay" : "none";
  if (type == "none") return std::make_unique<NoRestart>();
  if (type == "fixed-delay") {
    return std::make_unique<FixedDelay>(options.get(options::kRestartFixedAttempts),
                                        options.get(options::kRestartFixedDelay));
  }
  if (type == "failure-rate") {
    return std::make_unique<FailureRate>(options.get(options::kRestartRateFailures),
                                         options.get(options::kRestartRateInterval),
                                         options.get(options::kRestartRateDelay));
  }
  SLUICE_CHECK(type == "exponential-delay");
  return std::make_unique<ExponentialDelay>(
      ExponentialDelay::Limits{.initial = options.get(options::kRestartBackoffInitial),
                               .max = options.get(options::kRestartBackoffMax),
                               .reset = options.get(options::kRestartBackoffReset),
                               .attempts = options.get(options::kRestartBackoffAttempts)},
      seed);
}

}  // namespace sluice
