#include "connectors/kafka/kafka_format.h"

#include <google/protobuf/type.pb.h>

#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"
#include "tests/kafka/kafka_broker.h"
#include "tests/kafka/sink_run.h"
#include "tests/kafka/source_run.h"

namespace sluice {
namespace {

struct Reading {
  int32_t number = 0;
  Text name;
};
SLUICE_RECORD(Reading, number, name);

const std::vector<std::string> kNames = {"", "plain", "comma, \"quotes\" and\nlines",
                                         "Grüße 日本 😀", std::string(5000, 'x')};

// What no format takes for a reading.
constexpr const char* kPoison = "\xff\xfe,\x01";

// Through a topic and back: the same rows, with key, header and time, and poison in between becomes
// a dead letter.
template <class Format>
void check_round_trip(KafkaBroker& broker, const std::string& stem, const Format& format) {
  CAPTURE(stem);
  const std::string topic = broker.new_topic(stem, 1);
  const auto sink = kafka_sink(format)
                        .brokers(broker.bootstrap())
                        .topic(topic)
                        .at_least_once()
                        .key([](const Reading& row) { return row.number; })
                        .headers([](const Reading& row, KafkaHeaders& headers) {
                          headers.add("number", std::to_string(row.number));
                        });
  std::vector<Reading> rows;
  for (size_t i = 0; i < kNames.size(); ++i) {
    rows.push_back({static_cast<int32_t>(i) - 2, Text(kNames[i])});
  }
  {
    SinkRun<Reading> run(std::make_shared<std::decay_t<decltype(sink)>>(sink));
    REQUIRE_MESSAGE(run.opened.is_ok(), run.opened.to_string());
    REQUIRE(run.write(rows).is_ok());
    run.barrier(1);
  }
  {
    KafkaProducer producer;
    KafkaProperties properties;
    properties.set("bootstrap.servers", broker.bootstrap());
    REQUIRE(producer.open(producer_properties(properties), topic, nullptr).is_ok());
    KafkaFrame poison;
    poison.has_value = true;
    poison.value = kPoison;
    REQUIRE(producer.produce(poison).is_ok());
    REQUIRE(producer.flush(Duration(30'000)).is_ok());
  }
  std::vector<std::string> headers;
  std::vector<std::string> keys;
  const auto amended =
      kafka_amended(format, [&](const KafkaMessage& message, Reading& /*row*/, TextArena&) {
        const auto header = message.header("number");
        headers.push_back(header ? std::string(header->value) : "none");
        keys.emplace_back(message.key);
      });
  auto source = std::make_shared<KafkaSource<std::decay_t<decltype(amended)>>>(amended);
  source->brokers(broker.bootstrap()).topics({topic}).bounded();
  SourceRun<Reading> back(source);
  back.read_all();
  REQUIRE(back.is_done());
  REQUIRE(back.rows.size() == rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK(back.rows[i].value.number == rows[i].number);
    CHECK(back.rows[i].value.name.view() == kNames[i]);
    CHECK(back.rows[i].time.ms == 1000);
    CHECK(headers[i] == std::to_string(rows[i].number));
    CHECK(keys[i] == std::to_string(rows[i].number));
  }
  REQUIRE(back.bad.size() == 1);
  CHECK(back.bad[0].place == topic + "-0@" + std::to_string(rows.size()));
  CHECK(!back.bad[0].reason.empty());
  CHECK(back.bad[0].raw == kPoison);
}

TEST_CASE("kafka format: JSON, CSV, binary and Protobuf values come back as they were written") {
  SLUICE_NEEDS_KAFKA(broker);
  check_round_trip(*broker, "json", JsonLinesFormat<Reading>());
  check_round_trip(*broker, "csv", CsvFormat<Reading>());
  check_round_trip(*broker, "binary", KafkaBinaryFormat<Reading>());
  // A message that comes with the Protobuf library.
  using google::protobuf::EnumValue;
  check_round_trip(*broker, "protobuf",
                   kafka_protobuf<Reading, EnumValue>(
                       [](const EnumValue& message, Reading& row, TextArena& arena) {
                         row.number = message.number();
                         row.name = Text::copy_to(message.name(), arena);
                       },
                       [](const Reading& row, EnumValue& message) {
                         message.set_number(row.number);
                         message.set_name(row.name.str());
                       }));
}

}  // namespace
}  // namespace sluice
