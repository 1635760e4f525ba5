// The job of watermark_test.py: what was read when, and which windows fired.
//
// Input: key, and an event time in ms as text. --seen-topic gets "key,time" of each record in the
// order of reading, --windows-topic "key,start,count" of each window of a second.
#include <span>

#include "api/stream.h"
#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

struct CountRows {
  int64_t create_accumulator() const { return 0; }
  void add(const KafkaRow& /*row*/, int64_t& count) const { ++count; }
  int64_t get_result(int64_t count) const { return count; }
  void merge(int64_t& into, int64_t other) const { into += other; }
};

void tell_window(const Text& key, const TimeWindow& span, std::span<const int64_t> count,
                 Collector<Text>& out) {
  out.collect(
      Text(key.str() + "," + std::to_string(span.start.ms) + "," + std::to_string(count.front())));
}

SLUICE_JOB(watermark_job) {
  const std::string brokers = args.text("brokers", "127.0.0.1:9092", "bootstrap servers");
  const std::string input = args.text("input-topic", "in", "readings");
  const std::string seen = args.text("seen-topic", "seen", "each reading");
  const std::string windows = args.text("windows-topic", "windows", "count of each window");
  const Duration idle = args.duration("idle", 0ms, "of a silent partition; 0 = never");
  const Duration drift = args.duration("drift", 0ms, "between partitions; 0 = no limit");
  auto strategy = WatermarkStrategy<KafkaRow>::monotonous().with_timestamp(
      [](const KafkaRow& row) { return EventTime{std::stoll(row.value->str())}; });
  if (idle.count() > 0) strategy = strategy.with_idleness(idle);
  if (drift.count() > 0) strategy = strategy.with_alignment("readings", drift);
  const auto key_of = [](const KafkaRow& row) { return row.key.value_or(Text()); };
  const auto sink = [&](const std::string& topic) {
    return kafka_sink(TextFormat()).brokers(brokers).topic(topic).without_timestamps();
  };
  auto rows =
      env.from_source(kafka_source(KafkaRawFormat()).brokers(brokers).topics({input}), strategy)
          .uid("readings");
  rows.map([key_of](const KafkaRow& row) {
        return Text(key_of(row).str() + "," + row.value->str());
      })
      .uid("tell")
      .sink_to(sink(seen))
      .uid("seen");
  rows.key_by(key_of)
      .window(TumblingEventTimeWindows::of(1s))
      .aggregate<Text>(CountRows{}, tell_window)
      .uid("count")
      .sink_to(sink(windows))
      .uid("windows");
}

}  // namespace
}  // namespace jobs
