// Runs of delayed departures: keyed state and event-time timers in a KeyedProcessFunction.
//
//   bazel run //jobs:delay_streaks -- --input jobs/data/us_flights_2001q1.csv --output out
//
// A streak is a run of departures of one airport, in order of their scheduled time, that were all
// delayed by 15 minutes or more. It ends with a departure in time, or when there is none for --gap.
// Writes origin,first,last,flights,total_delay_min of streaks of at least --min flights.
#include <algorithm>
#include <tuple>

#include "api/stream.h"
#include "connectors/dead_letter_file.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"
#include "jobs/flight.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

constexpr int32_t kDelayedFromMin = 15;

struct Streak {
  Text origin;
  EventTime first;
  EventTime last;
  int64_t flights = 0;
  int64_t total_delay_min = 0;
};
SLUICE_RECORD(Streak, origin, first, last, flights, total_delay_min);

class FindStreaks : public KeyedProcessFunction<Text, FlightColumns, Streak> {
 public:
  FindStreaks(int64_t flights_min, Duration gap) : flights_min_(flights_min), gap_(gap) {}

  void open(RuntimeContext& context) override {
    waiting_ = context.get_list_state(ListStateDescriptor<FlightColumns>{"waiting"});
    streak_ = context.get_state(ValueStateDescriptor<Streak>{"streak"});
  }

  // Flights come out of order: each waits until the watermark has passed it.
  void process_element(const FlightColumns& flight, Context& context,
                       Collector<Streak>& /*out*/) override {
    waiting_.add(flight);
    context.timer_service().register_event_time_timer(flight.scheduled);
  }

  void on_timer(EventTime time, OnTimerContext& context, Collector<Streak>& out) override {
    if (const Streak* streak = streak_.get(); streak != nullptr && streak->last + gap_ <= time) {
      end_streak(out);
    }
    std::vector<FlightColumns> due;
    std::vector<FlightColumns> later;
    for (const FlightColumns& flight : waiting_.get()) {
      (flight.scheduled <= time ? due : later).push_back(flight);
    }
    // Departures of the same minute have no order of their own.
    std::sort(due.begin(), due.end(), [](const FlightColumns& a, const FlightColumns& b) {
      return std::tie(a.scheduled, a.delay_min, a.destination, a.distance_mi) <
             std::tie(b.scheduled, b.delay_min, b.destination, b.distance_mi);
    });
    for (const FlightColumns& flight : due) add(flight, context, out);
    waiting_.update(later);
  }

 private:
  void add(const FlightColumns& flight, OnTimerContext& context, Collector<Streak>& out) {
    if (flight.delay_min < kDelayedFromMin) {
      end_streak(out);
      return;
    }
    Streak streak{flight.origin, flight.scheduled, flight.scheduled, 0, 0};
    if (const Streak* open = streak_.get()) streak = *open;
    streak.last = flight.scheduled;
    ++streak.flights;
    streak.total_delay_min += flight.delay_min;
    streak_.update(streak);
    context.timer_service().register_event_time_timer(flight.scheduled + gap_);
  }

  void end_streak(Collector<Streak>& out) {
    const Streak* streak = streak_.get();
    if (streak == nullptr) return;
    if (streak->flights >= flights_min_) out.collect(*streak);
    streak_.clear();
  }

  int64_t flights_min_;
  Duration gap_;
  ListState<FlightColumns> waiting_;
  ValueState<Streak> streak_;
};

SLUICE_JOB(delay_streaks) {
  const std::string input = args.path("input", "CSV file, directory or glob of flights");
  const std::string output = args.path("output", "directory for the streaks");
  const auto flights_min =
      args.get<int64_t>("min", 3, "shortest streak to report", at_least<int64_t>(1));
  const Duration gap =
      args.duration("gap", 6h, "silence that ends a streak", at_least<Duration>(1ms));
  const Duration bound =
      args.duration("max-out-of-orderness", 9h,
                    "how much later than the latest flight one may come", at_least<Duration>(0ms));
  const auto rate = args.get<int64_t>("rate", 0, "flights per second to read at most; 0 = no limit",
                                      at_least<int64_t>(0));
  const bool overwrite = args.flag("overwrite", "replace the results of an earlier run");

  auto flights =
      env.from_source(
             csv_file<FlightColumns>(input).rows_per_second(rate),
             WatermarkStrategy<FlightColumns>::bounded_out_of_orderness(bound).with_timestamp(
                 &FlightColumns::scheduled))
          .uid("flights");
  flights.key_by(&FlightColumns::origin)
      .process(FindStreaks(flights_min, gap))
      .name("streaks")
      .uid("streaks")
      .sink_to(csv_files<Streak>(output).overwrite(overwrite).allow_subdirectory("dead-letter"))
      .uid("results");
  flights.dead_letters()
      .sink_to(dead_letter_file(output + "/dead-letter").overwrite(overwrite))
      .uid("dead letters");
}

}  // namespace
}  // namespace jobs
