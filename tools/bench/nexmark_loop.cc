// The same work without an engine: each query as one loop over the generator, rows going through a
// byte buffer as they would between two operators. The bound that the jobs are compared with.
//
//   bazel run //tools/bench:nexmark_loop -- --count 10000000      prints {"q0": events per core and
//   second}
//
// One thread; the best of three runs, because whatever disturbs a loop can only make it slower.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "api/arguments.h"
#include "connectors/nexmark/event_generator.h"
#include "tools/bench/loops/loops.h"

namespace sluice::nexmark {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);  // tidy:allow(clock): processor time, not wall time
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Loop {
  const char* query;
  void (*run)(const EventGenerator& generator, int64_t count);
};
constexpr Loop kLoops[] = {
    {"q0", loop_q0},   {"q1", loop_q1},   {"q2", loop_q2},   {"q3", loop_q3},   {"q4", loop_q4},
    {"q5", loop_q5},   {"q7", loop_q7},   {"q8", loop_q8},   {"q9", loop_q9},   {"q10", loop_q10},
    {"q11", loop_q11}, {"q12", loop_q12}, {"q15", loop_q15}, {"q17", loop_q17}, {"q18", loop_q18},
    {"q19", loop_q19}, {"q20", loop_q20},
};
constexpr int kRuns = 3;

void measure_all(const EventGenerator& generator, int64_t count) {
  const char* separator = "{";
  for (const Loop& loop : kLoops) {
    double best = 0;
    for (int run = 0; run < kRuns; ++run) {
      const double begin = cpu_seconds();
      loop.run(generator, count);
      best = std::max(best, static_cast<double>(count) / (cpu_seconds() - begin));
    }
    std::printf("%s\"%s\": %.0f", separator, loop.query, best);
    separator = ", ";
  }
  std::printf("}\n");
}

int main_of_tool(const std::vector<std::string>& words) {
  const auto parsed = Arguments::parse(words);
  if (!parsed.is_ok()) {
    std::fprintf(stderr, "nexmark_loop: %s\n", parsed.status().message().c_str());
    return 2;
  }
  GeneratorConfig config;
  const auto count = parsed->get<int64_t>("count", 10'000'000, "events", at_least<int64_t>(1));
  config.events_per_second =
      parsed->get<int64_t>("event-rate", config.events_per_second,
                           "events per second of event time", at_least<int64_t>(1));
  const Status known = parsed->check_unknown();
  if (!known.is_ok()) {
    std::fprintf(stderr, "nexmark_loop: %s\n", known.message().c_str());
    return 2;
  }
  measure_all(EventGenerator(config), count);
  return 0;
}

}  // namespace
}  // namespace sluice::nexmark

int main(int count, char** words) {
  try {
    return sluice::nexmark::main_of_tool(std::vector<std::string>(words + 1, words + count));
  } catch (const sluice::ArgumentError& error) {
    std::fprintf(stderr, "nexmark_loop: %s\n", error.what());
    return 2;
  }
}
