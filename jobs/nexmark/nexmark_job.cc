#include "jobs/nexmark/nexmark_job.h"

#include "connectors/kafka/kafka_source.h"

namespace jobs::nexmark {

using sluice::at_least;
using sluice::Duration;

NexmarkJob::NexmarkJob(sluice::StreamEnvironment& env, const sluice::Arguments& args) {
  const std::string events = args.path_or(
      "events", "", "JSON lines file, directory or glob of events instead of the generator");
  sluice::nexmark::NexmarkOptions options;
  options.count = args.get<int64_t>("count", 1'000'000, "events to generate; 0 = without end",
                                    at_least<int64_t>(0));
  options.run_for =
      args.duration("run-for", Duration(0), "stop generating after this long; 0 = not by time",
                    at_least(Duration(0)));
  options.rate = args.get<int64_t>("rate", 0, "events per second to generate; 0 = no limit",
                                   at_least<int64_t>(0));
  options.generator.events_per_second =
      args.get<int64_t>("event-rate", options.generator.events_per_second,
                        "events per second of event time", at_least<int64_t>(1));
  options.generator.out_of_order_group =
      args.get<int64_t>("out-of-order-group", 1, "events in this many are dealt in scrambled order",
                        at_least<int64_t>(1));
  options.generator.seed = args.get<uint64_t>("seed", 0, "another seed gives other events");
  const Duration behind =
      args.duration("max-out-of-orderness", Duration(4000),
                    "how far the watermark is behind the newest event", at_least(Duration(1)));
  output_ = args.path_or("output", "", "directory for the results; without, they are dropped");
  json_ = args.choice("format", {"csv", "json"}, "csv", "format of the results") == "json";
  final_only_ =
      args.choice("output-mode", {"changelog", "final"}, "changelog",
                  "of a changing table: every change, or the table at the end") == "final";
  overwrite_ = args.flag("overwrite", "replace the results of an earlier run");
  args.require(events.empty() || !args.is_given("count"),
               "--count is for the generator and cannot be used with --events");
  args.require(!final_only_ || !events.empty() || options.count > 0 || options.run_for.count() > 0,
               "--output-mode final needs an input that ends");

  const bool from_kafka = args.choice("source", {"generator", "kafka"}, "generator",
                                      "where events come from without --events") == "kafka";
  to_kafka_ = args.choice("sink", {"files", "kafka"}, "files", "where results go") == "kafka";
  brokers_ = args.text("brokers", "127.0.0.1:9092", "bootstrap servers for kafka");
  const std::string events_topic = args.text("events-topic", "nexmark-events", "JSON events");
  results_topic_ = args.text("results-topic", "nexmark-results", "JSON rows");
  exactly_once_ = env.options().is_set("execution.checkpointing.interval");
  args.require(!from_kafka || events.empty(), "--source kafka cannot be used with --events");
  args.require(!to_kafka_ || output_.empty(), "--sink kafka cannot be used with --output");

  const auto watermarks = sluice::nexmark::nexmark_watermarks(behind);
  if (from_kafka) {
    const auto topic = sluice::kafka_source(sluice::nexmark::EventFormat())
                           .brokers(brokers_)
                           .topics({events_topic})
                           .bounded();
    events_ = env.from_source(topic, watermarks).uid("events");
    return;
  }
  if (events.empty()) {
    events_ = env.from_source(sluice::nexmark::nexmark_events(options), watermarks).uid("events");
    return;
  }
  source_parallelism_ = 1;
  events_ = env.from_source(sluice::nexmark::nexmark_event_files(events), watermarks)
                .uid("events")
                .set_parallelism(source_parallelism_);
  if (output_.empty()) return;
  events_->dead_letters()
      .sink_to(sluice::dead_letter_file(output_ + "/" + kDeadLetters).overwrite(overwrite_))
      .uid("dead letters");
}

}  // namespace jobs::nexmark
