#include "connectors/kafka/kafka_sink.h"

#include <algorithm>
#include <map>

#include <librdkafka/rdkafka.h>

#include "connectors/kafka/kafka_marker.h"
#include "connectors/kafka/kafka_source.h"
#include "tests/kafka/kafka_broker.h"
#include "tests/kafka/sink_run.h"
#include "tests/kafka/source_run.h"

namespace sluice {
namespace {

struct Reading {
  int64_t number = 0;
  Text name;
};
SLUICE_RECORD(Reading, number, name);
using ReadingRun = SinkRun<Reading>;

auto reading_sink(KafkaBroker& broker, const std::string& topic) {
  return kafka_sink(JsonLinesFormat<Reading>())
      .brokers(broker.bootstrap())
      .topic(topic)
      .transactional_id_prefix(topic)
      .exactly_once();
}
template <class S>
std::shared_ptr<const Sink<Reading>> shared(S sink) {
  return std::make_shared<S>(std::move(sink));
}

std::vector<Reading> readings(int64_t from, int64_t to) {
  std::vector<Reading> rows;
  for (int64_t i = from; i < to; ++i) rows.push_back({i, Text("n")});
  return rows;
}

// A commit is answered when it is certain; the partitions hear of it a moment later. Waits until no
// transaction is open.
void settle(KafkaBroker& broker, const std::string& topic) {
  std::map<std::string, std::unique_ptr<KafkaCluster>> clusters;
  for (const char* level : {"read_committed", "read_uncommitted"}) {
    KafkaProperties properties;
    properties.set("bootstrap.servers", broker.bootstrap());
    properties.set("isolation.level", level);
    auto opened = KafkaCluster::open(properties);
    REQUIRE(opened.is_ok());
    clusters[level] = std::move(opened).value();
  }
  const auto found = broker.cluster().topic(topic);
  REQUIRE(found.is_ok());
  std::vector<KafkaPartition> partitions;
  partitions.reserve(static_cast<size_t>(found->partitions));
  for (int32_t id = 0; id < found->partitions; ++id) partitions.push_back({topic, id});
  for (int i = 0; i < 5000; ++i) {
    const auto committed = clusters["read_committed"]->end_offsets(partitions);
    const auto all = clusters["read_uncommitted"]->end_offsets(partitions);
    if (!committed.is_ok() || !all.is_ok()) continue;
    const auto same = [](const auto& a, const auto& b) { return a.offset == b.offset; };
    if (std::equal(all->begin(), all->end(), committed->begin(), same)) return;
  }
  FAIL("a transaction stays open in " << topic);
}

using RawRows = std::vector<SourceRun<KafkaRow>::Row>;
// Everything that a read_committed reader can see now.
RawRows raw_rows(KafkaBroker& broker, const std::string& topic) {
  settle(broker, topic);
  KafkaSource<KafkaRawFormat> source;
  source.brokers(broker.bootstrap()).topics({topic}).bounded();
  SourceRun<KafkaRow> run(std::make_shared<KafkaSource<KafkaRawFormat>>(source));
  run.read_all(60);
  REQUIRE(run.is_done());
  return run.rows;
}
std::vector<int64_t> numbers(KafkaBroker& broker, const std::string& topic) {
  settle(broker, topic);
  KafkaSource<JsonLinesFormat<Reading>> source;
  source.brokers(broker.bootstrap()).topics({topic}).bounded();
  SourceRun<Reading> run(std::make_shared<KafkaSource<JsonLinesFormat<Reading>>>(source));
  run.read_all(60);
  REQUIRE(run.is_done());
  std::vector<int64_t> found;
  for (const auto& row : run.rows) found.push_back(row.value.number);
  std::sort(found.begin(), found.end());
  return found;
}
// So that a failing check shows what was there.
std::string to_text(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += std::to_string(number) + " ";
  return text;
}
std::vector<int64_t> range(int64_t from, int64_t to) {
  std::vector<int64_t> all;
  for (int64_t i = from; i < to; ++i) all.push_back(i);
  return all;
}

// A producer of its own with a transaction that nobody ends.
class OpenTransaction {
 public:
  OpenTransaction(KafkaBroker& broker, const std::string& topic, const std::string& id,
                  const std::string& timeout_ms) {
    KafkaProperties properties;
    properties.set("bootstrap.servers", broker.bootstrap());
    properties.set("transactional.id", id);
    properties.set("transaction.timeout.ms", timeout_ms);
    properties.set("message.timeout.ms", timeout_ms);
    REQUIRE(producer_.open(producer_properties(properties), topic, nullptr).is_ok());
    REQUIRE(rd_kafka_init_transactions(producer_.client().get(), 30'000) == nullptr);
    REQUIRE(rd_kafka_begin_transaction(producer_.client().get()) == nullptr);
    KafkaFrame frame;
    frame.has_value = true;
    frame.value = R"({"number":-1,"name":"open"})";
    REQUIRE(producer_.produce(frame).is_ok());
    REQUIRE(producer_.flush(Duration(30'000)).is_ok());
  }

 private:
  KafkaProducer producer_;
};

// ---- what is written ----------------------------------------------------------------------------

TEST_CASE("kafka sink: at least once, rows are visible when the barrier has passed") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("plain", 2);
  ReadingRun run(shared(reading_sink(*broker, topic).at_least_once()));
  REQUIRE(run.opened.is_ok());
  REQUIRE(run.committer == nullptr);
  REQUIRE(run.write(readings(0, 5000)).is_ok());
  CHECK(run.barrier(1).empty());
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 5000)));
}

TEST_CASE("kafka sink: key, headers, time and partition arrive, and equal keys stay together") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("fields", 4);
  const auto sink = reading_sink(*broker, topic)
                        .key([](const Reading& row) { return row.number % 10; })
                        .headers([](const Reading& row, KafkaHeaders& headers) {
                          headers.add("name", row.name);
                        });
  ReadingRun run(shared(sink));
  run.complete(readings(0, 200), 1);
  const RawRows rows = raw_rows(*broker, topic);
  REQUIRE(rows.size() == 200);
  std::map<std::string, int32_t> partition_of;
  for (const auto& row : rows) {
    REQUIRE(row.value.key.has_value());
    const auto [at, fresh] = partition_of.try_emplace(row.value.key->str(), row.value.partition);
    CHECK((fresh || at->second == row.value.partition));
    CHECK(row.value.timestamp.ms == 1000);
  }
  CHECK(partition_of.size() == 10);

  auto amended = kafka_amended(
      JsonLinesFormat<Reading>(), [](const KafkaMessage& message, Reading& record, TextArena&) {
        const auto header = message.header("name");
        record.name = Text(header ? std::string(header->value) + "!" : std::string("none"));
      });
  auto source = std::make_shared<KafkaSource<decltype(amended)>>(amended);
  source->brokers(broker->bootstrap()).topics({topic}).bounded();
  SourceRun<Reading> back(source);
  back.read_all();
  REQUIRE(back.rows.size() == 200);
  CHECK(std::all_of(back.rows.begin(), back.rows.end(),
                    [](const auto& row) { return row.value.name.view() == "n!"; }));
}

TEST_CASE(
    "kafka sink: a partition of one's own choice, or by a field; one that is not there is named") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("partitions", 3);
  const auto by_number = [](const Reading& row, int32_t count) {
    return static_cast<int32_t>(row.number) % count;
  };
  ReadingRun run(shared(reading_sink(*broker, topic).partition(by_number)));
  run.complete(readings(0, 30), 1);
  for (const auto& row : raw_rows(*broker, topic)) {
    const std::string value = row.value.value->str();
    CHECK(std::stoi(value.substr(value.find(':') + 1)) % 3 == row.value.partition);
  }
  const std::string second = broker->new_topic("partition-by", 3);
  ReadingRun by_field(shared(
      reading_sink(*broker, second).partition_by([](const Reading& row) { return row.name; })));
  by_field.complete(readings(0, 30), 1);
  const RawRows rows = raw_rows(*broker, second);
  CHECK(rows.size() == 30);
  CHECK(std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
    return row.value.partition == rows[0].value.partition;
  }));
  ReadingRun wrong(shared(
      reading_sink(*broker, topic).partition([](const Reading&, int32_t count) { return count; })));
  CHECK_THROWS_WITH(wrong.write(readings(0, 1)).is_ok(), "partition 3 of 3");
}

TEST_CASE("kafka sink: upsert writes deletions as null values and no old values") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("upsert", 1);
  ReadingRun run(shared(
      reading_sink(*broker, topic).key([](const Reading& row) { return row.number; }).upsert()));
  REQUIRE(run.write(readings(1, 2), RowKind::kInsert).is_ok());
  REQUIRE(run.write(readings(1, 2), RowKind::kUpdateBefore).is_ok());
  REQUIRE(run.write({{1, Text("new")}}, RowKind::kUpdateAfter).is_ok());
  REQUIRE(run.write(readings(1, 2), RowKind::kDelete).is_ok());
  for (const auto& committable : run.barrier(1)) {
    REQUIRE(run.commit(committable) == CommitOutcome::kCommitted);
  }
  const RawRows rows = raw_rows(*broker, topic);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].value.key->view() == "1");
  CHECK(rows[0].value.value->view() == R"({"number":1,"name":"n"})");
  CHECK(rows[1].value.value->view() == R"({"number":1,"name":"new"})");
  CHECK(rows[2].value.key->view() == "1");
  CHECK(!rows[2].value.value.has_value());
}

TEST_CASE("kafka sink: every compression reaches the broker and comes back") {
  SLUICE_NEEDS_KAFKA(broker);
  for (const char* codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    CAPTURE(codec);
    const std::string topic = broker->new_topic(std::string("codec-") + codec, 1);
    ReadingRun run(shared(reading_sink(*broker, topic).property("compression.codec", codec)));
    run.complete(readings(0, 3000), 1);
    CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 3000)));
  }
}

// ---- exactly once -------------------------------------------------------------------------------

TEST_CASE("semantics rule 32: an epoch is visible when committed, once, however often it is") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("once", 2);
  ReadingRun run(shared(reading_sink(*broker, topic)));
  REQUIRE_MESSAGE(run.opened.is_ok(), run.opened.to_string());
  REQUIRE(run.write(readings(0, 100)).is_ok());
  const auto first = run.barrier(1);
  REQUIRE(run.write(readings(100, 200)).is_ok());
  CHECK(numbers(*broker, topic).empty());
  REQUIRE(first.size() == 1);
  CHECK(run.commit(first[0]) == CommitOutcome::kCommitted);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 100)));
  CHECK(run.commit(first[0]) == CommitOutcome::kAlreadyCommitted);
  const auto second = run.barrier(2);
  CHECK(run.commit(second[0]) == CommitOutcome::kCommitted);
  CHECK(run.commit(first[0]) == CommitOutcome::kAlreadyCommitted);
  CHECK(run.barrier(3).empty());
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 200)));
}

TEST_CASE("reliability F22: a commit whose reply was lost is recognised by the next run") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("lost-reply", 2);
  const auto sink = shared(reading_sink(*broker, topic));
  std::vector<Committable> held;
  {
    ReadingRun run(sink);
    REQUIRE(run.write(readings(0, 100)).is_ok());
    held = run.barrier(1);
    REQUIRE(run.commit(held[0]) == CommitOutcome::kCommitted);
    // The process dies before it knows.
  }
  ReadingRun next(sink, 0, 1, CheckpointId{1}, held);
  CHECK(next.recovered == std::vector{CommitOutcome::kAlreadyCommitted});
  next.complete(readings(100, 150), 2);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 150)));
}

TEST_CASE("kafka sink: a crash between checkpoint and commit loses nothing") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("crash", 2);
  const auto sink = shared(reading_sink(*broker, topic));
  std::vector<Committable> held;
  {
    ReadingRun run(sink);
    run.complete(readings(0, 50), 1);
    REQUIRE(run.write(readings(50, 100)).is_ok());
    held = run.barrier(2);
    // Not in any checkpoint: the next run reads their input again.
    REQUIRE(run.write(readings(100, 110)).is_ok());
  }
  ReadingRun next(sink, 0, 1, CheckpointId{2}, held);
  CHECK(next.recovered == std::vector{CommitOutcome::kCommitted});
  next.complete(readings(100, 150), 3);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 150)));
}

TEST_CASE("reliability R3, R5: several epochs of one subtask survive a restore, each by itself") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("several", 1);
  const auto sink = shared(reading_sink(*broker, topic));
  std::vector<Committable> held;
  {
    ReadingRun run(sink);
    // Checkpoints 1 and 2 were never confirmed.
    for (int64_t i = 0; i < 3; ++i) {
      REQUIRE(run.write(readings(i * 10, i * 10 + 10)).is_ok());
      for (auto& committable : run.barrier(i + 1)) held.push_back(std::move(committable));
    }
  }
  REQUIRE(held.size() == 3);
  {
    // The committer dies after the first one.
    const auto committer = sink->create_committer();
    std::string error;
    REQUIRE(committer->recommit(held[0], error) == CommitOutcome::kCommitted);
  }
  ReadingRun next(sink, 0, 1, CheckpointId{3}, held);
  CHECK(next.recovered == std::vector{CommitOutcome::kAlreadyCommitted, CommitOutcome::kCommitted,
                                      CommitOutcome::kCommitted});
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 30)));
}

TEST_CASE("kafka sink: what a crash left open is ended by the next run and never seen") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("left-open", 1);
  // As if the process had died while it committed.
  const OpenTransaction left(*broker, topic, topic + "-0", "60000");
  const auto begin = system_clock().steady_ns();
  ReadingRun run(shared(reading_sink(*broker, topic)));
  run.complete(readings(0, 10), 1);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 10)));
  // Not blocked until the time-out of the transaction.
  CHECK(system_clock().steady_ns() - begin < int64_t{45} * 1'000'000'000);
}

TEST_CASE("kafka sink: readers wait for a transaction that nobody ends only until it expires") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("expires", 1);
  const OpenTransaction left(*broker, topic, topic + "-abandoned", "1000");
  ReadingRun run(shared(reading_sink(*broker, topic)));
  run.complete(readings(0, 10), 1);
  KafkaSource<JsonLinesFormat<Reading>> source;
  source.brokers(broker->bootstrap()).topics({topic});
  SourceRun<Reading> reader(std::make_shared<KafkaSource<JsonLinesFormat<Reading>>>(source));
  reader.read(10, 1024, 45);
  CHECK(reader.rows.size() == 10);
}

TEST_CASE("kafka sink: a producer that was fenced writes its epoch anew") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("fenced", 1);
  ReadingRun run(shared(reading_sink(*broker, topic)));
  run.complete(readings(0, 10), 1);
  {
    const OpenTransaction other(*broker, topic, topic + "-0", "60000");
    run.complete(readings(10, 20), 2);
  }
  {
    // The transaction of the other one expires meanwhile, which raises the id's epoch once more.
    const OpenTransaction other(*broker, topic, topic + "-0", "1000");
    run.complete(readings(20, 30), 3);
  }
  run.complete(readings(30, 40), 4);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 40)));
}

TEST_CASE(
    "reliability F23, R6: a run that was thought dead commits nothing after its successor began") {
  SLUICE_NEEDS_KAFKA(broker);
  for (const bool had_committed : {false, true}) {
    CAPTURE(had_committed);
    const std::string topic = broker->new_topic("zombie", 1);
    const auto sink = shared(reading_sink(*broker, topic));
    ReadingRun frozen(sink);
    if (had_committed) frozen.complete(readings(0, 10), 1);
    REQUIRE(frozen.write(readings(10, 20)).is_ok());
    const auto late = frozen.barrier(2);
    const int64_t start = had_committed ? 10 : 0;
    ReadingRun next(sink, 0, 1, CheckpointId{1});
    REQUIRE_MESSAGE(next.opened.is_ok(), next.opened.to_string());
    CHECK(frozen.commit(late[0]) == CommitOutcome::kFailedKnown);
    CHECK(frozen.error.find("taken over") != std::string::npos);
    next.complete(readings(10, 30), 3);
    CHECK(frozen.commit(late[0]) == CommitOutcome::kFailedKnown);
    next.complete(readings(30, 40), 4);
    CHECK(to_text(numbers(*broker, topic)) == to_text(range(10 - start, 40)));
  }
}

TEST_CASE("kafka sink: a run that wakes up before it has claimed anything takes nothing away") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("late-claim", 1);
  const auto sink = shared(reading_sink(*broker, topic));
  {
    ReadingRun run(sink);
    run.complete(readings(0, 10), 1);
  }
  ReadingRun first(sink, 0, 2, CheckpointId{1});
  ReadingRun second(sink, 1, 2, CheckpointId{1});
  // One of two subtasks has committed when a run that was frozen on its way up goes on.
  second.complete(readings(10, 20), 2);
  ReadingRun late(sink, 0, 2, CheckpointId{1});
  CHECK(late.opened.code() == StatusCode::kFailedPrecondition);
  first.complete(readings(20, 30), 2);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 30)));
}

TEST_CASE("kafka sink: of two runs from one checkpoint the later one wins") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("two-runs", 1);
  const auto sink = shared(reading_sink(*broker, topic));
  std::vector<Committable> held;
  {
    ReadingRun run(sink);
    run.complete(readings(0, 10), 1);
  }
  {
    ReadingRun earlier(sink, 0, 1, CheckpointId{1});
    REQUIRE(earlier.write(readings(10, 20)).is_ok());
    held = earlier.barrier(2);
  }
  ReadingRun later(sink, 0, 1, CheckpointId{1});
  REQUIRE(later.opened.is_ok());
  {
    // The earlier one starts again from its own checkpoint, whose results the later makes anew.
    const auto committer = sink->create_committer();
    std::string error;
    CHECK(committer->recommit(held[0], error) == CommitOutcome::kFailedKnown);
    CHECK(error.find("taken over") != std::string::npos);
  }
  later.complete(readings(10, 20), 2);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 20)));
}

TEST_CASE("kafka sink: a restart with fewer subtasks commits the epochs of all and shuts all out") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("rescale", 2);
  const auto sink = shared(reading_sink(*broker, topic));
  std::vector<std::unique_ptr<ReadingRun>> old;
  std::vector<Committable> held;
  for (int subtask = 0; subtask < 3; ++subtask) {
    old.push_back(std::make_unique<ReadingRun>(sink, subtask, 3));
    REQUIRE(old.back()->write(readings(subtask * 10, subtask * 10 + 10)).is_ok());
    held.push_back(old.back()->barrier(1).front());
  }
  // The last one is frozen on its way to another checkpoint.
  REQUIRE(old[2]->write(readings(900, 910)).is_ok());
  const auto late = old[2]->barrier(2);
  ReadingRun one(sink, 0, 1, CheckpointId{1}, held);
  CHECK(one.recovered == std::vector(3, CommitOutcome::kCommitted));
  CHECK(old[2]->commit(late[0]) == CommitOutcome::kFailedKnown);
  one.complete(readings(30, 40), 2);

  ReadingRun more(sink, 0, 2, CheckpointId{2});
  ReadingRun most(sink, 1, 2, CheckpointId{2});
  REQUIRE(more.opened.is_ok());
  REQUIRE(most.opened.is_ok());
  more.complete(readings(40, 50), 3);
  most.complete(readings(50, 60), 3);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 60)));
}

TEST_CASE("kafka sink: subtasks of one run may commit for each other while they start") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("crossed", 1);
  const auto sink = shared(reading_sink(*broker, topic));
  std::vector<Committable> held;
  {
    ReadingRun old(sink, 1, 2);
    REQUIRE(old.write(readings(0, 10)).is_ok());
    held = old.barrier(1);
  }
  // Subtask 1 of the new run has claimed its id when subtask 0 commits what was written under it.
  ReadingRun second(sink, 1, 2, CheckpointId{1});
  ReadingRun first(sink, 0, 2, CheckpointId{1}, held);
  CHECK(first.recovered == std::vector{CommitOutcome::kCommitted});
  second.complete(readings(10, 20), 2);
  first.complete(readings(20, 30), 2);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 30)));
}

TEST_CASE("kafka sink: a start from an older snapshot is refused until repeats are allowed") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("older", 1);
  const auto sink = reading_sink(*broker, topic);
  std::vector<Committable> savepoint;
  {
    ReadingRun run(shared(sink));
    REQUIRE(run.write(readings(0, 10)).is_ok());
    savepoint = run.barrier(1);
    REQUIRE(run.commit(savepoint[0]) == CommitOutcome::kCommitted);
    run.complete(readings(10, 20), 2);
  }
  {
    ReadingRun refused(shared(sink), 0, 1, CheckpointId{1}, savepoint);
    CHECK(refused.recovered == std::vector{CommitOutcome::kAlreadyCommitted});
    CHECK(refused.opened.code() == StatusCode::kFailedPrecondition);
    CHECK(refused.opened.message().find("results of checkpoint 2") != std::string::npos);
  }
  {
    // From the newest one it goes on.
    ReadingRun newest(shared(sink), 0, 1, CheckpointId{2});
    REQUIRE(newest.opened.is_ok());
  }
  auto allowing = sink;
  ReadingRun allowed(shared(allowing.allow_repeats()), 0, 1, CheckpointId{1}, savepoint);
  CHECK(allowed.recovered == std::vector{CommitOutcome::kAlreadyCommitted});
  REQUIRE(allowed.opened.is_ok());
  allowed.complete(readings(10, 20), 3);
  // Documented: what the snapshot held is there once, what came after it twice.
  auto expected = range(0, 20);
  const auto twice = range(10, 20);
  expected.insert(expected.end(), twice.begin(), twice.end());
  std::sort(expected.begin(), expected.end());
  CHECK(numbers(*broker, topic) == expected);
}

TEST_CASE("kafka sink: a new start from nothing is not compared with the runs before it") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("fresh", 1);
  const auto sink = shared(reading_sink(*broker, topic));
  {
    ReadingRun run(sink);
    run.complete(readings(0, 10), 100);
  }
  {
    ReadingRun fresh(sink);
    fresh.complete(readings(10, 20), 1);
  }
  ReadingRun restored(sink, 0, 1, CheckpointId{1});
  CHECK(restored.opened.is_ok());
}

TEST_CASE("kafka sink: when the brokers have forgotten what was committed nothing is guessed") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("forgotten", 1);
  const auto sink = reading_sink(*broker, topic);
  std::vector<Committable> held;
  {
    ReadingRun run(shared(sink));
    REQUIRE(run.write(readings(0, 10)).is_ok());
    held = run.barrier(1);
    REQUIRE(run.commit(held[0]) == CommitOutcome::kCommitted);
  }
  int status = 0;
  broker->tool("consumer-groups --bootstrap-server " + broker->bootstrap() + " --delete --group " +
                   topic + "-0",
               &status);
  REQUIRE(status == 0);
  {
    ReadingRun refused(shared(sink), 0, 1, CheckpointId{1}, held);
    CHECK(refused.recovered == std::vector{CommitOutcome::kFailedKnown});
    CHECK(refused.error.find("offsets.retention.minutes") != std::string::npos);
  }
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 10)));
}

TEST_CASE("kafka sink: a running job survives that its marker is dropped") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("dropped", 1);
  ReadingRun run(shared(reading_sink(*broker, topic)));
  run.complete(readings(0, 10), 1);
  int status = 0;
  broker->tool("consumer-groups --bootstrap-server " + broker->bootstrap() + " --delete --group " +
                   topic + "-0",
               &status);
  REQUIRE(status == 0);
  run.complete(readings(10, 20), 2);
  // The client that commits may have to be made anew.
  run.committer = shared(reading_sink(*broker, topic))->create_committer();
  run.complete(readings(20, 30), 3);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 30)));
}

TEST_CASE("kafka sink: commits go on over restarts of the broker") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("broker-restart", 2);
  ReadingRun run(shared(reading_sink(*broker, topic)));
  run.complete(readings(0, 100), 1);
  for (const bool kill : {false, true}) {
    broker->restart(kill);
    REQUIRE(run.write(readings(kill ? 200 : 100, kill ? 300 : 200)).is_ok());
    const auto epoch = run.barrier(kill ? 3 : 2);
    CommitOutcome outcome = CommitOutcome::kRetry;
    // A refused attempt fails the task in a job, which starts again from the checkpoint.
    for (int i = 0; i < 5 && outcome != CommitOutcome::kCommitted &&
                    outcome != CommitOutcome::kAlreadyCommitted;
         ++i) {
      outcome = run.commit(epoch[0]);
      CHECK(outcome != CommitOutcome::kFailedKnown);
    }
  }
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 300)));
}

// ---- bad input ----------------------------------------------------------------------------------

TEST_CASE("kafka sink: partitions that are added while it runs are used by the next run") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("grows", 2);
  const auto sink =
      shared(reading_sink(*broker, topic).partition([](const Reading& row, int32_t count) {
        return static_cast<int32_t>(row.number) % count;
      }));
  std::vector<Committable> held;
  {
    ReadingRun run(sink);
    run.complete(readings(0, 50), 1);
    int status = 1;
    broker->tool("topics --bootstrap-server " + broker->bootstrap() +
                     " --alter --partitions 4 --topic " + topic,
                 &status);
    REQUIRE(status == 0);
    run.complete(readings(50, 100), 2);
    REQUIRE(run.write(readings(100, 150)).is_ok());
    held = run.barrier(3);
  }
  ReadingRun next(sink, 0, 1, CheckpointId{3}, held);
  CHECK(next.recovered == std::vector{CommitOutcome::kCommitted});
  next.complete(readings(150, 200), 4);
  CHECK(to_text(numbers(*broker, topic)) == to_text(range(0, 200)));
  for (const auto& row : raw_rows(*broker, topic)) {
    const std::string value = row.value.value->str();
    const int number = std::stoi(value.substr(value.find(':') + 1));
    CHECK(row.value.partition == number % (number < 150 ? 2 : 4));
  }
}

TEST_CASE("kafka sink: a message over the broker's limit is named before anything is written") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("large", 1);
  for (const bool exactly_once : {true, false}) {
    auto sink = reading_sink(*broker, topic);
    if (!exactly_once) sink.at_least_once();
    ReadingRun run(shared(sink));
    REQUIRE(run.opened.is_ok());
    const Status status = run.write({{1, Text(std::string(3'000'000, 'x'))}});
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().find("over the limit of 1048588") != std::string::npos);
  }
  CHECK(numbers(*broker, topic).empty());
}

TEST_CASE("kafka sink: an unknown topic, a wrong broker and a wrong property are named") {
  SLUICE_NEEDS_KAFKA(broker);
  const Status unknown = reading_sink(*broker, "no-such-topic").validate(true);
  CHECK(unknown.code() == StatusCode::kNotFound);
  CHECK(unknown.message().find("no-such-topic") != std::string::npos);
  const Status wrong = reading_sink(*broker, "a").property("acks", "perhaps").validate(true);
  CHECK(wrong.message().find("acks") != std::string::npos);
  const Status nowhere = reading_sink(*broker, "a").brokers("127.0.0.1:1").validate(true);
  CHECK(nowhere.code() == StatusCode::kUnavailable);
  CHECK(nowhere.message().find("127.0.0.1:1") != std::string::npos);
  const std::string made = "made-by-the-sink";
  REQUIRE(reading_sink(*broker, made).create_topic(3).validate(true).is_ok());
  CHECK(reading_sink(*broker, made).create_topic(3).validate(true).is_ok());
}

TEST_CASE("kafka sink: more rows between two checkpoints than allowed is a clear failure") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("epoch-bytes", 1);
  ReadingRun run(shared(reading_sink(*broker, topic).epoch_bytes_max(10'000)));
  const Status status = run.write(readings(0, 1000));
  CHECK(status.code() == StatusCode::kResourceExhausted);
  CHECK(status.message().find("epoch_bytes_max") != std::string::npos);
}

TEST_CASE("kafka sink: a large epoch asks for a checkpoint, each time it has grown as much again") {
  SLUICE_NEEDS_KAFKA(broker);
  const std::string topic = broker->new_topic("asks", 1);
  ReadingRun run(shared(reading_sink(*broker, topic).epoch_bytes(20'000)));
  REQUIRE(run.opened.is_ok());
  const auto write = [&](int64_t rows) { REQUIRE(run.write(readings(0, rows)).is_ok()); };
  write(100);
  CHECK(run.requested_after.empty());
  write(500);
  CHECK(run.requested_after == std::vector<CheckpointId>{CheckpointId{0}});
  write(100);
  CHECK(run.requested_after.size() == 1);
  write(500);
  CHECK(run.requested_after.size() == 2);
  run.barrier(7);
  write(100);
  CHECK(run.requested_after.size() == 2);
  write(600);
  CHECK(run.requested_after.back() == CheckpointId{7});
}

TEST_CASE("kafka marker: it is read as it was written, and forgets the oldest") {
  KafkaMarker marker;
  marker.claim(0xabc, {});
  marker.add(0xabc, CheckpointId{7});
  marker.claim(0xdef, CheckpointId{7});
  CHECK(marker.to_text() == "sluice1;abc:7:-1;def:-1:7");
  auto read = KafkaMarker::parse(marker.to_text());
  REQUIRE(read.is_ok());
  CHECK(read->covers(0xabc, CheckpointId{7}));
  CHECK(!read->covers(0xabc, CheckpointId{8}));
  CHECK(!read->covers(0xdef, CheckpointId{0}));
  CHECK(read->knows(0xdef));
  CHECK(!read->is_superseded(0xabc, CheckpointId{7}));
  CHECK(read->is_superseded(0xabc, CheckpointId{8}));
  CHECK(!read->is_superseded(0xdef, CheckpointId{8}));
  CHECK(read->newest_commit() == 7);
  for (uint64_t i = 1; i <= KafkaMarker::kIncarnationsMax; ++i) read->claim(i, CheckpointId{7});
  CHECK(!read->knows(0xabc));
  CHECK(read->to_text().size() < 4096);
  for (const char* damaged : {"x", "sluice2;1:1:1", "sluice1;", "sluice1;1",
                              "sluice1;1:", "sluice1;1:1", "sluice1;g:1:1", "sluice1;1:1:1x"}) {
    CAPTURE(damaged);
    CHECK(KafkaMarker::parse(damaged).status().code() == StatusCode::kCorruption);
  }
}

}  // namespace
}  // namespace sluice
