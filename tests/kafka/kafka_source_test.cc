#include "connectors/kafka/kafka_source.h"

#include <algorithm>
#include <map>
#include <set>

#include <librdkafka/rdkafka.h>

#include "connectors/kafka/kafka_producer.h"
#include "tests/kafka/kafka_broker.h"
#include "tests/kafka/source_run.h"

namespace sluice {
namespace {

struct Reading {
  int64_t number = 0;
  Text name;
};
SLUICE_RECORD(Reading, number, name);

// Writes messages straight through librdkafka.
class Feed {
 public:
  Feed(KafkaBroker& broker, const std::string& topic, const std::string& transactional_id = "") {
    KafkaProperties properties;
    properties.set("bootstrap.servers", broker.bootstrap());
    if (!transactional_id.empty()) properties.set("transactional.id", transactional_id);
    REQUIRE(producer_.open(producer_properties(properties), topic, nullptr).is_ok());
    client_ = producer_.client().get();
    if (!transactional_id.empty()) {
      REQUIRE(rd_kafka_init_transactions(client_, 30'000) == nullptr);
    }
  }
  void put(int32_t partition, const std::string& value, int64_t time_ms = -1,
           const std::string& key = "") {
    KafkaFrame frame;
    frame.partition = partition;
    frame.has_value = true;
    frame.value = value;
    frame.has_key = !key.empty();
    frame.key = key;
    if (time_ms >= 0) frame.timestamp = EventTime{time_ms};
    REQUIRE(producer_.produce(frame).is_ok());
  }
  void put_null(int32_t partition, const std::string& key) {
    KafkaFrame frame;
    frame.partition = partition;
    frame.has_key = true;
    frame.key = key;
    REQUIRE(producer_.produce(frame).is_ok());
  }
  void put_frame(const KafkaFrame& frame) { REQUIRE(producer_.produce(frame).is_ok()); }
  void flush() { REQUIRE(producer_.flush(Duration(30'000)).is_ok()); }
  void begin() { REQUIRE(rd_kafka_begin_transaction(client_) == nullptr); }
  void commit() { REQUIRE(rd_kafka_commit_transaction(client_, 30'000) == nullptr); }
  void abort() { REQUIRE(rd_kafka_abort_transaction(client_, 30'000) == nullptr); }

 private:
  KafkaProducer producer_;
  rd_kafka_t* client_ = nullptr;
};

void put_numbers(Feed& feed, int32_t partitions, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; ++i) {
    feed.put(static_cast<int32_t>(i % partitions), std::to_string(i), 1000 + i);
  }
  feed.flush();
}

auto text_source(KafkaBroker& broker, const std::string& topic) {
  KafkaSource<TextFormat> source;
  source.brokers(broker.bootstrap()).topics({topic});
  return source;
}
std::shared_ptr<const Source<Text>> shared(const KafkaSource<TextFormat>& source) {
  return std::make_shared<KafkaSource<TextFormat>>(source);
}
using TextRun = SourceRun<Text>;

std::multiset<int64_t> numbers_of(const TextRun& run) {
  std::multiset<int64_t> numbers;
  for (const auto& row : run.rows) numbers.insert(std::stoll(row.value.str()));
  return numbers;
}
std::multiset<int64_t> range(int64_t from, int64_t to) {
  std::multiset<int64_t> numbers;
  for (int64_t i = from; i < to; ++i) numbers.insert(i);
  return numbers;
}

TEST_CASE("kafka source: a bounded source reads every message once and ends") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("bounded", 3);
  Feed feed(*broker, topic);
  put_numbers(feed, 3, 0, 10'000);
  for (const int parallelism : {1, 2, 4}) {
    TextRun run(shared(text_source(*broker, topic).bounded()), parallelism);
    run.read_all();
    CHECK(run.failure.is_ok());
    CHECK(run.is_done());
    CHECK(numbers_of(run) == range(0, 10'000));
    CHECK(run.rows[0].time.ms == 1000 + std::stoll(run.rows[0].value.str()));
  }
}

TEST_CASE("kafka source: an empty topic ends a bounded source at once") {
  SLUICE_NEEDS_KAFKA(broker);
  TextRun run(shared(text_source(*broker, broker->new_topic("empty", 2)).bounded()), 2);
  run.read_all();
  CHECK(run.is_done());
  CHECK(run.rows.empty());
}

TEST_CASE("kafka source: messages written after the start are not part of a bounded read") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("bounded-end", 2);
  Feed feed(*broker, topic);
  put_numbers(feed, 2, 0, 100);
  TextRun run(shared(text_source(*broker, topic).bounded()));
  put_numbers(feed, 2, 100, 300);
  run.read_all();
  CHECK(numbers_of(run) == range(0, 100));
}

TEST_CASE("kafka source: start at earliest, latest, a time, given offsets and group offsets") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("start", 1);
  Feed feed(*broker, topic);
  put_numbers(feed, 1, 0, 100);
  const auto first_of = [&](KafkaStart start) {
    TextRun run(shared(text_source(*broker, topic).start(std::move(start)).bounded()));
    run.read_all();
    return run.rows.empty() ? int64_t{-1} : std::stoll(run.rows[0].value.str());
  };
  CHECK(first_of(KafkaStart::earliest()) == 0);
  CHECK(first_of(KafkaStart::latest()) == -1);
  CHECK(first_of(KafkaStart::time(EventTime{1042})) == 42);
  CHECK(first_of(KafkaStart::time(EventTime{9'999'999})) == -1);
  CHECK(first_of(KafkaStart::offsets({{{topic, 0}, 77}})) == 77);
  CHECK(first_of(KafkaStart::offsets({{{"other", 0}, 77}}, KafkaStart::Kind::kLatest)) == -1);

  // The group's offsets are what a completed checkpoint told it.
  const std::string group = topic + "-group";
  auto grouped = text_source(*broker, topic).group_id(group);
  {
    TextRun run(shared(grouped));
    run.read(30);
    (void)run.snapshot();
    REQUIRE(run.reader(0).checkpoint_complete(CheckpointId{1}).is_ok());
    // The commit is made in the background; asking until it shows proves that it arrives.
    KafkaProperties properties;
    properties.set("bootstrap.servers", broker->bootstrap());
    properties.set("group.id", group);
    auto cluster = KafkaCluster::open(properties);
    REQUIRE(cluster.is_ok());
    int64_t committed = -1;
    for (int i = 0; i < 2000 && committed < 0; ++i) {
      const auto places = (*cluster)->committed({{topic, 0}});
      REQUIRE(places.is_ok());
      committed = (*places)[0].offset;
    }
    CHECK(committed == 30);
  }
  TextRun run(shared(grouped.start(KafkaStart::group_offsets()).bounded()));
  run.read_all();
  CHECK(numbers_of(run) == range(30, 100));
}

TEST_CASE("kafka source: latest reads only what is written after the start") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("latest", 2);
  Feed feed(*broker, topic);
  put_numbers(feed, 2, 0, 50);
  TextRun run(shared(text_source(*broker, topic).start(KafkaStart::latest())));
  put_numbers(feed, 2, 50, 60);
  run.read(10);
  CHECK(numbers_of(run) == range(50, 60));
}

TEST_CASE(
    "semantics rule 34: after a restart reading goes on exactly after the last row of the "
    "snapshot") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("restart", 3);
  Feed feed(*broker, topic);
  put_numbers(feed, 3, 0, 5000);
  const auto source = shared(text_source(*broker, topic).bounded());
  std::vector<SourceSplit> splits;
  std::string enumerator_state;
  std::multiset<int64_t> seen;
  int parallelism = 1;
  for (const size_t rows : {1UL, 700UL, 1500UL}) {
    TextRun run(source, parallelism, splits, enumerator_state);
    run.read(rows, 97);
    CHECK(run.rows.size() == rows);
    splits = run.snapshot();
    enumerator_state = run.enumerator->snapshot();
    seen.merge(numbers_of(run));
    run.read(300, 97);  // Not in the snapshot: read again by the next run.
    parallelism = parallelism % 3 + 1;
  }
  TextRun rest(source, parallelism, splits, enumerator_state);
  rest.read_all();
  CHECK(rest.is_done());
  seen.merge(numbers_of(rest));
  CHECK(seen == range(0, 5000));
}

TEST_CASE("kafka source: messages of one partition come in order") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("order", 4);
  Feed feed(*broker, topic);
  put_numbers(feed, 4, 0, 4000);
  TextRun run(shared(text_source(*broker, topic).bounded()), 2);
  run.read_all();
  std::map<int64_t, int64_t> last;
  for (const auto& row : run.rows) {
    const int64_t number = std::stoll(row.value.str());
    const auto [at, fresh] = last.try_emplace(number % 4, number);
    CHECK((fresh || number == at->second + 4));
    at->second = number;
  }
}

TEST_CASE(
    "kafka source: new partitions and new topics are found while running and read from their "
    "start") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("discover", 1);
  Feed feed(*broker, topic);
  put_numbers(feed, 1, 0, 10);
  KafkaSource<TextFormat> source;
  source.brokers(broker->bootstrap()).topic_pattern(topic + ".*").start(KafkaStart::latest());
  TextRun run(shared(source), 2);
  run.poll_once();
  put_numbers(feed, 1, 10, 20);
  run.read(10);
  CHECK(numbers_of(run) == range(10, 20));

  REQUIRE(broker->cluster().grow_topic(topic, 3).is_ok());
  const std::string second = topic + "-b";
  REQUIRE(broker->cluster().create_topic(second, 1).is_ok());
  for (int i = 0; i < 1000; ++i) {
    const auto grown = broker->cluster().topic(topic);
    if (grown.is_ok() && grown->partitions == 3 && broker->cluster().topic(second).is_ok()) break;
  }
  Feed feed_grown(*broker, topic);
  Feed feed_second(*broker, second);
  feed_grown.put(2, "100");
  feed_grown.flush();
  feed_second.put(0, "200");
  feed_second.flush();
  REQUIRE(run.discover().is_ok());
  run.read(12);
  const auto numbers = numbers_of(run);
  CHECK(numbers.count(100) == 1);
  CHECK(numbers.count(200) == 1);
}

TEST_CASE("kafka source: a poison message is a dead letter with its place and the rest is read") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("poison", 1);
  Feed feed(*broker, topic);
  feed.put(0, R"({"number":1,"name":"a"})");
  feed.put(0, R"({"number":"x"})");
  feed.put(0, "\xff\xfe garbage");
  feed.put(0, R"({"number":2,"name":"a name longer than an inline text"})");
  feed.flush();
  auto source = std::make_shared<KafkaSource<JsonLinesFormat<Reading>>>();
  source->brokers(broker->bootstrap()).topics({topic}).bounded();
  SourceRun<Reading> run(source);
  run.read_all();
  REQUIRE(run.rows.size() == 2);
  CHECK(run.rows[1].value.number == 2);
  CHECK(run.rows[1].value.name == "a name longer than an inline text");
  REQUIRE(run.bad.size() == 2);
  CHECK(run.bad[0].place == topic + "-0@1");
  CHECK(run.bad[0].raw == R"({"number":"x"})");
  CHECK(run.bad[0].reason.find("number") != std::string::npos);
  CHECK(run.bad[1].place == topic + "-0@2");
}

TEST_CASE(
    "kafka source: aborted and open transactions are not read, and a bounded read ends behind "
    "them") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("transactions", 1);
  Feed feed(*broker, topic, topic + "-tx");
  feed.begin();
  for (int i = 0; i < 5; ++i) feed.put(0, std::to_string(i));
  feed.commit();
  feed.begin();
  for (int i = 100; i < 105; ++i) feed.put(0, std::to_string(i));
  feed.flush();
  feed.abort();
  feed.begin();
  for (int i = 5; i < 8; ++i) feed.put(0, std::to_string(i));
  feed.commit();
  feed.begin();
  feed.put(0, "200");
  feed.flush();
  TextRun run(shared(text_source(*broker, topic).bounded()));
  run.read_all();
  CHECK(run.is_done());
  CHECK(numbers_of(run) == range(0, 8));
  feed.abort();
  TextRun again(shared(text_source(*broker, topic).bounded()));
  again.read_all();
  CHECK(again.is_done());
  CHECK(numbers_of(again) == range(0, 8));

  TextRun dirty(shared(
      text_source(*broker, topic).property("isolation.level", "read_uncommitted").bounded()));
  dirty.read_all();
  CHECK(dirty.is_done());
  CHECK(dirty.rows.size() == 14);
}

TEST_CASE("semantics rule 16: a paused split gives nothing and goes on without loss when resumed") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("pause", 2);
  Feed feed(*broker, topic);
  put_numbers(feed, 2, 0, 20'000);
  TextRun run(shared(text_source(*broker, topic).bounded()));
  run.read(3000, 64);
  run.reader(0).pause_splits({1});
  const size_t before = run.rows.size();
  run.read(before + 2000, 64);
  CHECK(std::none_of(run.rows.begin() + static_cast<std::ptrdiff_t>(before), run.rows.end(),
                     [](const auto& row) { return row.split == 1; }));
  run.reader(0).pause_splits({0});
  const size_t middle = run.rows.size();
  run.read(middle + 2000, 64);
  CHECK(std::none_of(run.rows.begin() + static_cast<std::ptrdiff_t>(middle), run.rows.end(),
                     [](const auto& row) { return row.split == 0; }));
  run.reader(0).pause_splits({});
  run.read_all();
  CHECK(run.is_done());
  CHECK(numbers_of(run) == range(0, 20'000));
  std::map<int, int64_t> last;
  for (const auto& row : run.rows) {
    const int64_t number = std::stoll(row.value.str());
    CHECK((last.count(row.split) == 0 || last[row.split] < number));
    last[row.split] = number;
  }
}

TEST_CASE("kafka source: key, headers, timestamp and deletions reach the job") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("amended", 1);
  Feed feed(*broker, topic);
  std::string bytes;
  KafkaFrameWriter writer(bytes);
  writer.begin();
  writer.set_partition(0);
  writer.set_timestamp(EventTime{12'345});
  writer.key([](std::string& out) { out += "k1"; });
  writer.value([](std::string& out) { out += R"({"number":7,"name":""})"; });
  writer.header("trace", "abc");
  writer.header("trace", "def");
  writer.end();
  ByteReader reader(bytes);
  KafkaFrame frame;
  REQUIRE(KafkaFrame::read(reader, frame));
  feed.put_frame(frame);
  feed.put_null(0, "k2");
  feed.flush();
  const auto amend = [](const KafkaMessage& message, Reading& record, TextArena& /*arena*/) {
    const auto trace = message.header("trace");
    record.name = Text(std::string(message.key) + "/" +
                       std::string(trace ? trace->value : std::string_view("none")) + "/" +
                       std::string(message.topic) + std::to_string(message.offset));
  };
  auto format = kafka_amended(JsonLinesFormat<Reading>(), amend);
  auto source = std::make_shared<KafkaSource<decltype(format)>>(format);
  source->brokers(broker->bootstrap()).topics({topic}).bounded();
  SourceRun<Reading> run(source);
  run.read_all();
  REQUIRE(run.rows.size() == 2);
  CHECK(run.rows[0].value.number == 7);
  CHECK(run.rows[0].value.name.view() == "k1/def/" + topic + "0");
  CHECK(run.rows[0].time.ms == 12'345);
  CHECK(run.rows[0].kind == RowKind::kInsert);
  CHECK(run.rows[1].value.name.view() == "k2/none/" + topic + "1");
  CHECK(run.rows[1].kind == RowKind::kDelete);
}

TEST_CASE("kafka source: an unknown topic, a wrong broker and a wrong property are named") {
  SLUICE_NEEDS_KAFKA(broker);
  const auto open = [](const KafkaSource<TextFormat>& source) {
    return source.create_enumerator()->open(1);
  };
  const Status unknown = open(text_source(*broker, "no-such-topic"));
  CHECK(unknown.code() == StatusCode::kNotFound);
  CHECK(unknown.message().find("no-such-topic") != std::string::npos);

  KafkaSource<TextFormat> nowhere;
  nowhere.brokers("127.0.0.1:1").topics({"a"});
  const Status refused = open(nowhere);
  CHECK(refused.code() == StatusCode::kUnavailable);
  CHECK(refused.message().find("127.0.0.1:1") != std::string::npos);
  CHECK(refused.message().find("refused") != std::string::npos);

  const Status property = open(text_source(*broker, "a").property("no.such.property", "1"));
  CHECK(property.code() == StatusCode::kInvalidArgument);
  CHECK(property.message().find("no.such.property") != std::string::npos);
}

TEST_CASE("kafka source: a position that is no longer stored is an error, not a jump") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("gone", 1);
  Feed feed(*broker, topic);
  put_numbers(feed, 1, 0, 10);
  TextRun run(shared(text_source(*broker, topic).start(KafkaStart::offsets({{{topic, 0}, 500}}))));
  run.read(1, 1024, 20);
  CHECK(run.failure.code() == StatusCode::kFailedPrecondition);
  CHECK(run.failure.message().find(topic + "-0") != std::string::npos);
}

TEST_CASE("kafka source: reading goes on over a restart of the broker") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("broker-restart", 2);
  {
    Feed feed(*broker, topic);
    put_numbers(feed, 2, 0, 1000);
  }
  TextRun run(shared(text_source(*broker, topic)));
  run.read(1000);
  broker->restart();
  Feed feed(*broker, topic);
  put_numbers(feed, 2, 1000, 2000);
  run.read(2000, 1024, 60);
  CHECK_MESSAGE(run.failure.is_ok(), run.failure.to_string());
  CHECK(numbers_of(run) == range(0, 2000));
}

}  // namespace
}  // namespace sluice
