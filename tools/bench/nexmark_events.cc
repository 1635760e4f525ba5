// Writes the events of the Nexmark generator as JSON lines, the shape every query reads with
// --events.
//
//   bazel run //tools/bench:nexmark_events -- --count 100000 --event-rate 1000 --output
//   events.jsonl
#include <cstdio>
#include <string>
#include <vector>

#include "api/arguments.h"
#include "connectors/nexmark/event_format.h"
#include "connectors/nexmark/event_generator.h"
#include "core/arena.h"

namespace sluice::nexmark {
namespace {

/// False after a message on stderr.
bool write_events(const GeneratorConfig& config, int64_t count, std::FILE* out) {
  const EventGenerator generator(config);
  const TextArenaRef texts(new TextArena());
  std::string lines;
  constexpr size_t kWriteBytes = 1 << 16;
  for (int64_t position = 0; position < count; ++position) {
    const ArenaScope scope(texts.get());
    append_event_line(generator.event_at(position), lines);
    if (lines.size() < kWriteBytes && position + 1 < count) continue;
    if (std::fwrite(lines.data(), 1, lines.size(), out) != lines.size()) return false;
    lines.clear();
    texts->clear();
  }
  return std::fflush(out) == 0;
}

int main_of_tool(const std::vector<std::string>& words) {
  const auto parsed = Arguments::parse(words);
  if (!parsed.is_ok()) {
    std::fprintf(stderr, "nexmark_events: %s\n", parsed.status().message().c_str());
    return 2;
  }
  const Arguments& args = *parsed;
  GeneratorConfig config;
  const auto count = args.get<int64_t>("count", 100'000, "events", at_least<int64_t>(0));
  config.events_per_second =
      args.get<int64_t>("event-rate", config.events_per_second, "events per second of event time",
                        at_least<int64_t>(1));
  config.out_of_order_group =
      args.get<int64_t>("out-of-order-group", 1, "events in this many are dealt in scrambled order",
                        at_least<int64_t>(1));
  config.seed = args.get<uint64_t>("seed", 0, "another seed gives other events");
  const std::string output = args.path_or("output", "", "file to write; without, standard output");
  const Status known = args.check_unknown();
  if (!known.is_ok()) {
    std::fprintf(stderr, "nexmark_events: %s\n%s", known.message().c_str(),
                 args.help_text().c_str());
    return 2;
  }
  std::FILE* out = output.empty() ? stdout : std::fopen(output.c_str(), "wb");
  bool good = out != nullptr && write_events(config, count, out);
  if (out != nullptr && !output.empty()) good = std::fclose(out) == 0 && good;
  if (!good) std::perror(output.empty() ? "nexmark_events" : output.c_str());
  return good ? 0 : 1;
}

}  // namespace
}  // namespace sluice::nexmark

int main(int count, char** words) {
  try {
    return sluice::nexmark::main_of_tool(std::vector<std::string>(words + 1, words + count));
  } catch (const sluice::ArgumentError& error) {
    std::fprintf(stderr, "nexmark_events: %s\n", error.what());
    return 2;
  }
}
