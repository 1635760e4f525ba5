#include "actors/restart_policy.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

Options with(std::initializer_list<std::pair<const char*, const char*>> values) {
  Options options;
  for (const auto& [key, value] : values) {
    REQUIRE(options.set(std::string("restart-strategy.") + key, value).is_ok());
  }
  return options;
}

}  // namespace

TEST_CASE("restart_policy: auto restarts only when checkpoints are on") {
  CHECK_FALSE(make_restart_policy(Options(), false, 1)->on_failure(0));
  CHECK(make_restart_policy(Options(), true, 1)->on_failure(0));
  CHECK_FALSE(make_restart_policy(with({{"type", "none"}}), true, 1)->on_failure(0));
}

TEST_CASE("restart_policy: fixed-delay gives up after the allowed attempts") {
  const auto policy = make_restart_policy(
      with(
          {{"type", "fixed-delay"}, {"fixed-delay.attempts", "2"}, {"fixed-delay.delay", "300ms"}}),
      true, 1);
  CHECK(policy->on_failure(0) == Duration(300));
  CHECK(policy->on_failure(10'000'000) == Duration(300));
  CHECK_FALSE(policy->on_failure(20'000'000));
}

TEST_CASE("restart_policy: failure-rate counts failures within its window only") {
  const auto policy = make_restart_policy(with({{"type", "failure-rate"},
                                                {"failure-rate.max-failures-per-interval", "2"},
                                                {"failure-rate.failure-rate-interval", "10s"},
                                                {"failure-rate.delay", "1s"}}),
                                          true, 1);
  CHECK(policy->on_failure(0));
  CHECK(policy->on_failure(9'000));
  CHECK(policy->on_failure(11'000));
  CHECK_FALSE(policy->on_failure(12'000));
}

TEST_CASE("restart_policy: exponential-delay doubles, stays under its limit and starts over") {
  const Options options = with({{"type", "exponential-delay"},
                                {"exponential-delay.initial-backoff", "1s"},
                                {"exponential-delay.max-backoff", "8s"},
                                {"exponential-delay.reset-backoff-threshold", "1m"}});
  const auto policy = make_restart_policy(options, true, 42);
  const auto same_seed = make_restart_policy(options, true, 42);
  int64_t now = 0;
  double expected = 1000;
  for (int i = 0; i < 8; ++i) {
    const auto delay = policy->on_failure(now);
    REQUIRE(delay);
    CHECK(delay == same_seed->on_failure(now));
    CHECK(static_cast<double>(delay->count()) >= expected * (1 - kRestartJitter) - 1);
    CHECK(static_cast<double>(delay->count()) <= std::min(8000.0, expected * (1 + kRestartJitter)));
    expected = std::min(8000.0, expected * 2);
    now += delay->count() + 30'000;
  }
  now += 61'000;
  CHECK(policy->on_failure(now)->count() <= 1100);
}

TEST_CASE("restart_policy: exponential-delay can be limited in attempts") {
  const auto policy =
      make_restart_policy(with({{"type", "exponential-delay"},
                                {"exponential-delay.attempts-before-reset-backoff", "3"}}),
                          false, 1);
  for (int i = 0; i < 3; ++i) CHECK(policy->on_failure(i * 1000));
  CHECK_FALSE(policy->on_failure(4000));
}

}  // namespace sluice
