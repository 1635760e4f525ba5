// Jobs that do what must not harm others: one crashes its process, one never comes back from user
// code, one takes memory without end, and one is blocked before it begins. And one that behaves.
#include <atomic>
#include <csignal>
#include <vector>

#include "api/stream.h"
#include "connectors/files/file_sink.h"
#include "connectors/generator.h"

namespace sluice {
namespace {

struct Tick {
  int64_t id = 0;
  int64_t key = 0;
  EventTime at;
};
SLUICE_RECORD(Tick, id, key, at);

[[noreturn]] void spin() {
  for (std::atomic<int64_t> turns{0};;) turns.fetch_add(1, std::memory_order_relaxed);
}

void take_memory_without_end() {
  static std::vector<std::vector<char>> taken;
  for (;;) taken.emplace_back(std::size_t{16} << 20, 'x');
}

/// Ticks whose function does `deed` with record `at`.
template <class Deed>
void misbehave(StreamEnvironment& env, const Arguments& args, Deed deed) {
  GeneratorOptions options;
  options.count = args.get<int64_t>("rows", 0, "records in all; 0: no end");
  options.rows_per_second = args.get<int64_t>("rate", 2000, "records per second");
  const auto at = args.get<int64_t>("at", 1000, "record of the deed; -1: none");
  const std::string output = args.path("output", "directory for the results");
  env.from_source(generate(options,
                           [](int64_t n) {
                             return Tick{n, n % 100, EventTime{n}};
                           }),
                  WatermarkStrategy<Tick>::monotonous().with_timestamp(&Tick::at))
      .uid("ticks")
      .map([at, deed](const Tick& tick) {
        if (tick.id == at) deed();
        return tick;
      })
      .name("deed")
      .uid("deed")
      .key_by(&Tick::key)
      .window(TumblingEventTimeWindows::of(1s))
      .reduce([](const Tick& a, const Tick& b) { return a.id < b.id ? b : a; })
      .uid("newest")
      .sink_to(csv_files<Tick>(output).overwrite(true))
      .uid("results");
}

SLUICE_JOB(steady) {
  misbehave(env, args, [] {});
}
SLUICE_JOB(crash) {
  misbehave(env, args, [] { std::raise(SIGSEGV); });
}
SLUICE_JOB(spinning) {
  misbehave(env, args, [] { spin(); });
}
SLUICE_JOB(hungry) {
  misbehave(env, args, [] { take_memory_without_end(); });
}
SLUICE_JOB(stuck_builder) {
  if (args.get<int64_t>("builder-spins", 1, "1: the builder never comes back") == 1) spin();
  misbehave(env, args, [] {});
}

}  // namespace
}  // namespace sluice
