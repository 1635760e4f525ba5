// Delays per origin airport and window of event time, from Kafka to Kafka, each result exactly
// once.
//
//   bazel run //jobs:kafka_pipeline -- --checkpoint-interval 5s --checkpoint-dir out/checkpoints
//
// Reads JSON flights {"scheduled","delay_min","distance_mi","origin","destination"} from
// --input-topic and writes JSON summaries to --results-topic, keyed by airport; flights later than
// the watermark allows go to --late-topic, messages that are no flight to --dead-letter-topic with
// headers that say where they were and why.
#include "api/stream.h"
#include "connectors/kafka/kafka_dead_letter.h"
#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"
#include "jobs/delay_summary.h"
#include "jobs/flight.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

/// What source and sinks have in common.
struct Clients {
  std::string brokers;
  KafkaProperties properties;
  bool exactly_once = true;
  bool allow_repeats = false;
  int32_t partitions = 0;

  template <class S>
  S sink(S described, const std::string& topic) const {
    described.brokers(brokers).properties(properties).topic(topic).create_topic(partitions);
    described.allow_repeats(allow_repeats);
    return exactly_once ? described.exactly_once() : described.at_least_once();
  }
};

Clients clients_of(StreamEnvironment& env, const Arguments& args) {
  Clients clients;
  clients.brokers = args.text("brokers", "127.0.0.1:9092", "bootstrap servers");
  const std::string file = args.path_or("properties", "", "file of librdkafka properties");
  clients.exactly_once = args.choice("delivery", {"exactly-once", "at-least-once"}, "exactly-once",
                                     "what a failure does to the results") == "exactly-once";
  clients.allow_repeats =
      args.flag("allow-repeats", "start also from a snapshot older than the results");
  clients.partitions =
      args.get<int32_t>("partitions", 4, "of topics that do not exist yet", at_least<int32_t>(1));
  if (file.empty()) return clients;
  const auto read = read_kafka_properties(file);
  if (read.is_ok()) {
    clients.properties = *read;
  } else {
    env.fail(read.status());
  }
  return clients;
}

KafkaStart start_of(const std::string& word) {
  if (word == "latest") return KafkaStart::latest();
  return word == "group" ? KafkaStart::group_offsets() : KafkaStart::earliest();
}

SLUICE_JOB(kafka_pipeline) {
  const Clients clients = clients_of(env, args);
  const std::string input = args.text("input-topic", "flights", "JSON flights");
  const std::string results = args.text("results-topic", "delays", "summaries");
  const std::string late_topic = args.text("late-topic", "flights-late", "flights that came late");
  const std::string dead_topic =
      args.text("dead-letter-topic", "flights-dead", "messages that are no flight");
  const std::string group = args.text("group", "kafka_pipeline", "consumer group for offsets");
  const std::string start =
      args.choice("start", {"earliest", "latest", "group"}, "earliest", "where to begin");
  const bool bounded = args.flag("bounded", "end where the topic ends when the job starts");
  const Duration window =
      args.duration("window", 1h, "length of a window", at_least<Duration>(1ms));
  const Duration bound =
      args.duration("max-out-of-orderness", 2h,
                    "how much later than the latest flight one may come", at_least<Duration>(0ms));
  const Duration idle = args.duration("idle-timeout", 30s,
                                      "a partition that long without a flight "
                                      "does not hold the others back",
                                      at_least<Duration>(1ms));

  auto source = kafka_source(JsonLinesFormat<FlightColumns>())
                    .brokers(clients.brokers)
                    .properties(clients.properties)
                    .topics({input})
                    .group_id(group)
                    .start(start_of(start));
  if (bounded) source.bounded();
  const OutputTag<FlightColumns> late("late");
  auto flights =
      env.from_source(source, WatermarkStrategy<FlightColumns>::bounded_out_of_orderness(bound)
                                  .with_timestamp(&FlightColumns::scheduled)
                                  .with_idleness(idle))
          .uid("flights");
  auto delays = flights.key_by(&FlightColumns::origin)
                    .window(TumblingEventTimeWindows::of(window))
                    .side_output_late_data(late)
                    .aggregate<OriginDelays>(SummarizeDelays<FlightColumns>{}, collect_delays)
                    .name("delays per origin")
                    .uid("delays");
  const auto by_origin = [](const auto& row) { return row.origin; };
  delays.sink_to(clients.sink(kafka_sink(JsonLinesFormat<OriginDelays>()).key(by_origin), results))
      .uid("results");
  delays.get_side_output(late)
      .sink_to(
          clients.sink(kafka_sink(JsonLinesFormat<FlightColumns>()).key(by_origin), late_topic))
      .uid("late flights");
  flights.dead_letters()
      .sink_to(clients.sink(kafka_dead_letters(), dead_topic))
      .uid("dead letters");
}

}  // namespace
}  // namespace jobs
