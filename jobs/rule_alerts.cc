// Delayed flights against rules that change while the job runs: the broadcast-state pattern.
//
//   bazel run //jobs:rule_alerts -- --input jobs/data/us_flights_2001q1.csv
//       --rules jobs/data/delay_rules.csv --output out
//
// A rule (valid_from,origin,threshold_min) holds for its airport from valid_from on until the next
// one. Rules go to every subtask; flights wait in keyed state until the watermark has passed their
// departure, so that every rule that concerns them is known, whatever arrived first. Alerts go to
// --output, flights of airports without a rule to OUTPUT/unmatched. With --watch the rules are a
// directory that is looked at again and again, and the job runs until it is stopped.
#include <algorithm>

#include "api/stream.h"
#include "connectors/dead_letter_file.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"
#include "jobs/flight.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

struct Rule {
  EventTime valid_from;
  Text origin;
  int32_t threshold_min = 0;
};
SLUICE_RECORD(Rule, valid_from, origin, threshold_min);

struct Alert {
  EventTime scheduled;
  Text origin;
  Text destination;
  int32_t delay_min = 0;
  int32_t threshold_min = 0;
};
SLUICE_RECORD(Alert, scheduled, origin, destination, delay_min, threshold_min);

/// The thresholds of one airport by the time from which they hold.
using RuleVersions = std::map<EventTime, int32_t>;

const MapStateDescriptor<Text, RuleVersions> kRules{"rules"};

class MatchRules : public KeyedBroadcastProcessFunction<Text, FlightColumns, Rule, Alert> {
 public:
  explicit MatchRules(OutputTag<FlightColumns> unmatched) : unmatched_(std::move(unmatched)) {}

  void open(RuntimeContext& context) override {
    waiting_ = context.get_list_state(ListStateDescriptor<FlightColumns>{"waiting"});
  }

  void process_element(const FlightColumns& flight, ReadOnlyContext& context,
                       Collector<Alert>& /*out*/) override {
    waiting_.add(flight);
    context.timer_service().register_event_time_timer(flight.scheduled);
  }

  void process_broadcast_element(const Rule& rule, Context& context,
                                 Collector<Alert>& /*out*/) override {
    auto& rules = context.get_broadcast_state(kRules);
    RuleVersions versions;
    if (const RuleVersions* known = rules.get(rule.origin)) versions = *known;
    versions[rule.valid_from] = rule.threshold_min;
    rules.put(rule.origin, versions);
  }

  void on_timer(EventTime time, OnTimerContext& context, Collector<Alert>& out) override {
    std::vector<FlightColumns> later;
    std::vector<FlightColumns> due;
    for (const FlightColumns& flight : waiting_.get()) {
      (flight.scheduled <= time ? due : later).push_back(flight);
    }
    const RuleVersions* versions = context.get_broadcast_state(kRules).get(context.current_key());
    for (const FlightColumns& flight : due) judge(flight, versions, context, out);
    waiting_.update(later);
  }

 private:
  void judge(const FlightColumns& flight, const RuleVersions* versions, OnTimerContext& context,
             Collector<Alert>& out) {
    if (versions != nullptr) {
      const auto after = versions->upper_bound(flight.scheduled);
      if (after != versions->begin()) {
        const int32_t threshold = std::prev(after)->second;
        if (flight.delay_min >= threshold) {
          out.collect(
              {flight.scheduled, flight.origin, flight.destination, flight.delay_min, threshold});
        }
        return;
      }
    }
    context.output(unmatched_, flight);
  }

  OutputTag<FlightColumns> unmatched_;
  ListState<FlightColumns> waiting_;
};

SLUICE_JOB(rule_alerts) {
  const std::string input = args.path("input", "CSV file, directory or glob of flights");
  const std::string rules_path = args.path("rules", "CSV file or directory of rules");
  const std::string output = args.path("output", "directory for the alerts");
  const Duration bound =
      args.duration("max-out-of-orderness", 9h,
                    "how much later than the latest flight one may come", at_least<Duration>(0ms));
  const bool watch = args.flag("watch", "look for new rule files until the job is stopped");
  const auto rate = args.get<int64_t>("rate", 0, "flights per second to read at most; 0 = no limit",
                                      at_least<int64_t>(0));
  const bool overwrite = args.flag("overwrite", "replace the results of an earlier run");

  const OutputTag<FlightColumns> unmatched("unmatched");
  auto flights =
      env.from_source(
             csv_file<FlightColumns>(input).rows_per_second(rate),
             WatermarkStrategy<FlightColumns>::bounded_out_of_orderness(bound).with_timestamp(
                 &FlightColumns::scheduled))
          .uid("flights");
  auto rule_file = csv_file<Rule>(rules_path);
  auto rules = env.from_source(watch ? rule_file.monitor_continuously(1s) : rule_file,
                               WatermarkStrategy<Rule>::monotonous()
                                   .with_timestamp(&Rule::valid_from)
                                   .with_idleness(1s))
                   .uid("rules");

  auto alerts = flights.key_by(&FlightColumns::origin)
                    .connect(rules.broadcast(kRules))
                    .process(MatchRules(unmatched))
                    .name("match rules")
                    .uid("match");
  alerts
      .sink_to(csv_files<Alert>(output)
                   .overwrite(overwrite)
                   .allow_subdirectory("unmatched")
                   .allow_subdirectory("dead-letter"))
      .uid("alerts");
  alerts.get_side_output(unmatched)
      .sink_to(csv_files<FlightColumns>(output + "/unmatched").overwrite(overwrite))
      .uid("unmatched");
  flights.dead_letters()
      .union_with(rules.dead_letters())
      .sink_to(dead_letter_file(output + "/dead-letter").overwrite(overwrite))
      .uid("dead letters");
}

}  // namespace
}  // namespace jobs
