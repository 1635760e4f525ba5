// Bursts of departures: session windows per airport.
//
//   bazel run //jobs:airport_sessions -- --input jobs/data/us_flights_2001q1.csv --output out --gap
//   30m
//
// Writes CSV parts origin,session_start,session_end,flights. A session ends when an airport has no
// departure for the length of the gap.
#include "api/stream.h"
#include "connectors/dead_letter_file.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"
#include "jobs/flight.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

struct Session {
  Text origin;
  EventTime session_start;
  EventTime session_end;
  int64_t flights = 0;
};
SLUICE_RECORD(Session, origin, session_start, session_end, flights);

struct CountFlights {
  int64_t create_accumulator() const { return 0; }
  void add(const Flight& /*flight*/, int64_t& count) const { ++count; }
  int64_t get_result(const int64_t& count) const { return count; }
  void merge(int64_t& into, const int64_t& other) const { into += other; }
};

SLUICE_JOB(airport_sessions) {
  const std::string input = args.path("input", "CSV file, directory or glob of flights");
  const std::string output = args.path("output", "directory for the sessions");
  const Duration gap =
      args.duration("gap", 30min, "silence that ends a session", at_least<Duration>(1ms));
  const Duration bound =
      args.duration("max-out-of-orderness", 9h,
                    "how much later than the latest flight one may come", at_least<Duration>(0ms));
  const auto rate = args.get<int64_t>("rate", 0, "flights per second to read at most; 0 = no limit",
                                      at_least<int64_t>(0));
  const bool overwrite = args.flag("overwrite", "replace the results of an earlier run");

  auto flights =
      env.from_source(FileSource<FlightFormat>("csv_file", input).rows_per_second(rate),
                      WatermarkStrategy<Flight>::bounded_out_of_orderness(bound).with_timestamp(
                          &Flight::scheduled))
          .uid("flights");
  flights.key_by(&Flight::origin)
      .window(EventTimeSessionWindows::with_gap(gap))
      .aggregate<Session>(
          CountFlights{},
          [](const Text& origin, const TimeWindow& span, std::span<const int64_t> flights,
             Collector<Session>& out) {
            out.collect({origin, EventTime{span.start}, EventTime{span.end}, flights.front()});
          })
      .name("sessions")
      .uid("sessions")
      .sink_to(csv_files<Session>(output).overwrite(overwrite).allow_subdirectory("dead-letter"))
      .uid("results");
  flights.dead_letters()
      .sink_to(dead_letter_file(output + "/dead-letter").overwrite(overwrite))
      .uid("dead letters");
}

}  // namespace
}  // namespace jobs
