// Delays per origin airport and window of event time.
//
//   bazel run //jobs:flight_delays -- --input jobs/data/us_flights_2001q1.csv --output out
//
// Writes CSV parts window_start,window_end,origin,flights,delayed,total_delay_min,max_delay_min to
// --output, flights later than the watermark allows to OUTPUT/late, lines that are no flight to
// OUTPUT/dead-letter. A flight is delayed from 15 minutes on. The file is in the order in which
// flights really departed, so event time (the scheduled departure) is out of order by up to 8
// hours.
#include "api/stream.h"
#include "connectors/dead_letter_file.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"
#include "jobs/delay_summary.h"
#include "jobs/flight.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

SLUICE_JOB(flight_delays) {
  const std::string input = args.path("input", "CSV file, directory or glob of flights");
  const std::string output = args.path("output", "directory for the results");
  const Duration window =
      args.duration("window", 1h, "length of a window", at_least<Duration>(1ms));
  const Duration bound =
      args.duration("max-out-of-orderness", 2h,
                    "how much later than the latest flight one may come", at_least<Duration>(0ms));
  const auto rate = args.get<int64_t>("rate", 0, "flights per second to read at most; 0 = no limit",
                                      at_least<int64_t>(0));
  const bool overwrite = args.flag("overwrite", "replace the results of an earlier run");

  const OutputTag<Flight> late("late");
  auto flights =
      env.from_source(FileSource<FlightFormat>("csv_file", input).rows_per_second(rate),
                      WatermarkStrategy<Flight>::bounded_out_of_orderness(bound).with_timestamp(
                          &Flight::scheduled))
          .uid("flights");
  auto delays = flights.key_by(&Flight::origin)
                    .window(TumblingEventTimeWindows::of(window))
                    .side_output_late_data(late)
                    .aggregate<OriginDelays>(SummarizeDelays<Flight>{}, collect_delays)
                    .name("delays per origin")
                    .uid("delays");

  delays
      .sink_to(csv_files<OriginDelays>(output)
                   .overwrite(overwrite)
                   .allow_subdirectory("late")
                   .allow_subdirectory("dead-letter"))
      .uid("results");
  delays.get_side_output(late)
      .sink_to(FileSink<FlightFormat>("csv_files", output + "/late").overwrite(overwrite))
      .uid("late flights");
  flights.dead_letters()
      .sink_to(dead_letter_file(output + "/dead-letter").overwrite(overwrite))
      .uid("dead letters");
}

}  // namespace
}  // namespace jobs
