#include <fstream>

#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"
#include "tests/kafka/kafka_broker.h"
#include "tests/kafka/sink_run.h"
#include "tests/kafka/source_run.h"

namespace sluice {
namespace {

KafkaProperties login(const std::string& password) {
  KafkaProperties properties;
  properties.set("security.protocol", "SASL_PLAINTEXT");
  properties.set("sasl.mechanism", "PLAIN");
  properties.set("sasl.username", "alice");
  properties.set("sasl.password", password);
  return properties;
}

// Writes a row exactly once and reads it back, both with these properties.
void write_and_read(const std::string& bootstrap, const std::string& topic,
                    const KafkaProperties& properties) {
  const auto sink = kafka_sink(TextFormat())
                        .brokers(bootstrap)
                        .topic(topic)
                        .properties(properties)
                        .exactly_once();
  const Status valid = sink.validate(true);
  REQUIRE_MESSAGE(valid.is_ok(), valid.to_string());
  SinkRun<Text> run(std::make_shared<std::decay_t<decltype(sink)>>(sink));
  REQUIRE_MESSAGE(run.opened.is_ok(), run.opened.to_string());
  run.complete({Text("guarded")}, 1);
  KafkaSource<TextFormat> source;
  source.brokers(bootstrap).topics({topic}).properties(properties);
  SourceRun<Text> reader(std::make_shared<KafkaSource<TextFormat>>(source));
  reader.read(1);
  REQUIRE(reader.rows.size() == 1);
  CHECK(reader.rows[0].value == "guarded");
}

TEST_CASE("kafka: a login reaches the broker, and a wrong one is refused at once and named") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("sasl", 1);
  write_and_read(broker->sasl_bootstrap(), topic, login("alice-secret"));

  const auto wrong = kafka_sink(TextFormat())
                         .brokers(broker->sasl_bootstrap())
                         .topic(topic)
                         .properties(login("wrong-secret"))
                         .validate(true);
  CHECK(wrong.message().find("uthentication") != std::string::npos);
  CHECK(wrong.message().find("wrong-secret") == std::string::npos);
  KafkaSource<TextFormat> source;
  source.brokers(broker->sasl_bootstrap()).topics({topic}).properties(login("wrong-secret"));
  const Status refused = source.create_enumerator()->open(1);
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(refused.message().find("uthentication") != std::string::npos);
}

TEST_CASE(
    "kafka: TLS options reach librdkafka, and a stranger's certificate is refused and named") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("tls", 1);
  KafkaProperties properties;
  properties.set("security.protocol", "SSL");
  properties.set("ssl.ca.location", broker->certificate());
  write_and_read(broker->tls_bootstrap(), topic, properties);

  properties.erase("ssl.ca.location");
  KafkaSource<TextFormat> source;
  source.brokers(broker->tls_bootstrap()).topics({topic}).properties(properties);
  const Status refused = source.create_enumerator()->open(1);
  CHECK(refused.message().find("certificate verify failed") != std::string::npos);
}

TEST_CASE("kafka: properties come from a file, and a line that is none is named without its text") {
  const ScratchDirectory directory;
  const std::string path = directory / "client.properties";
  std::ofstream(path) << "# a comment\n\n sasl.password = a=b c \nclient.id=x\n";
  const auto read = read_kafka_properties(path);
  REQUIRE(read.is_ok());
  CHECK(*read->find("sasl.password") == "a=b c");
  CHECK(*read->find("client.id") == "x");
  std::ofstream(path) << "client.id=x\nsecret-without-a-name\n";
  const Status wrong = read_kafka_properties(path).status();
  CHECK(wrong.message().find(path + ":2") != std::string::npos);
  CHECK(wrong.message().find("secret") == std::string::npos);
  CHECK(read_kafka_properties(directory / "none").status().code() == StatusCode::kNotFound);
}

}  // namespace
}  // namespace sluice
