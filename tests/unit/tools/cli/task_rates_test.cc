#include "tools/cli/task_rates.h"

#include <doctest/doctest.h>

#include "tests/unit/tools/cli/looks.h"

namespace sluice {
namespace {

TEST_CASE("task rates: differences of two looks") {
  JobInspection before = some_job();
  JobInspection now = before;
  now.looked += 2000;
  now.tasks[0].rows_out += 3000;
  now.tasks[0].busy_ns += kSecondNs;
  now.tasks[0].back_pressured_ns += kSecondNs / 2;
  now.tasks[0].idle_ns += kSecondNs / 2;
  const auto rates = rates_of(&before, now);
  REQUIRE(rates.size() == 4);
  CHECK(rates[0].rows_out == doctest::Approx(1500));
  CHECK(rates[0].records() == doctest::Approx(1500));
  CHECK(rates[0].busy == doctest::Approx(0.5));
  CHECK(rates[0].back_pressured == doctest::Approx(0.25));
  CHECK(rates[1].busy == 0);
  const TaskRates vertex = rates_of_vertex(0, now, rates);
  CHECK(vertex.rows_out == doctest::Approx(1500));
  CHECK(vertex.busy == doctest::Approx(0.25));
}

TEST_CASE("task rates: after a restart, and without an earlier look, those since the start") {
  JobInspection before = some_job();
  before.tasks[0].rows_in = 1'000'000;
  JobInspection now = some_job();
  now.looked += 1000;
  now.tasks[0].rows_in = 50;
  now.tasks[0].idle_ns = 10 * kSecondNs;
  CHECK(rates_of(&before, now)[0].rows_in == doctest::Approx(5));
  now.attempt = 1;
  now.tasks[0].rows_in = 2'000'000;
  CHECK(rates_of(&before, now)[0].rows_in == doctest::Approx(200'000));
  CHECK(rates_of(nullptr, now)[0].rows_in == doctest::Approx(200'000));
}

TEST_CASE("task rates: levels of back pressure are Flink's") {
  TaskRates rates;
  rates.back_pressured = 0.1;
  CHECK(back_pressure_of(rates) == BackPressure::kOk);
  rates.back_pressured = 0.11;
  CHECK(back_pressure_of(rates) == BackPressure::kLow);
  rates.back_pressured = 0.51;
  CHECK(back_pressure_of(rates) == BackPressure::kHigh);
}

}  // namespace
}  // namespace sluice
