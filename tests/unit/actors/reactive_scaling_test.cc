#include "actors/reactive_scaling.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

using Step = ReactiveScaling::Step;
constexpr int64_t kMs = 1'000'000;

TEST_CASE("reactive_scaling: more slots count once they have stood for the settle time") {
  ReactiveScaling scaling(16, Duration(1000));
  CHECK(scaling.decide(0, 1, 1).step == Step::kNone);
  CHECK(scaling.decide(100 * kMs, 2, 1).step == Step::kNone);
  CHECK(scaling.decide(900 * kMs, 4, 1).step == Step::kNone);
  CHECK(scaling.decide(1800 * kMs, 4, 1).step == Step::kNone);
  const auto decision = scaling.decide(1900 * kMs, 4, 1);
  CHECK(decision.step == Step::kRescale);
  CHECK(decision.parallelism == 4);
  CHECK(scaling.decide(2000 * kMs, 4, 4).step == Step::kNone);
}

TEST_CASE("reactive_scaling: slots that went away end the wait for them, none at all does not") {
  ReactiveScaling scaling(16, Duration(1000));
  CHECK(scaling.decide(0, 4, 4).step == Step::kNone);
  CHECK(scaling.decide(10 * kMs, 2, 4).step == Step::kNone);
  const auto decision = scaling.decide(1010 * kMs, 2, 4);
  CHECK(decision.step == Step::kRestart);
  CHECK(decision.parallelism == 2);
  CHECK(scaling.decide(1020 * kMs, 0, 2).step == Step::kNone);
  CHECK(scaling.decide(9000 * kMs, 0, 2).step == Step::kNone);
}

TEST_CASE("reactive_scaling: a TaskManager that comes back in time changes nothing") {
  ReactiveScaling scaling(16, Duration(1000));
  CHECK(scaling.decide(0, 4, 4).step == Step::kNone);
  CHECK(scaling.decide(10 * kMs, 2, 4).step == Step::kNone);
  CHECK(scaling.decide(800 * kMs, 4, 4).step == Step::kNone);
  CHECK(scaling.decide(5000 * kMs, 4, 4).step == Step::kNone);
}

TEST_CASE("reactive_scaling: never more than the job can use") {
  ReactiveScaling scaling(3, Duration(0));
  CHECK(scaling.decide(0, 64, 1).parallelism == 3);
  CHECK(scaling.decide(1, 64, 3).step == Step::kNone);
}

}  // namespace
}  // namespace sluice
