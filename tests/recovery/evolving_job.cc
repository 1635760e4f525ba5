// One job in several versions, which differ in the records that they keep in state: v2 can read
// what v1 stored, v3 to v5 cannot. `--job v1` chooses; states and uids have the same names in all.
#include <optional>
#include <type_traits>

#include "api/stream.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"
#include "jobs/flight.h"

using namespace sluice;  // NOLINT: a job speaks the API's language.

namespace v1 {
struct Visit {
  EventTime scheduled;
  Text origin;
  Text destination;
  int32_t delay = 0;
  float distance = 0;
  int32_t unused = 5;
};
SLUICE_RECORD(Visit, scheduled, origin, destination, delay, distance, unused);
struct Total {
  int32_t flights = 0;
  int32_t delay = 0;
  float distance = 0;
  Text last;
  std::vector<Text> unused;
};
SLUICE_RECORD(Total, flights, delay, distance, last, unused);
}  // namespace v1

// Fields added, removed, reordered and widened.
namespace v2 {
struct Visit {
  double distance = 0;
  int64_t delay = 0;
  int32_t added = 7;
  Text destination;
  Text origin;
  EventTime scheduled;
};
SLUICE_RECORD(Visit, distance, delay, added, destination, origin, scheduled);
struct Total {
  Text last;
  int64_t added = 7;
  double distance = 0;
  int64_t delay = 0;
  int64_t flights = 0;
};
SLUICE_RECORD(Total, last, added, distance, delay, flights);
}  // namespace v2

// Another type for a field.
namespace v3 {
struct Total {
  int32_t flights = 0;
  double delay = 0;
  float distance = 0;
  Text last;
};
SLUICE_RECORD(Total, flights, delay, distance, last);
}  // namespace v3

namespace {

struct Row {
  Text kind;
  Text key;
  EventTime at;
  int64_t flights = 0;
  int64_t delay = 0;
  int64_t distance = 0;
  Text last;
  int64_t added = 0;
};
SLUICE_RECORD(Row, kind, key, at, flights, delay, distance, last, added);

struct First {
  using Visit = v1::Visit;
  using Total = v1::Total;
  using Key = Text;
  static constexpr bool kKeepsVisits = true;
};
struct Second : First {
  using Visit = v2::Visit;
  using Total = v2::Total;
};
struct OtherType : First {
  using Total = v3::Total;
};
struct OtherKey : First {
  using Key = int64_t;
};
struct FewerStates : First {
  static constexpr bool kKeepsVisits = false;
};

template <class Total>
int64_t added_of(const Total& total) {
  if constexpr (requires { total.added; }) return total.added;
  return 0;
}

template <class Total, class Visit>
void add_to(Total& total, const Visit& visit) {
  ++total.flights;
  total.delay += visit.delay;
  total.distance += visit.distance;
  if (total.last.view() < visit.destination.view()) total.last = visit.destination;
}

template <class Total>
Row row_of(Text kind, Text key, EventTime at, const Total& total) {
  return {kind,
          key,
          at,
          total.flights,
          static_cast<int64_t>(total.delay),
          static_cast<int64_t>(total.distance),
          total.last,
          added_of(total)};
}

template <class V>
struct Sum {
  using Total = typename V::Total;
  Total create_accumulator() const { return {}; }
  void add(const typename V::Visit& visit, Total& total) const { add_to(total, visit); }
  Total get_result(const Total& total) const { return total; }
  void merge(Total& into, const Total& other) const {
    into.flights += other.flights;
    into.delay += other.delay;
    into.distance += other.distance;
    if (into.last.view() < other.last.view()) into.last = other.last;
  }
};

/// Every kind of keyed state; all is told when the input ends.
template <class V>
class KeepTotals : public KeyedProcessFunction<typename V::Key, typename V::Visit, Row> {
  using Base = KeyedProcessFunction<typename V::Key, typename V::Visit, Row>;
  using Total = typename V::Total;
  using Visit = typename V::Visit;
  static constexpr EventTime kEnd{4'102'444'800'000};

 public:
  void open(RuntimeContext& context) override {
    total_ = context.get_state(ValueStateDescriptor<Total>{"total"});
    routes_ = context.get_map_state(MapStateDescriptor<Text, Total>{"routes"});
    if constexpr (V::kKeepsVisits) {
      visits_ = context.get_list_state(ListStateDescriptor<Visit>{"visits"});
    }
  }
  void process_element(const Visit& visit, typename Base::Context& context,
                       Collector<Row>& /*out*/) override {
    Total total;
    if (const Total* stored = total_.get()) total = *stored;
    add_to(total, visit);
    total_.update(total);
    Total route;
    if (const Total* stored = routes_.get(visit.destination)) route = *stored;
    add_to(route, visit);
    routes_.put(visit.destination, route);
    if constexpr (V::kKeepsVisits) visits_.add(visit);
    context.timer_service().register_event_time_timer(kEnd);
  }
  void on_timer(EventTime time, typename Base::OnTimerContext& /*context*/,
                Collector<Row>& out) override {
    const Total total = *total_.get();
    const Text key = total.last;
    out.collect(row_of("total", key, time, total));
    for (const auto& [destination, route] : routes_.entries()) {
      out.collect(row_of("route", destination, time, route));
    }
    if constexpr (V::kKeepsVisits) {
      Total visits;
      for (const Visit& visit : visits_.get()) add_to(visits, visit);
      out.collect(row_of("visits", key, time, visits));
    }
  }

 private:
  ValueState<Total> total_;
  MapState<Text, Total> routes_;
  ListState<Visit> visits_;
};

template <class V>
auto key_of() {
  return [](const typename V::Visit& visit) {
    if constexpr (std::is_same_v<typename V::Key, Text>) {
      return visit.origin;
    } else {
      return static_cast<int64_t>(visit.origin.view()[0]);
    }
  };
}

/// What an author's function may do wrong: `--poison throw|loop --poison-at N`.
class Poison {
 public:
  explicit Poison(const Arguments& args)
      : what_(args.choice("poison", {"none", "throw", "loop"}, "none", "what goes wrong")),
        at_(args.get<int64_t>("poison-at", 0, "at which record of a subtask")) {}

  void take() {
    if (what_ == "none" || seen_++ < at_) return;
    if (what_ == "throw") throw std::runtime_error("a poisoned record");
    for (volatile bool on = true; on;) continue;
  }

 private:
  std::string what_;
  int64_t at_;
  int64_t seen_ = 0;
};

template <class V>
auto read_visits(StreamEnvironment& env, const Arguments& args) {
  const auto rate = args.get<int64_t>("rate", 0, "flights per second at most; 0 = no limit");
  return env
      .from_source(
          csv_file<jobs::FlightColumns>(args.path("input", "CSV of flights")).rows_per_second(rate),
          WatermarkStrategy<jobs::FlightColumns>::bounded_out_of_orderness(9h).with_timestamp(
              &jobs::FlightColumns::scheduled))
      .uid("flights")
      .map([poison = Poison(args)](const jobs::FlightColumns& flight) mutable {
        poison.take();
        typename V::Visit visit;
        visit.scheduled = flight.scheduled;
        visit.origin = flight.origin;
        visit.destination = flight.destination;
        visit.delay = flight.delay_min;
        visit.distance = static_cast<float>(flight.distance_mi);
        return visit;
      })
      .uid("visits");
}

template <class V>
void write_rows(DataStream<Row> rows, const std::string& output, const std::string& name) {
  rows.sink_to(csv_files<Row>(output + "/" + name)).uid(name + " rows");
}

template <class V, class Visits>
void keep_totals(Visits visits, const std::string& output) {
  write_rows<V>(visits.key_by(key_of<V>()).process(KeepTotals<V>()).uid("totals"), output,
                "totals");
}

template <class V, class Visits>
void add_windows(Visits visits, const std::string& output) {
  using Total = typename V::Total;
  using Visit = typename V::Visit;
  const auto tell = [](const char* kind) {
    return [kind](const Text& key, const TimeWindow& window, std::span<const Total> total,
                  Collector<Row>& out) {
      out.collect(row_of(kind, key, EventTime{window.start}, total.front()));
    };
  };
  auto keyed = visits.key_by(&Visit::origin);
  write_rows<V>(keyed.window(TumblingEventTimeWindows::of(12h))
                    .template aggregate<Row>(Sum<V>{}, tell("pane"))
                    .uid("panes"),
                output, "panes");
  write_rows<V>(keyed.window(EventTimeSessionWindows::with_gap(3h))
                    .template aggregate<Row>(Sum<V>{}, tell("session"))
                    .uid("sessions"),
                output, "sessions");
  write_rows<V>(keyed.window(TumblingEventTimeWindows::of(24h))
                    .template process<Row>([](const Text& key, const TimeWindow& window,
                                              std::span<const Visit> visits, Collector<Row>& out) {
                      Total total;
                      for (const Visit& visit : visits) add_to(total, visit);
                      out.collect(row_of("list", key, EventTime{window.start}, total));
                    })
                    .uid("lists"),
                output, "lists");
}

template <class V>
void build_whole(StreamEnvironment& env, const Arguments& args) {
  const std::string output = args.path("output", "directory of the rows");
  const bool totals_only = args.flag("totals-only", "leave the windows out");
  auto visits = read_visits<V>(env, args);
  keep_totals<V>(visits, output);
  if (!totals_only) add_windows<V>(visits, output);
}

template <class V>
void build_totals(StreamEnvironment& env, const Arguments& args) {
  const std::string output = args.path("output", "directory of the rows");
  keep_totals<V>(read_visits<V>(env, args), output);
}

SLUICE_JOB(v1) { build_whole<First>(env, args); }
SLUICE_JOB(v2) { build_whole<Second>(env, args); }
SLUICE_JOB(v3) { build_totals<OtherType>(env, args); }
SLUICE_JOB(v4) { build_totals<OtherKey>(env, args); }
SLUICE_JOB(v5) { build_totals<FewerStates>(env, args); }

}  // namespace
