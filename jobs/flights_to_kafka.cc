// Flights from CSV files into a topic of JSON messages, keyed by airport: input for kafka_pipeline.
//
//   bazel run //jobs:flights_to_kafka -- --input jobs/data/us_flights_2001q1.csv
#include "api/stream.h"
#include "connectors/files/file_source.h"
#include "connectors/kafka/kafka_sink.h"
#include "jobs/flight.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

SLUICE_JOB(flights_to_kafka) {
  const std::string input = args.path("input", "CSV file, directory or glob of flights");
  const std::string brokers = args.text("brokers", "127.0.0.1:9092", "bootstrap servers");
  const std::string topic = args.text("topic", "flights", "written to");
  const auto partitions = args.get<int32_t>(
      "partitions", 4, "of the topic if it does not exist yet", at_least<int32_t>(1));
  const auto rate = args.get<int64_t>("rate", 0, "flights per second to read at most; 0 = no limit",
                                      at_least<int64_t>(0));
  env.from_source(
         csv_file<FlightColumns>(input).rows_per_second(rate),
         WatermarkStrategy<FlightColumns>::none().with_timestamp(&FlightColumns::scheduled))
      // The topic keeps the order of the file within each airport.
      .set_parallelism(1)
      .sink_to(kafka_sink(JsonLinesFormat<FlightColumns>())
                   .brokers(brokers)
                   .topic(topic)
                   .create_topic(partitions)
                   .key([](const FlightColumns& flight) { return flight.origin; }))
      .uid("topic")
      .set_parallelism(1);
}

}  // namespace
}  // namespace jobs
